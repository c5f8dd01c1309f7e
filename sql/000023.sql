-- Room `runs`: how runs begin by themselves, belong together, are held up, and end before their time.

alter table factotum.runs
  add column paused_from text,
  add column deadline_at timestamptz,
  add column parent_id bigint,
  add column join_number integer,
  add column depth integer not null default 0,
  add column left_by bigint,
  drop constraint runs_status_check,
  add constraint runs_status_check
    check (status in ('ready', 'waiting', 'paused', 'done', 'failed', 'cancelled')),
  add constraint runs_paused_check check ((status = 'paused') = (paused_from is not null)),
  add constraint runs_parent_check check ((parent_id is null) = (join_number is null));
comment on column factotum.runs.paused_from is 'What a paused run goes back to: ready or waiting.';
comment on column factotum.runs.deadline_at is 'Business time past which it is ended, whatever it does.';
comment on column factotum.runs.parent_id is 'The run that started it; it is cancelled with it.';
comment on column factotum.runs.left_by is
  'The worker that held it last and let go of it, or died, while it wanted turns; null once it is taken up.';
create index runs_deadline on factotum.runs (deadline_at)
  where deadline_at is not null and status in ('ready', 'waiting', 'paused');
create index runs_parent on factotum.runs (parent_id, id) where parent_id is not null;

-- A run that goes on in other hands says so in its timeline. Both triggers are for what happens seldom: a turn
-- that ends as usual is no more than their WHEN.
create function factotum.note_left() returns trigger language plpgsql as $$
begin
  update factotum.runs set left_by = old.worker where id = new.id;
  return null;
end
$$;
create trigger runs_left after update of worker on factotum.runs for each row
  when (old.worker is not null and new.worker is null and new.status = 'ready')
  execute function factotum.note_left();

create function factotum.note_picked_up() returns trigger language plpgsql as $$
declare
  former bigint := coalesce(new.left_by, old.worker);
begin
  update factotum.runs set left_by = null, steps = steps + (former <> new.worker)::integer where id = new.id;
  if former <> new.worker then
    insert into factotum.steps (run_id, seq, kind, data)
    select r.id, r.steps, 'picked up', json_build_object(
      'by', coalesce((select w.name from factotum.workers w where w.id = new.worker), 'worker')
        || ' (' || new.worker || ')',
      'from', coalesce((select w.name from factotum.workers w where w.id = former), 'worker')
        || ' (' || former || ')',
      'afterStep', r.steps - 1)
    from factotum.runs r where r.id = new.id;
  end if;
  return null;
end
$$;
create trigger runs_picked_up after update of worker on factotum.runs for each row
  when (new.worker is not null and old.worker is distinct from new.worker
    and (new.left_by is not null or old.worker is not null))
  execute function factotum.note_picked_up();

-- Fan-in. Whatever ends a child tells the join, in the transaction that ends it.
create table factotum.joins (
  run_id bigint not null,
  number integer not null,
  mode text not null,
  needed integer not null,
  children integer not null,
  done integer not null default 0,
  failed integer not null default 0,
  met boolean not null default false,
  constraint joins_pkey primary key (run_id, number),
  constraint joins_run_id_fkey foreign key (run_id) references factotum.runs (id) on delete cascade,
  constraint joins_mode_check check (mode in ('all', 'first', 'any-failed'))
);
comment on table factotum.joins is 'The children that a run started in one turn, and for which of them it waits.';
comment on column factotum.joins.needed is 'How many must be done, where the mode is first.';

create function factotum.wake_run(run_id bigint) returns void language plpgsql as $$
begin
  update factotum.runs r set
    wakes = r.wakes + (r.status = 'ready')::integer,
    version = r.version + (r.status = 'waiting')::integer,
    paused_from = case when r.status = 'paused' then 'ready' end,
    status = case when r.status = 'paused' then 'paused' else 'ready' end,
    updated_at = factotum.now()
  where r.id = wake_run.run_id and r.status in ('ready', 'waiting', 'paused');
  if found then
    perform pg_notify('factotum_runs', 'wake ' || wake_run.run_id);
  end if;
end
$$;

create function factotum.child_moved() returns trigger language plpgsql as $$
begin
  update factotum.joins j set
    done = j.done + (new.status = 'done')::integer - (old.status = 'done')::integer,
    failed = j.failed + (new.status in ('failed', 'cancelled'))::integer
      - (old.status in ('failed', 'cancelled'))::integer
  where j.run_id = new.parent_id and j.number = new.join_number;
  update factotum.joins j set met = true
  where j.run_id = new.parent_id and j.number = new.join_number and not j.met
    and (j.done + j.failed >= j.children or (j.mode = 'first' and j.done >= j.needed)
      or (j.mode = 'any-failed' and j.failed > 0));
  if found then
    perform factotum.wake_run(new.parent_id);
  end if;
  return null;
