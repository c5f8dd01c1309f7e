-- Room `ledger`: a hold may count on budgets of more trees than one, such as that of its model; and a visit of
-- the teller looks each row up once.

alter table factotum.holds add column also bigint[];
comment on column factotum.holds.also is
  'Leaves of other trees that it counts on, too, such as models/openai/gpt-5; null for none. No two of one root.';
alter table factotum.spendings add column also bigint[];
comment on column factotum.spendings.also is 'Leaves of other trees that it counts on, as its hold did.';

-- Asked of every row that moves, where only its making and a changed path can break it.
alter table factotum.budgets drop constraint budgets_path_check;
create function factotum.refuse_odd_path() returns trigger language plpgsql as $$
begin
  if new.path[cardinality(new.path)] = new.id
    and new.path[cardinality(new.path) - 1] is not distinct from new.parent then return new; end if;
  raise exception 'the path of budget % must end with its parent and itself', new.name
    using errcode = 'check_violation';
end
$$;
create trigger budgets_path before insert or update of id, parent, path on factotum.budgets
  for each row execute function factotum.refuse_odd_path();

-- Locks the trees of some budgets, by their roots, in the order of their ids: whoever moves a balance holds
-- the locks of all its roots, so no two lock the rest in different orders. Answers how many of the budgets
-- are there.
drop function factotum.lock_budgets(bigint[]);
create function factotum.lock_roots(leaves bigint[]) returns bigint language plpgsql as $$
declare
  known bigint;
  roots bigint[];
begin
  select count(*), array_agg(distinct b.path[1]) into known, roots
    from factotum.budgets b where b.id = any (leaves);
  perform from factotum.budgets r where r.id = any (roots) order by r.id for update;
  return known;
end
$$;

-- Takes holds away, which is what makes them end once. Answers what each had set aside, and what was spent of
-- it; sides are its leaves in other trees, in text, so that a row's array can be an element here. Each id is
-- given once. Goes before the roots' locks, and in the order of ids, so that no two wait in a ring.
drop function factotum.end_holds(text[], bigint[], text, timestamptz);
create function factotum.take_holds(
  ids text[], actuals bigint[],
  out gone text[], out leaves bigint[], out helds bigint[], out costs bigint[], out sides text[]
) language sql as $$
  with taken as (
    delete from factotum.holds h where h.id = any (ids)
    returning h.id, h.budget, h.amount_micro_usd, h.also
  )
  select array_agg(t.id), array_agg(t.budget), array_agg(t.amount_micro_usd), array_agg(g.actual),
    case when bool_or(t.also is not null) then array_agg(t.also::text) end
  from taken t join unnest(ids, actuals) as g (id, actual) on g.id = t.id
$$;

-- Moves the balances of leaves, and of everything above them, by what was settled, and by what is asked for
-- where all of it has room on every level; begins a new period where one is over. Answers whether there is
-- room, and the instant at which it happens: not before the start of any period. paths has all the leaves.
drop function factotum.admit(bigint[], bigint[], bigint[], bigint[], bigint[]);
create function factotum.move_budgets(
  settled bigint[], helds bigint[], costs bigint[], settled_sides text[],
  asking bigint[], asked bigint[], asking_sides text[], paths bigint[],
  out is_room boolean, out instant timestamptz
) language sql as $$
  with given as (
    select s.leaf, -s.held as held, least(s.cost, s.held) as spent, 0::bigint as asked
      from unnest(settled, helds, costs) as s (leaf, held, cost)
    union all
    select a.leaf, 0, 0, a.asked from unnest(asking, asked) as a (leaf, asked)
    union all
    select leaf, -s.held, least(s.cost, s.held), 0
      from unnest(settled_sides, helds, costs) as s (sides, held, cost), unnest(s.sides::bigint[]) leaf
      where settled_sides is not null
    union all
    select leaf, 0, 0, a.asked
      from unnest(asking_sides, asked) as a (sides, asked), unnest(a.sides::bigint[]) leaf
      where asking_sides <> '{}'
  ),
  moved as materialized (
    select b.id, b.held_micro_usd + m.held as held, m.asked, p.starts,
      case when p.starts > b.period_start then 0 else b.spent_micro_usd end + m.spent as spent,
      coalesce(b.cap_micro_usd, 9223372036854775807) as cap
    from (
      select node, sum(x.held)::bigint as held, sum(x.spent)::bigint as spent, sum(x.asked) as asked
      from given x
      join (select b.id, b.path from factotum.budgets b where b.id = any (paths)) l on l.id = x.leaf,
        unnest(l.path) node
      group by node) m
    join factotum.budgets b on b.id = m.node, lateral (select case b.period when 'ever' then b.period_start
      else greatest(b.period_start, factotum.period_start(b.period, b.time_zone)) end as starts) p
  ),
  room as materialized (
    select coalesce(bool_and(held + spent + asked <= cap), true) as is_room,
      greatest(factotum.now(), max(starts)) as instant from moved
  ),
  written as (
    update factotum.budgets b set spent_micro_usd = m.spent, period_start = m.starts,
        held_micro_usd = m.held + case when r.is_room then m.asked::bigint else 0 end
      from moved m, room r where b.id = m.id
  )
  select is_room, instant from room
