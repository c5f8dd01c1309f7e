-- Room `changes`: staging, and the history of what was committed.
--
-- Nothing here is put on a user's table. `attach` puts one trigger there, " factotum", that calls
-- factotum.capture() in sessions that set factotum.attempt and is never evaluated further in others.

-- Rows live for one transaction: a staged one is rolled back, a commit deletes what it recaptured.
-- Unlogged, since nothing in it outlives a crash by design; found by transaction, because the dead rows of
-- earlier stagings, 60,000 of them, doubled the time of a staged call that had to walk over them.
create unlogged table factotum.captured (
  transaction xid8 not null default pg_current_xact_id(),
  relation oid not null,
  before text,
  after text
);
create index captured_transaction on factotum.captured (transaction);
comment on table factotum.captured is
  'Row images (record text) that the capture trigger wrote in a transaction still open; empty in between.';

-- The settings make an image mean the same whoever wrote it: text forms of dates, floats, bytes and names
-- depend on them, and a tool may have changed its session's.
create function factotum.capture() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set datestyle = 'ISO, YMD'
  set intervalstyle = 'postgres'
  set timezone = 'UTC'
  set extra_float_digits = '1'
  set bytea_output = 'hex'
as $$
begin
  insert into factotum.captured (relation, before, after) values (tg_relid, old::text, new::text);
  return null;
end
$$;
comment on function factotum.capture() is 'The capture trigger: notes the row before and after, as record text.';

-- The pill: a staged transaction holds one row here, so that a COMMIT sent by a tool fails.
create unlogged table factotum.staging (started_at timestamptz not null default clock_timestamp());
comment on table factotum.staging is
  'Each staged transaction inserts a row and rolls it back; committing one is refused. Always empty.';

create function factotum.refuse_commit() returns trigger language plpgsql as $$
begin
  raise exception 'staged work cannot be committed: its transaction is rolled back, and what it changed is '
    'committed later as a change set'
    using errcode = 'invalid_transaction_termination',
      hint = 'A tool must not end its transaction; use savepoints inside it.';
end
$$;

create constraint trigger staged_work_is_never_committed after insert on factotum.staging
  deferrable initially deferred for each row execute function factotum.refuse_commit();
-- Also where a tool switched ordinary triggers off with session_replication_role.
alter table factotum.staging enable always trigger staged_work_is_never_committed;

create table factotum.row_shapes (
  fingerprint text not null,
  relation text not null,
  root text not null,
  columns text[] not null,
  key_columns text[] not null,
  constraint row_shapes_pkey primary key (fingerprint)
);
comment on table factotum.row_shapes is
  'What the columns of a row image were called when it was committed, so that history stays readable.';
comment on column factotum.row_shapes.relation is 'schema.table; of a partition, the partition.';
comment on column factotum.row_shapes.root is 'schema.table a person knows it by: of a partition, its table.';
comment on column factotum.row_shapes.columns is
  'Columns in record order; one that is never stored (virtual generated) stands as NULL.';

create table factotum.change_sets (
  id bigint generated always as identity,
  run_id bigint not null,
  attempt integer not null,
  agent text not null,
  because text not null,
  model text,
  cost_micro_usd bigint,
  undoes bigint,
  committed_at timestamptz not null default factotum.now(),
  constraint change_sets_pkey primary key (id),
  constraint change_sets_undoes_fkey foreign key (undoes) references factotum.change_sets (id),
  constraint change_sets_undone_once unique (undoes),
  constraint change_sets_undoes_earlier check (undoes < id)
);
create index change_sets_run on factotum.change_sets (run_id, id);
comment on table factotum.change_sets is
  'Every change set committed: who, in which run and attempt, why, by which model, at what cost. Never edited.';
comment on column factotum.change_sets.run_id is
  'No foreign key: this history outlives the runs that made it.';
comment on column factotum.change_sets.undoes is 'The change set whose inverse this one is.';

create table factotum.change_rows (
  change_set bigint not null,
  position integer not null,
  relation text not null,
  key text not null,
  before text,
  after text,
  fingerprint text not null,
  constraint change_rows_pkey primary key (change_set, position),
  constraint change_rows_change_set_fkey foreign key (change_set) references factotum.change_sets (id),
  constraint change_rows_changes_something check (before is distinct from after)
);
-- Hash, because a key has no length limit that a B-tree entry would keep.
create index change_rows_key on factotum.change_rows using hash (key);
comment on table factotum.change_rows is 'The rows of committed change sets, as they were and became. Never edited.';
comment on column factotum.change_rows.key is 'The primary key as record text, such as (42).';
comment on column factotum.change_rows.before is 'The whole row as record text; null where it was inserted.';
comment on column factotum.change_rows.after is 'The whole row as record text; null where it was deleted.';

create function factotum.refuse_edit() returns trigger language plpgsql as $$
begin
  raise exception 'factotum.% is history: rows are added, never changed or removed', tg_table_name
    using errcode = 'restrict_violation';
end
$$;
create trigger change_sets_append_only before update or delete or truncate on factotum.change_sets
  for each statement execute function factotum.refuse_edit();
create trigger change_rows_append_only before update or delete or truncate on factotum.change_rows
  for each statement execute function factotum.refuse_edit();