end
$$;
create trigger runs_child_moved after update of status on factotum.runs for each row
  when (new.parent_id is not null and old.status is distinct from new.status
    and (old.status in ('done', 'failed', 'cancelled') or new.status in ('done', 'failed', 'cancelled')))
  execute function factotum.child_moved();

create table factotum.schedules (
  agent text not null,
  name text not null,
  fingerprint text not null,
  through_at timestamptz not null,
  next_at timestamptz,
  looked_at timestamptz,
  last_at timestamptz,
  passed_over_from timestamptz,
  passed_over_to timestamptz,
  problem text,
  constraint schedules_pkey primary key (agent, name)
);
comment on table factotum.schedules is
  'How far each schedule has come. The run of an occurrence has the key schedule/NAME/INSTANT, so there is one.';
comment on column factotum.schedules.fingerprint is 'Of what the configuration said last: another one does not fire.';
comment on column factotum.schedules.through_at is 'Business time up to which every occurrence has been dealt with.';
comment on column factotum.schedules.looked_at is
  'Real time at which a process looked last; null where the last one left. What was due long after is missed.';
comment on column factotum.schedules.passed_over_from is 'What its policy on missed occurrences passed over last.';

create table factotum.events (
  id bigint generated always as identity,
  trigger text not null,
  relation text not null,
  operation text not null,
  former json,
  present json,
  at timestamptz not null default factotum.now(),
  problem text,
  constraint events_pkey primary key (id),
  constraint events_operation_check check (operation in ('insert', 'update', 'delete'))
);
create index events_waiting on factotum.events (trigger, id) where problem is null;
comment on table factotum.events is
  'Changes of watched tables that no run was started for yet; written by a trigger in the transaction of the change.';
comment on column factotum.events.problem is 'Why no run could be made of it.';

create table factotum.watched_tables (
  trigger text not null,
  relation text not null,
  sql_name text not null,
  operations text[] not null,
  condition text,
  constraint watched_tables_pkey primary key (trigger)
);
comment on table factotum.watched_tables is 'Tables whose changes start runs, as the configuration declared them last.';

-- The session of a commit says so: what it puts in is noted from its change rows, whatever it does to triggers.
create function factotum.note_event() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into factotum.events (trigger, relation, operation, former, present)
  values (tg_argv[0], tg_argv[1], lower(tg_op),
    case when tg_op <> 'INSERT' then to_json(old) end, case when tg_op <> 'DELETE' then to_json(new) end);
  perform pg_notify('factotum_watch', '');
  return null;
end
$$;

create function factotum.note_committed_events() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  one record;
  holds boolean;
  former json;
  present json;
begin
  for one in
    select w.trigger, w.relation, w.sql_name, w.condition, c.before, c.after, c.operation
    from (select r.*, s.root, case when r.before is null then 'insert' when r.after is null then 'delete'
        else 'update' end as operation
      from written r join factotum.row_shapes s on s.fingerprint = r.fingerprint) c
    join factotum.watched_tables w on w.relation in (c.relation, c.root) and c.operation = any (w.operations)
    order by c.position
  loop
    execute format('select to_json("old"), to_json("new"), coalesce((%2$s), false)
      from (select ($1::%1$s).*) as "old", (select ($2::%1$s).*) as "new"',
      one.sql_name, coalesce(one.condition, 'true'))
      into former, present, holds using one.before, one.after;
    if holds then
      insert into factotum.events (trigger, relation, operation, former, present)
      values (one.trigger, one.relation, one.operation,
        case when one.before is not null then former end, case when one.after is not null then present end);
      perform pg_notify('factotum_watch', '');
    end if;
  end loop;
  return null;
end
$$;
comment on function factotum.note_committed_events is
  'On factotum.change_rows while a table is watched: agents commit with the triggers of user tables off.';

create function factotum.tell_watchers() returns trigger language plpgsql as $$
begin
  perform pg_notify('factotum_watch', '');
  return null;
end
$$;
create trigger clock_set_watch after insert or update or delete on factotum.clock
  for each statement execute function factotum.tell_watchers();

create table factotum.stranded (
  run_id bigint not null,
  agent text not null,
  version integer not null,
  at timestamptz not null default factotum.now(),
  constraint stranded_pkey primary key (run_id),
  constraint stranded_run_id_fkey foreign key (run_id) references factotum.runs (id) on delete cascade
);
comment on table factotum.stranded is
  'Runs of a version of their agent that the process which took them up neither had nor could migrate.';
