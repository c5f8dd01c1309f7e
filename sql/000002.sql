-- Room `runs`: what is under way, who drives it, and how it is woken.
--
-- The row is the truth. A run that is `ready`, or `waiting` with a wake_at that has passed, and that no living
-- worker holds, is taken up by any worker; notifications and queue jobs only make that sooner. Business time is
-- factotum.now(); liveness (leases, retry_at) is real time, clock_timestamp(), since a frozen or hurried
-- business clock must neither kill a worker nor keep one alive.

create table factotum.workers (
  id bigint generated always as identity,
  name text not null,
  started_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null,
  constraint workers_pkey primary key (id)
);
comment on table factotum.workers is
  'One stay of a worker process: a new row each time it (re)connects. It lives while its session holds the advisory lock worker_lock_key(id) and its lease has not run out.';
comment on column factotum.workers.lease_until is 'Real time; renewed by the worker, so that one that hangs is found out.';

-- 70 ("F") in the top byte keeps our keys away from the small numbers that applications lock on.
create function factotum.worker_lock_key(worker_id bigint) returns bigint
  language sql immutable parallel safe
  return (70::bigint << 56) | worker_id;

-- Postgres frees the advisory lock the moment a killed process's connection closes: no time-out is involved.
create view factotum.living_workers as
  select w.id
  from factotum.workers w
  join pg_catalog.pg_locks l
    on l.locktype = 'advisory' and l.objsubid = 1 and l.granted
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and ((l.classid::bigint << 32) | l.objid::bigint) = factotum.worker_lock_key(w.id)
  where w.lease_until > clock_timestamp();
comment on view factotum.living_workers is 'Workers whose runs must be left to them.';

create table factotum.runs (
  id bigint generated always as identity,
  tenant text not null,
  agent text not null,
  agent_version integer not null,
  key text,
  priority integer not null default 0,
  input json not null,
  state json not null,
  status text not null default 'ready',
  outcome text,
  because text,
  wake_at timestamptz,
  version bigint not null default 0,
  steps bigint not null default 0,
  wakes bigint not null default 0,
  wakes_seen bigint not null default 0,
  failures integer not null default 0,
  retry_at timestamptz,
  worker bigint,
  fence bigint not null default 0,
  created_at timestamptz not null default factotum.now(),
  updated_at timestamptz not null default factotum.now(),
  constraint runs_pkey primary key (id),
  constraint runs_key_unique unique (tenant, agent, key),
  constraint runs_status_check check (status in ('ready', 'waiting', 'done', 'failed', 'cancelled')),
  constraint runs_outcome_check check ((status = 'done') = (outcome is not null)),
  constraint runs_worker_check check (worker is null or status = 'ready')
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
comment on table factotum.runs is 'A piece of work under way. Advanced by turns: one fenced transaction each.';
comment on column factotum.runs.key is 'Starting the same (tenant, agent, key) twice yields the first run.';
comment on column factotum.runs.input is 'What the run was started with; json, not jsonb: stored as sent, \u0000 included.';
comment on column factotum.runs.state is 'The agent''s own; written by turns only.';
comment on column factotum.runs.because is 'Why it failed or was cancelled, or its last error while it is tried again.';
comment on column factotum.runs.wake_at is 'Business time until which its last turn parked it, kept when it is woken before; null: until woken.';
comment on column factotum.runs.version is 'Raised by every turn and every other change of status.';
comment on column factotum.runs.steps is 'Rows in factotum.steps: the last seq given out.';
comment on column factotum.runs.wakes is 'Wake-ups that found the run awake; a park is refused once for those not yet in wakes_seen.';
comment on column factotum.runs.failures is 'Errors in a row; a turn that commits sets it to 0.';
comment on column factotum.runs.retry_at is 'Real time before which a ready run that failed is left alone.';
comment on column factotum.runs.worker is 'The worker that drives it. Not a foreign key: workers come and go, and a dead one means free.';
comment on column factotum.runs.fence is 'Raised by each take-over and each cancel; a turn with an older one cannot commit.';

-- Turns change none of these columns, so that their updates stay heap-only (no index is touched).
create index runs_ready on factotum.runs (priority desc, id) where status = 'ready';
create index runs_retry on factotum.runs (retry_at) where status = 'ready' and retry_at is not null;
create index runs_due on factotum.runs (wake_at) where status = 'waiting' and wake_at is not null;
create index runs_status on factotum.runs (status, id);

create table factotum.steps (
  run_id bigint not null,
  seq bigint not null,
  kind text not null,
  attempt integer,
  data json not null,
  at timestamptz not null default factotum.now(),
  constraint steps_pkey primary key (run_id, seq),
  constraint steps_run_id_fkey foreign key (run_id) references factotum.runs (id) on delete cascade
);
comment on table factotum.steps is 'The transcript: append-only, numbered from 1 in each run.';

create table factotum.nudges (
  id bigint generated always as identity,
  run_id bigint not null,
  body json not null,
  by text not null,
  at timestamptz not null default factotum.now(),
  taken_at timestamptz,
  constraint nudges_pkey primary key (id),
  constraint nudges_run_id_fkey foreign key (run_id) references factotum.runs (id) on delete cascade
);
comment on table factotum.nudges is 'What people said to a run while it was under way.';
comment on column factotum.nudges.taken_at is 'When a turn read it; null while it waits.';
create index nudges_untaken on factotum.nudges (run_id, id) where taken_at is null;

-- A clock that is set or sped up may make waiting runs due: workers look again at once.
create function factotum.tell_clock_set() returns trigger language plpgsql as $$
begin
  perform pg_notify('factotum_runs', 'clock');
  return null;
end
$$;
create trigger clock_set after insert or update or delete on factotum.clock
  for each statement execute function factotum.tell_clock_set();
