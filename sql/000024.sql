-- Room `runs`: free runs are found without passing by those in hand, and what is taken up has limits.

alter table factotum.runs add column provider text;
comment on column factotum.runs.provider is
  'Whom its next turns call, where it said so: counts against that provider''s limits while a worker holds it.';

create index runs_free on factotum.runs (priority desc, id) where status = 'ready' and worker is null;
create index runs_held on factotum.runs (worker) where worker is not null;
drop index factotum.runs_ready;

create table factotum.limits (
  kind text not null,
  name text not null,
  at_once integer,
  per_minute integer,
  tokens double precision,
  refilled_at timestamptz not null default clock_timestamp(),
  constraint limits_pkey primary key (kind, name),
  constraint limits_kind_check check (kind in ('tenant', 'agent', 'provider')),
  constraint limits_any_check check (at_once is not null or per_minute is not null),
  constraint limits_at_once_check check (at_once >= 0),
  constraint limits_per_minute_check check (per_minute > 0),
  constraint limits_each_check check (name <> '*' or per_minute is null)
);
comment on table factotum.limits is
  'How many runs of a tenant, an agent or a provider workers hold at once, and take up in a minute. Held runs are counted, not kept count of, so that no crash leaves a wrong number. Liveness, so real time.';
comment on column factotum.limits.name is '*: each name that has no limit of its own.';
comment on column factotum.limits.tokens is
  'Take-ups left as of refilled_at; they come back at per_minute, up to a second''s worth and at least one.';

-- A limit that is put or lifted: workers look again at once.
create function factotum.tell_limits_set() returns trigger language plpgsql as $$
begin
  perform pg_notify('factotum_runs', 'limits');
  return null;
end
$$;
create trigger limits_set after insert or delete or update of at_once, per_minute on factotum.limits
  for each statement execute function factotum.tell_limits_set();

create function factotum.limit_burst(per_minute integer) returns double precision
  language sql immutable parallel safe
  return greatest(1, ceil(per_minute / 60.0));

create function factotum.limit_tokens(l factotum.limits) returns double precision
  language sql volatile parallel safe
  return least(
    factotum.limit_burst(l.per_minute),
    coalesce(l.tokens, factotum.limit_burst(l.per_minute))
      + greatest(0, extract(epoch from clock_timestamp() - l.refilled_at)) * l.per_minute / 60.0);

create function factotum.held_of(kind text, name text) returns integer
  language sql stable
  begin atomic
    select count(*)::integer from factotum.runs h
    where h.worker is not null
      and name = case kind when 'tenant' then h.tenant when 'agent' then h.agent else h.provider end;
  end;

create function factotum.claim_limited(me bigint, slots integer) returns setof factotum.runs
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

create function factotum.limits_wait_ms() returns double precision
  language sql volatile
  begin atomic
    select min((1 - factotum.limit_tokens(l)) * 60000 / l.per_minute) from factotum.limits l
    where l.per_minute is not null and factotum.limit_tokens(l) < 1;
  end;
comment on function factotum.limits_wait_ms() is
  'Real milliseconds until a rate that is used up lets another run be taken up; null: none is.';
