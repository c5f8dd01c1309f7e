-- Room `changes`: staging on a connection that is logged in as a role of the agent's own.
--
-- A tool's SQL runs as that role, which has the declared rights and nothing else. What framing a staging needs
-- beyond them (putting the base's rows in, reading what was captured) is done by the definer functions below.
-- They want a key that is sent as a parameter and never shown to a tool, and the one that runs statements
-- works only before the pill is taken, so that in a transaction in which a tool has run it is of no use.

alter table factotum.staging
  add column transaction xid8 not null default pg_current_xact_id(),
  add column tenant text,
  add column rows_max integer,
  add column counted_before jsonb;
create index staging_transaction on factotum.staging (transaction);
comment on column factotum.staging.tenant is 'Whose work it is; what factotum.tenant() answers.';
comment on column factotum.staging.rows_max is 'How many rows the work may change; null: as many as it likes.';
comment on column factotum.staging.counted_before is
  'Counters of written rows by table when the work began: they run on from one transaction to the next.';

create table factotum.agent_roles (
  database oid not null,
  agent text not null,
  role text not null,
  password text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  key text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  made_at timestamptz not null default clock_timestamp(),
  constraint agent_roles_pkey primary key (database, agent),
  constraint agent_roles_role_unique unique (role)
);
comment on table factotum.agent_roles is
  'The login of each agent. Password and key are made here, so that they stand in no statement; no agent can read them.';
comment on column factotum.agent_roles.database is
  'Roles belong to the whole server: in a copy or a restored dump of this database, these rows mean nothing.';
comment on column factotum.agent_roles.key is 'What the definer functions of staging want to see.';
revoke all on factotum.agent_roles from public;

-- The counters are Postgres' own, so asking them is cheap, and no tool can turn them back.
create function factotum.rows_written(of oid) returns bigint
  language sql volatile
  begin atomic
    select pg_catalog.pg_stat_get_xact_tuples_inserted(rows_written.of)
      + pg_catalog.pg_stat_get_xact_tuples_updated(rows_written.of)
      + pg_catalog.pg_stat_get_xact_tuples_deleted(rows_written.of);
  end;

-- Part of the WHEN of capture triggers, which is looked at row by row while a statement runs: the triggers
-- themselves come after its last row, and a million rows are on disk by then. Few rows need no looking.
create function factotum.within_bounds(of regclass) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  written bigint := factotum.rows_written(within_bounds.of);
  work record;
begin
  if written <= 1000 then return true; end if;
  select s.rows_max, coalesce((s.counted_before ->> within_bounds.of::oid::text)::bigint, 0) as before into work
    from factotum.staging s where s.transaction = pg_current_xact_id();
  if written - work.before > work.rows_max then
    raise exception 'staged work changed more than % rows', work.rows_max
      using errcode = 'program_limit_exceeded', hint = 'Make smaller changes.';
  end if;
  return true;
end
$$;
comment on function factotum.within_bounds(regclass) is 'Stops staged work that changes more rows than it may.';

create function factotum.count_written(tables oid[]) returns jsonb
  language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(t.oid::text, factotum.rows_written(t.oid))
  from unnest(tables || 'factotum.captured'::regclass::oid) t(oid)
$$;
comment on function factotum.count_written(oid[]) is 'What work that is about to begin has not written.';

-- What a partition, a cascade or a trigger of the user's writes is counted here, once captured.
create or replace function factotum.capture() returns trigger
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
  perform factotum.within_bounds('factotum.captured'::regclass);
  return null;
end
$$;

create function factotum.tenant() returns text
  language sql stable security definer parallel restricted
  begin atomic
    select s.tenant from factotum.staging s where s.transaction = pg_catalog.pg_current_xact_id_if_assigned();
  end;
comment on function factotum.tenant() is
  'The tenant whose work this transaction stages, as our side noted it; null in any other. For row conditions and policies.';

create function factotum.check_staging_key(key text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform from factotum.agent_roles r
    where r.role = session_user and r.key = check_staging_key.key
      and r.database = (select d.oid from pg_database d where d.datname = current_database());
  if not found then
    raise exception 'only Factotum itself may call this' using errcode = 'insufficient_privilege';
  end if;
end
$$;

-- No SET search_path: a check constraint of the user's may call functions that need the caller's, which at this
-- point is our own choice. Every name is qualified instead.
create function factotum.staging_apply(key text, statement text, replica boolean, a text[], b text[])
  returns bigint language plpgsql security definer
as $$
declare
  touched bigint;
begin
  perform factotum.check_staging_key(key);
  perform from factotum.staging s where s.transaction operator(pg_catalog.=) pg_catalog.pg_current_xact_id();
  if found then
    raise exception 'the work has begun' using errcode = 'insufficient_privilege';
  end if;
  if replica then perform pg_catalog.set_config('session_replication_role', 'replica', true); end if;
  execute statement using a, b;
  get diagnostics touched = row_count;
  if replica then perform pg_catalog.set_config('session_replication_role', 'origin', true); end if;
  return touched;
end
$$;
comment on function factotum.staging_apply(text, text, boolean, text[], text[]) is
  'Puts rows of the base in; refused once staging_arm was called in the transaction.';

create function factotum.staging_arm(key text, tenant text, rows_max integer, tables oid[]) returns text
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform factotum.check_staging_key(key);
  perform from factotum.staging s where s.transaction = pg_current_xact_id();
  if found then
    raise exception 'the work has begun' using errcode = 'insufficient_privilege';
  end if;
  insert into factotum.staging (tenant, rows_max, counted_before)
    values (staging_arm.tenant, staging_arm.rows_max, factotum.count_written(staging_arm.tables));
  return pg_current_xact_id()::text;
end
$$;
comment on function factotum.staging_arm(text, text, integer, oid[]) is
  'Takes the pill; from here on the transaction cannot be committed.';

create function factotum.staging_captured(key text, most integer)
  returns table (oid text, before text, after text)
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform factotum.check_staging_key(key);
  return query select c.relation::text, c.before, c.after from factotum.captured c
    where c.transaction = pg_current_xact_id() limit most;
end
$$;

-- A cheaper sign than reading it again that a table's columns, indexes, triggers or constraints may have changed
-- (foreign keys and deferrable constraints come with triggers).
create function factotum.table_version(of oid) returns text
  language sql stable
  begin atomic
    select pg_catalog.md5(pg_catalog.concat_ws('|',
      (select pg_catalog.string_agg(a.xmin::text, ' ' order by a.attnum) from pg_catalog.pg_attribute a
        where a.attrelid = table_version.of and a.attnum > 0),
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', g.oid, g.xmin, g.tgenabled), ' ' order by g.oid)
        from pg_catalog.pg_trigger g where g.tgrelid = table_version.of),
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', i.indexrelid, i.xmin), ' ' order by i.indexrelid)
        from pg_catalog.pg_index i where i.indrelid = table_version.of)));
  end;
