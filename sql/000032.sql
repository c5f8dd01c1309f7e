-- Room `runs`: a worker may take up the runs of some agents alone, and says what it works on.

alter table factotum.workers
  add column agents text[],
  add column concurrency integer;
comment on column factotum.workers.agents is 'Those whose runs it takes up; null: every one''s.';
comment on column factotum.workers.concurrency is 'Runs it drives at once; null: an earlier version, which does not say.';

drop function factotum.claim_limited(bigint, integer);
create function factotum.claim_limited(me bigint, slots integer, agents text[] default null) returns setof factotum.runs
  language plpgsql as $$
declare
  admitted bigint[] := '{}';
  spent text[] := '{}'; -- Keys, 'kind name', under which no more can be taken up.
  room jsonb; -- By key: how many more; null: no limit.
  keys text[];
  key text;
  found_any boolean;
  candidate record;
begin
  -- One claim at a time, so that what is counted holds until it is written. 70 is "F".
  perform pg_advisory_xact_lock((70::bigint << 56) | (1::bigint << 48));
  if not exists (select from factotum.workers w where w.id = me and w.lease_until > clock_timestamp()) then
    return;
  end if;
  select coalesce(jsonb_object_agg(l.kind || ' ' || l.name, least(
      l.at_once - factotum.held_of(l.kind, l.name),
      case when l.per_minute is not null then floor(factotum.limit_tokens(l)) end)), '{}')
    into room from factotum.limits l where l.name <> '*';
  loop
    found_any := false;
    for candidate in
      select f.id, f.tenant, f.agent, f.provider from factotum.runs f
      where f.status = 'ready' and f.worker is null and (f.retry_at is null or f.retry_at <= clock_timestamp())
        and (agents is null or f.agent = any (agents))
        and f.id <> all (admitted)
        and 'tenant ' || f.tenant <> all (spent) and 'agent ' || f.agent <> all (spent)
        and coalesce('provider ' || f.provider <> all (spent), true)
      order by f.priority desc, f.id limit slots - cardinality(admitted) for no key update skip locked
    loop
      found_any := true;
      keys := array_remove(array['tenant ' || candidate.tenant, 'agent ' || candidate.agent,
        'provider ' || candidate.provider], null);
      foreach key in array keys loop
        if not room ? key then
          room := room || jsonb_build_object(key, (
            select l.at_once - factotum.held_of(l.kind, substr(key, length(l.kind) + 2)) from factotum.limits l
            where l.name = '*' and l.kind = split_part(key, ' ', 1)));
        end if;
        if (room ->> key)::numeric <= 0 then
          spent := spent || key;
        end if;
      end loop;
      continue when keys && spent;
      admitted := admitted || candidate.id;
      foreach key in array keys loop
        if room ->> key is not null then
          room := room || jsonb_build_object(key, (room ->> key)::numeric - 1);
        end if;
      end loop;
    end loop;
    exit when not found_any or cardinality(admitted) = slots;
  end loop;
  update factotum.limits l set refilled_at = clock_timestamp(), tokens = factotum.limit_tokens(l) - t.taken
    from (select k.kind, k.name, count(*) as taken from factotum.runs r,
        lateral (values ('tenant', r.tenant), ('agent', r.agent), ('provider', r.provider)) as k (kind, name)
      where r.id = any (admitted) group by k.kind, k.name) t
    where l.kind = t.kind and l.name = t.name and l.per_minute is not null;
  return query update factotum.runs r set worker = me, fence = r.fence + 1
    where r.id = any (admitted) returning r.*;
end
$$;
comment on function factotum.claim_limited is
  'Takes up free runs by priority, then age, leaving out those whose tenant, agent or provider is at its limit.';
