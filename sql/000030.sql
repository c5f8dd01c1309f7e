-- Room `changes`: what a staged call costs does not grow with the calls before it.
--
-- Each call rolls back, which leaves dead rows in `captured` and `staging` until autovacuum comes. Plans are
-- made while both are empty, where reading all of a table looks cheaper than its index, and stay as long as
-- a connection: after 500 calls of 20 rows, reading the captures took three times as long, and looking up a
-- call's bounds, once for every row, five pages more. Inside these functions the index is all there is.

create function factotum.captured_here(most integer)
  returns table (oid text, before text, after text)
  language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
begin
  return query select c.relation::text, c.before, c.after from factotum.captured c
    where c.transaction = pg_current_xact_id() limit most;
end
$$;
comment on function factotum.captured_here(integer) is 'The row images captured in this transaction.';

create function factotum.take_captured()
  returns table (oid text, before text, after text)
  language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
begin
  return query delete from factotum.captured c where c.transaction = pg_current_xact_id()
    returning c.relation::text, c.before, c.after;
end
$$;
comment on function factotum.take_captured() is
  'The row images captured in this transaction, taken away: it is going to be committed.';

alter function factotum.staging_captured(text, integer) set enable_seqscan = off;

create function factotum.check_bounds(of oid, written bigint) returns void
  language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  work record;
begin
  select s.rows_max, coalesce((s.counted_before ->> check_bounds.of::text)::bigint, 0) as before into work
    from factotum.staging s where s.transaction = pg_current_xact_id();
  if check_bounds.written - work.before > work.rows_max then
    raise exception 'staged work changed more than % rows', work.rows_max
      using errcode = 'program_limit_exceeded', hint = 'Make smaller changes.';
  end if;
end
$$;
comment on function factotum.check_bounds(oid, bigint) is
  'Stops work that has changed more rows of a table than it may; within_bounds asks once there are many.';

create or replace function factotum.within_bounds(of regclass) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  written bigint := factotum.rows_written(within_bounds.of);
begin
  if written > 1000 then perform factotum.check_bounds(within_bounds.of, written); end if;
  return true;
end
$$;

revoke execute on function factotum.captured_here(integer), factotum.take_captured(),
  factotum.check_bounds(oid, bigint) from public;