comment on function factotum.table_version(oid) is 'Changes with every change to the definition of a table.';

create function factotum.staging_locks()
  returns table (oid text, mode text, relkind "char", written boolean, ours boolean, attached boolean,
    version text, xid text, attempt text)
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return query select l.relation::text, l.mode, c.relkind,
      pg_stat_get_xact_tuples_inserted(l.relation) + pg_stat_get_xact_tuples_updated(l.relation)
        + pg_stat_get_xact_tuples_deleted(l.relation) > 0
        or current_setting('track_counts') = 'off',
      l.relation in ('factotum.captured'::regclass, 'factotum.staging'::regclass),
      exists (select from pg_trigger g
        where g.tgrelid = l.relation and g.tgname = ' factotum' and g.tgenabled = 'A'),
      factotum.table_version(l.relation),
      pg_current_xact_id_if_assigned()::text, current_setting('factotum.attempt', true)
    from pg_lock_status() l left join pg_class c on c.oid = l.relation
    where l.pid = pg_backend_pid() and l.granted and l.locktype = 'relation'
      and l.mode in ('RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
        'AccessExclusiveLock')
      and (c.relkind is null or c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't');
end
$$;
comment on function factotum.staging_locks() is
  'What this transaction wrote or redefined, told by locks that a tool cannot give up; a temporary table named like a catalog does not fool it.';

-- Agents may look into this schema, to find the functions they are granted. The clock stays everybody's, since
-- it is a default of columns, and so does what stands in the WHEN of triggers on everybody's tables.
revoke execute on all functions in schema factotum from public;
grant execute on function factotum.now(), factotum.within_bounds(regclass) to public;

-- The outbox is captured as a user's table is: what an agent's role writes is seen, even where a tool clears the
-- setting.
create or replace trigger " factotum" after insert or update or delete on factotum.outbox
  for each row when (
    (current_setting('factotum.attempt', true) <> '' or starts_with(current_user::text, 'factotum_agent_'))
    and factotum.within_bounds('factotum.outbox'::regclass))
  execute function factotum.capture();
alter table factotum.outbox enable always trigger " factotum";