$$;

-- Writes down what became of holds: what was spent of them, and what it cost beyond, which is our loss.
create function factotum.note_spendings(
  gone text[], leaves bigint[], helds bigint[], costs bigint[], sides text[], manner text, instant timestamptz
) returns void language sql as $$
  insert into factotum.spendings
    (hold, budget, held_micro_usd, spent_micro_usd, excess_micro_usd, how, at, also)
  select g.id, g.leaf, g.held, least(g.cost, g.held), greatest(g.cost - g.held, 0), manner, instant,
    g.sides::bigint[]
  from unnest(gone, leaves, helds, costs, sides) as g (id, leaf, held, cost, sides)
$$;

-- What is settled without a hold, and was not settled before, is our loss, all of it.
create function factotum.note_late(ids text[], actuals bigint[], gone text[], instant timestamptz)
  returns void language sql as $$
  insert into factotum.spendings (hold, budget, held_micro_usd, spent_micro_usd, excess_micro_usd, how, at)
  select g.id, (select s.budget from factotum.spendings s where s.hold = g.id limit 1),
    0, 0, g.actual, 'late', instant
  from unnest(ids, actuals) as g (id, actual)
  where g.id <> all (coalesce(gone, '{}'))
    and (select true from factotum.spendings s where s.hold = g.id and s.how <> 'released' limit 1) is null
$$;

-- Why some of what is asked for is no new hold: `held` already, `ended` before, `no-budget`, or `overlap`
-- where two of its budgets are of one tree, whose balances it would move twice.
create function factotum.standing_of(wanted text[], leaves bigint[], sides text[])
  returns table (place bigint, standing text) language sql as $$
  select * from (
    select a.place, case
      when a.id in (select h.id from factotum.holds h where h.id = any (wanted)) then 'held'
      when a.id in (select s.hold from factotum.spendings s where s.hold = any (wanted)) then 'ended'
      when r.known < 1 + coalesce(cardinality(a.sides::bigint[]), 0) then 'no-budget'
      when r.roots < r.known then 'overlap' end as standing
    from unnest(wanted, leaves, sides) with ordinality as a (id, leaf, sides, place), lateral (
      select count(*) as known, count(distinct b.path[1]) as roots
      from factotum.budgets b where b.id = any (a.leaf || a.sides::bigint[])) r
    where a.id is not null) w
  where w.standing is not null
$$;

-- One visit of a teller: folds settlements in, then admits requests in their order, each only where every
-- budget on its paths has room. Asking again for a hold that is there, or was, changes nothing. Answers the
-- requests that are not held now: `full` with the budget that has no room, `ended`, `no-budget` or `overlap`.
--
-- Its commit does not wait for the disk, so that the next visit need not either: the caller does, by
-- factotum.make_durable(), before it answers anybody.
drop function factotum.tell(bigint, text[], bigint[], text[], bigint[], bigint[], text[], integer);
create function factotum.tell(
  keeper bigint, settled text[], actuals bigint[],
  wanted text[], leaves bigint[], amounts bigint[], orphaned text[], queue_max integer,
  sides text[] default '{}'
) returns table (id text, verdict text, budget bigint) language plpgsql as $$
declare
  queued text[];
  queued_actuals bigint[];
  has_sides boolean := array_remove(sides, null) <> '{}';
  -- Every leaf that this visit touches, in any tree.
  paths bigint[] := leaves;
  gone record;
  moved record;
  known bigint;
  place bigint;
  odd bigint[] := '{}';
  full_one bigint;
