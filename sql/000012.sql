-- Room agents: what an agent and the person on the other side of a run said to each other.

create table factotum.messages (
  id bigint generated always as identity,
  run_id bigint not null,
  speaker text not null,
  said_by text not null,
  text text not null,
  ends boolean not null default false,
  key text,
  at timestamptz not null default factotum.now(),
  heard_at timestamptz,
  constraint messages_pkey primary key (id),
  constraint messages_run_id_fkey foreign key (run_id) references factotum.runs (id) on delete cascade,
  constraint messages_key_unique unique (run_id, key),
  constraint messages_speaker_known check (speaker in ('person', 'agent')),
  constraint messages_agent_is_heard check (speaker = 'person' or heard_at is not null)
);
comment on table factotum.messages is
  'A conversation, in order of id: a message is written under the lock of its run, as every turn is.';
comment on column factotum.messages.ends is 'The person ends the conversation with this message.';
comment on column factotum.messages.key is 'The sender''s own: sending the same message twice says it once.';
comment on column factotum.messages.heard_at is 'When a turn took it up; null while it waits.';
create index messages_run on factotum.messages (run_id, id);
create index messages_unheard on factotum.messages (run_id, id) where heard_at is null;
