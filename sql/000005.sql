-- Rooms inbox and context: what people are asked, and what was learned.

create table factotum.questions (
  id bigint generated always as identity constraint questions_pkey primary key,
  run_id bigint not null,
  tenant text not null,
  agent text not null,
  card jsonb not null,
  status text not null default 'open'
    constraint questions_status_known check (status in ('open', 'answered', 'expired', 'withdrawn')),
  default_choice text,
  due_at timestamptz,
  asked_at timestamptz not null default factotum.now(),
  answer jsonb,
  answered_by text,
  answered_at timestamptz,
  constraint questions_default_needs_due check ((default_choice is null) or (due_at is not null)),
  constraint questions_answer_has_time check ((answer is null) = (answered_at is null))
);
comment on table factotum.questions is 'A question put to a person: one card for a whole change set.';
create index questions_open on factotum.questions (id) where status = 'open';
create index questions_run on factotum.questions (run_id);

create table factotum.lessons (
  id bigint generated always as identity constraint lessons_pkey primary key,
  tenant text not null,
  agent text not null,
  topic text not null,
  shape text not null,
  content jsonb not null,
  run_id bigint,
  learned_at timestamptz not null default factotum.now(),
  constraint lessons_one_per_shape unique (tenant, agent, topic, shape)
);
comment on table factotum.lessons is 'What an agent learned from work that a person or a model resolved.';