begin
  perform set_config('synchronous_commit', 'off', true), set_config('factotum.teller', 'on', true);
  if queue_max > 0 then
    with taken as (
      delete from factotum.settlements s where s.hold = any (array(
        select q.hold from factotum.settlements q limit queue_max for update skip locked))
      returning s.hold, s.actual_micro_usd
    )
    select array_agg(t.hold), array_agg(t.actual_micro_usd) into queued, queued_actuals
      from taken t where t.hold <> all (settled);
    settled := settled || queued;
    actuals := actuals || queued_actuals;
  end if;
  select t.* into gone from factotum.take_holds(settled, actuals) t;
  paths := paths || gone.leaves;
  if has_sides or gone.sides is not null then
    paths := paths || array(select leaf from unnest(sides || gone.sides) s, unnest(s::bigint[]) leaf);
  end if;
  known := factotum.lock_roots(paths);

  if cardinality(wanted) > 0 and (has_sides
    or exists (select from factotum.holds h where h.id = any (wanted))
    or exists (select from factotum.spendings s where s.hold = any (wanted))
    or known < (select count(distinct leaf) from unnest(paths) leaf)
  ) then
    for place, verdict in select * from factotum.standing_of(wanted, leaves, sides) loop
      odd := odd || place;
      if verdict <> 'held' then
        id := wanted[place];
        return next;
      end if;
    end loop;
    select array_agg(a.id), array_agg(a.leaf), array_agg(a.amount), array_agg(a.orphaned), array_agg(a.sides)
      into wanted, leaves, amounts, orphaned, sides
      from unnest(wanted, leaves, amounts, orphaned, sides)
        with ordinality as a (id, leaf, amount, orphaned, sides, place)
      where a.place <> all (odd) and a.id is not null;
  end if;

  select m.* into moved from factotum.move_budgets(
    gone.leaves, gone.helds, gone.costs, gone.sides, leaves, amounts, sides, paths) m;
  if gone.gone is not null then
    perform factotum.note_spendings(
      gone.gone, gone.leaves, gone.helds, gone.costs, gone.sides, 'settled', moved.instant);
  end if;
  if cardinality(settled) > coalesce(cardinality(gone.gone), 0) then
    perform factotum.note_late(settled, actuals, gone.gone, moved.instant);
  end if;
  if moved.is_room then
    insert into factotum.holds (id, budget, amount_micro_usd, keeper, if_orphaned, at, also)
      select a.id, a.leaf, a.amount, keeper, a.orphaned, moved.instant, a.sides::bigint[]
      from unnest(wanted, leaves, amounts, orphaned, sides) as a (id, leaf, amount, orphaned, sides);
    return;
  end if;

  -- Not all of them fit: one by one, so that the earlier one is served.
  for place in 1 .. coalesce(cardinality(wanted), 0) loop
    paths := leaves[place] || sides[place]::bigint[];
    select p.id into full_one
      from factotum.budgets b join factotum.budgets p on p.id = any (b.path)
      where b.id = any (paths) and p.held_micro_usd + p.spent_micro_usd::numeric + amounts[place]
        > coalesce(p.cap_micro_usd, 9223372036854775807)
      order by b.id <> leaves[place], cardinality(p.path) limit 1;
    if full_one is not null then
      return query select wanted[place], 'full', full_one;
      continue;
    end if;
    insert into factotum.holds (id, budget, amount_micro_usd, keeper, if_orphaned, at, also)
      values (wanted[place], leaves[place], amounts[place], keeper, orphaned[place], moved.instant,
        sides[place]::bigint[]);
    update factotum.budgets b set held_micro_usd = held_micro_usd + amounts[place]
      where b.id = any (array(
        select node from factotum.budgets l, unnest(l.path) node where l.id = any (paths)));
  end loop;
end
$$;
comment on function factotum.tell is 'The only way into the budgets, with factotum.reap; see src/ledger/teller.ts.';

-- Ends what dead keepers left: holds to be released go free, the others are marked unknown and keep counting.
create or replace function factotum.reap(holds_max integer) returns table (released integer, unknown integer)
  language plpgsql as $$
declare
  dead bigint[];
  orphans text[];
  lost text[];
  gone record;
  paths bigint[];
  instant timestamptz;
begin
  select array_agg(k.id) into dead from factotum.keepers k
    where k.alive_until < clock_timestamp() and pg_try_advisory_xact_lock(factotum.keeper_lock_key(k.id));
  released := 0;
  unknown := 0;
  if dead is null then return next; return; end if;
  perform set_config('factotum.teller', 'on', true);
  select array_agg(h.id) filter (where h.if_orphaned = 'release'),
      array_agg(h.id) filter (where h.if_orphaned = 'keep')
    into orphans, lost
    from (
      select o.id, o.if_orphaned from factotum.holds o where o.keeper = any (dead) and o.state = 'held'
      order by o.id limit holds_max for update) h;
  released := coalesce(cardinality(orphans), 0);
  unknown := coalesce(cardinality(lost), 0);
  if released + unknown = 0 then
    delete from factotum.keepers k where k.id = any (dead);
    return next;
    return;
  end if;
  update factotum.holds h set state = 'unknown' where h.id = any (lost);
  select t.* into gone from factotum.take_holds(orphans, array_fill(0::bigint, array[released])) t;
  paths := gone.leaves || array(select leaf from unnest(gone.sides) s, unnest(s::bigint[]) leaf);
  perform factotum.lock_roots(paths);
  select m.instant into instant from factotum.move_budgets(
    gone.leaves, gone.helds, gone.costs, gone.sides, '{}', '{}', '{}', paths) m;
  perform factotum.note_spendings(
    gone.gone, gone.leaves, gone.helds, gone.costs, gone.sides, 'released', instant);
  return next;
end
$$;

-- Planned once and by index: planning each visit anew, with its ids, costs more than the visit, and a plan
-- that is kept must not scan all history.
alter function factotum.tell(bigint, text[], bigint[], text[], bigint[], bigint[], text[], integer, text[])
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off;
