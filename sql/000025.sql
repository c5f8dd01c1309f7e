-- Rooms `inbox` and `context`: what a person's attention is spent on, and what they say for good.

alter table factotum.questions
  drop constraint questions_status_known,
  add constraint questions_status_known
    check (status in ('open', 'answered', 'expired', 'withdrawn', 'spared')),
  add column topic text not null default 'card',
  add column subject text,
  add column importance text not null default 'normal'
    constraint questions_importance_known check (importance in ('low', 'normal', 'high', 'urgent')),
  add column stake_micro_usd bigint
    constraint questions_stake_not_negative check (stake_micro_usd >= 0),
  add column because text,
  add column chain json,
  add column level integer not null default 0,
  add column show_at timestamptz not null default factotum.now(),
  add column escalate_at timestamptz,
  add column told_level integer not null default -1,
  add column merged_into bigint,
  add column answered_via text;
alter table factotum.questions
  add constraint questions_merged_into_fkey foreign key (merged_into) references factotum.questions (id),
  add constraint questions_merged_earlier check (merged_into <> id);
comment on column factotum.questions.status is
  'open; answered by a person; expired: its time-out took the default; withdrawn with its run; spared: never put, since an answer was worth less than the interruption.';
comment on column factotum.questions.topic is 'What kind of question it is: what is learned of one is used for its like.';
comment on column factotum.questions.subject is 'Digest of what is asked; open questions of one agent with the same are answered together.';
comment on column factotum.questions.stake_micro_usd is 'What a wrong choice would cost; null: nobody said, so it is always put.';
comment on column factotum.questions.because is 'The reckoning by which it was put to people, or spared them.';
comment on column factotum.questions.chain is 'Who may answer, level after level, as the configuration had it; null: anybody.';
comment on column factotum.questions.level is 'How far it has been escalated: index into chain.';
comment on column factotum.questions.show_at is 'Business time from which people see it: the end of their quiet hours.';
comment on column factotum.questions.escalate_at is 'Business time at which the next level is asked too.';
comment on column factotum.questions.told_level is 'The highest level whose people were sent a message; -1: none.';
comment on column factotum.questions.merged_into is 'The question, asked before, whose answer is this one''s too.';
comment on column factotum.questions.answered_via is 'cli, http, link or chat; null: by default, or before this was kept.';
create index questions_merged on factotum.questions (merged_into) where merged_into is not null;
create index questions_subject on factotum.questions (tenant, agent, subject)
  where status = 'open' and merged_into is null;
create index questions_learned on factotum.questions (tenant, agent, topic, answered_at desc)
  where status = 'answered';

create table factotum.instructions (
  id bigint generated always as identity constraint instructions_pkey primary key,
  tenant text not null,
  agent text not null,
  text text not null,
  said_by text not null,
  run_id bigint,
  replaces bigint constraint instructions_replaced_once unique,
  said_at timestamptz not null default factotum.now(),
  withdrawn_at timestamptz,
  withdrawn_by text,
  constraint instructions_replaces_fkey foreign key (replaces) references factotum.instructions (id),
  constraint instructions_withdrawn_by_somebody check ((withdrawn_at is null) = (withdrawn_by is null))
);
create index instructions_standing on factotum.instructions (tenant, agent, id) where withdrawn_at is null;
comment on table factotum.instructions is
  'Standing instructions of an agent for one tenant: what people said that it shall always do. An edit withdraws one and adds another.';
comment on column factotum.instructions.run_id is
  'The run that was nudged with it. No foreign key: it outlives the run.';
