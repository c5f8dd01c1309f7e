-- Room agents: the attempts of a run, each with what it staged and what the checks said of it.

create table factotum.attempts (
  run_id bigint not null,
  number integer not null constraint attempts_number_positive check (number > 0),
  rung text not null,
  model text,
  status text not null
    constraint attempts_status_known check (status in ('working', 'discarded', 'asked', 'committed')),
  calls jsonb not null default '[]',
  change_set jsonb not null default '{"rows": []}',
  diff jsonb not null default '[]',
  verdicts jsonb not null default '[]',
  because text,
  started_at timestamptz not null default factotum.now(),
  ended_at timestamptz,
  constraint attempts_pkey primary key (run_id, number)
);
comment on table factotum.attempts is
  'One try of one rung at a run: its tool calls, staged rows, verdicts, and how it ended.';
