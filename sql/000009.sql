-- Room `ledger`: budgets, and the holds that keep them from ever being overrun.
--
-- A budget's balance moves in two functions only, factotum.tell() and factotum.resolve_holds(): they lock
-- the budgets they move from the root to the leaves, in one order, so that two of them never deadlock. A
-- turn's own transaction touches no budget: it appends to factotum.settlements, and a teller folds that in.

create table factotum.budgets (
  id bigint generated always as identity,
  name text not null,
  parent bigint,
  path bigint[] not null,
  cap_micro_usd bigint,
  period text not null default 'ever',
  time_zone text not null default 'UTC',
  period_start timestamptz not null default '-infinity',
  held_micro_usd bigint not null default 0,
  spent_micro_usd bigint not null default 0,
  constraint budgets_pkey primary key (id),
  constraint budgets_name_unique unique (name),
  constraint budgets_parent_fkey foreign key (parent) references factotum.budgets (id),
  constraint budgets_path_check check (path[cardinality(path)] = id
    and path[cardinality(path) - 1] is not distinct from parent),
  constraint budgets_period_check check (period in ('ever', 'hour', 'day', 'month')),
  constraint budgets_sign_check check (held_micro_usd >= 0 and spent_micro_usd >= 0 and cap_micro_usd >= 0),
  constraint budgets_never_overrun check (held_micro_usd + spent_micro_usd <= cap_micro_usd)
) with (fillfactor = 50);
comment on table factotum.budgets is
  'A tree of budgets, such as company, tenant, agent, run. What is spent or held below counts above.';
comment on column factotum.budgets.name is 'Where it is in the tree: the parents'' names and its own, joined by slashes.';
comment on column factotum.budgets.path is 'Ids from the root to this one.';
comment on column factotum.budgets.cap_micro_usd is 'Null: no cap of its own, those above still hold.';
comment on column factotum.budgets.spent_micro_usd is
  'Spent since period_start; the sum of factotum.spendings of that period at or below it.';

create table factotum.keepers (
  id bigint generated always as identity,
  name text not null,
  alive_until timestamptz not null,
  constraint keepers_pkey primary key (id)
);
comment on table factotum.keepers is
  'Processes that hold money. One is dead when its lease ran out and the advisory lock on its id is free.';

create table factotum.holds (
  id text not null,
  budget bigint not null,
  amount_micro_usd bigint not null,
  keeper bigint not null,
  if_orphaned text not null,
  state text not null default 'held',
  at timestamptz not null,
  constraint holds_pkey primary key (id),
  constraint holds_amount_check check (amount_micro_usd >= 0),
  constraint holds_if_orphaned_check check (if_orphaned in ('release', 'keep')),
  constraint holds_state_check check (state in ('held', 'unknown'))
);
create index holds_keeper on factotum.holds (keeper);
comment on table factotum.holds is
  'Money set aside for a call that is under way. A row is never resized, and leaves by a spending.';
comment on column factotum.holds.budget is
  'No foreign key: only factotum.tell() writes here, which has the budget locked, and a check a row is dear.';
comment on column factotum.holds.state is
  'held: its keeper lives. unknown: its keeper died and the call may have been made; it counts until reconciled.';

create table factotum.settlements (
  hold text not null,
  actual_micro_usd bigint not null,
  constraint settlements_pkey primary key (hold),
  constraint settlements_actual_check check (actual_micro_usd >= 0)
);
comment on table factotum.settlements is
  'What turns say that their holds came to, until a teller folds it into the budgets. A row is never changed.';

create table factotum.spendings (
  hold text not null,
  budget bigint,
  held_micro_usd bigint not null,
  spent_micro_usd bigint not null,
  excess_micro_usd bigint not null,
  how text not null,
  at timestamptz not null,
  constraint spendings_pkey primary key (hold, how),
  constraint spendings_budget_check check (how = 'late' or budget is not null),
  constraint spendings_how_check check (how in ('settled', 'released', 'late')),
  constraint spendings_sign_check check (least(held_micro_usd, spent_micro_usd, excess_micro_usd) >= 0),
  constraint spendings_within_hold check (spent_micro_usd <= held_micro_usd)
);
comment on table factotum.spendings is
  'What became of each hold. Append-only: balances of budgets are sums of it.';
comment on column factotum.spendings.at is
  'In the period of each budget on the path that it counts in: not before the start of any of them.';
comment on column factotum.spendings.excess_micro_usd is
  'What the call cost beyond its hold: our own loss, and no budget''s.';
comment on column factotum.spendings.how is
  'settled or released, each hold once. late: settled when no hold was there any more, so all of it is excess.';
create trigger spendings_append_only before update or delete on factotum.spendings
  for each row execute function factotum.refuse_change();
create trigger spendings_no_truncate before truncate on factotum.spendings
  for each statement execute function factotum.refuse_change();

create function factotum.period_start(period text, time_zone text) returns timestamptz
  language sql stable as $$
  select case when period = 'ever' then '-infinity'::timestamptz
    else date_trunc(period, factotum.now(), time_zone) end
$$;

-- Locks the trees of some budgets, by their roots: whoever moves a balance holds the root's lock, so no two
-- lock the rest in different orders. Begins a new period where one is over. Answers the instant at which what
-- follows happens: not before the start of any period.
create function factotum.lock_budgets(leaves bigint[]) returns timestamptz language plpgsql as $$
declare
  nodes bigint[];
  instant timestamptz;
begin
  select array_agg(distinct node) into nodes
    from factotum.budgets b, unnest(b.path) node where b.id = any (leaves);
  perform from factotum.budgets where id = any (nodes) and parent is null order by id for update;
  update factotum.budgets b
    set spent_micro_usd = 0, period_start = factotum.period_start(period, time_zone)
    where id = any (nodes) and period <> 'ever'
      and period_start < factotum.period_start(period, time_zone);
  select greatest(factotum.now(), max(period_start)) into instant from factotum.budgets where id = any (nodes);
  return instant;
end
$$;

-- Moves the balances of leaves and of everything above them.
create function factotum.move_budgets(leaves bigint[], held bigint[], spent bigint[]) returns void
  language sql as $$
  with moved as (
    select node, sum(x.held) as held, sum(x.spent) as spent
    from unnest(leaves, held, spent) as x (leaf, held, spent)
    join factotum.budgets b on b.id = x.leaf, unnest(b.path) node
    group by node
  )
  update factotum.budgets b
    set held_micro_usd = b.held_micro_usd + m.held, spent_micro_usd = b.spent_micro_usd + m.spent
    from moved m where b.id = m.node
$$;

-- Ends holds: what was spent of them goes to their budgets, what was not goes free. Deleting the row is what
-- makes it happen once; what is settled without a hold, and was not settled before, is our loss. Answers by
-- how much the leaves' balances are to be moved.
create function factotum.end_holds(ids text[], actuals bigint[], manner text, instant timestamptz)
  returns table (leaf bigint, held bigint, spent bigint) language sql as $$
  with given as (select distinct on (g.id) * from unnest(ids, actuals) as g (id, actual)),
  gone as (
    delete from factotum.holds h where h.id = any (ids)
    returning h.id, h.budget, h.amount_micro_usd as held
  ),
  ended as (select o.*, g.actual from gone o join given g on g.id = o.id),
  noted as (
    insert into factotum.spendings (hold, budget, held_micro_usd, spent_micro_usd, excess_micro_usd, how, at)
    select e.id, e.budget, e.held, least(e.actual, e.held), greatest(e.actual - e.held, 0), manner, instant
    from ended e
    union all
    select g.id, (select s.budget from factotum.spendings s where s.hold = g.id limit 1),
      0, 0, g.actual, 'late', instant
    from given g
    where manner = 'settled' and g.id not in (select o.id from gone o)
      and (select count(*) from factotum.spendings s where s.hold = g.id and s.how <> 'released') = 0
  )
  select e.budget, -sum(e.held)::bigint, sum(least(e.actual, e.held))::bigint from ended e group by e.budget
$$;

-- One visit of a teller: folds settlements in, then admits requests in their order, each only where every
-- budget on its path has room. Asking again for a hold that is there, or was, changes nothing. Answers the
-- requests that are not held now: `full` with the budget that has no room, `ended`, or `no-budget`.
--
-- The subselects with count(*) are there so that each id is looked up by index: a join may be planned as a
-- scan of all history.
create function factotum.tell(
  keeper bigint, settled text[], actuals bigint[],
  wanted text[], leaves bigint[], amounts bigint[], orphaned text[], queue_max integer
) returns table (id text, verdict text, budget bigint) language plpgsql as $$
declare
  queued text[];
  queued_actuals bigint[];
  instant timestamptz;
  moved bigint[] := '{}';
  moved_held bigint[] := '{}';
  moved_spent bigint[] := '{}';
  fresh integer[];
  refused text[];
  refusals text[];
  place integer;
  full_one bigint;
begin
  if queue_max > 0 then
    with taken as (
      delete from factotum.settlements s where s.hold = any (array(
        select q.hold from factotum.settlements q limit queue_max for update skip locked))
      returning s.hold, s.actual_micro_usd
    )
    select array_agg(t.hold), array_agg(t.actual_micro_usd) into queued, queued_actuals from taken t;
    settled := settled || queued;
    actuals := actuals || queued_actuals;
  end if;
  instant := factotum.lock_budgets(leaves || array(
    select h.budget from factotum.holds h where h.id = any (settled)));
  if cardinality(settled) > 0 then
    select array_agg(e.leaf), array_agg(e.held), array_agg(e.spent)
      into moved, moved_held, moved_spent from factotum.end_holds(settled, actuals, 'settled', instant) e;
  end if;

  if cardinality(wanted) > 0 then
    select array_agg(w.place order by w.place) filter (where w.standing = 'fresh'),
        array_agg(w.id) filter (where w.standing in ('ended', 'no-budget')),
        array_agg(w.standing) filter (where w.standing in ('ended', 'no-budget'))
      into fresh, refused, refusals
      from (
        select a.id, a.place, case
          when (select count(*) from factotum.budgets b where b.id = a.leaf) = 0 then 'no-budget'
          when (select count(*) from factotum.holds h where h.id = a.id) > 0 then 'held'
          when (select count(*) from factotum.spendings s where s.hold = a.id) > 0 then 'ended'
          else 'fresh' end as standing
        from unnest(wanted, leaves) with ordinality as a (id, leaf, place)) w;
    return query select r.*, null::bigint from unnest(refused, refusals) r;
  end if;

  if fresh is not null and not exists (
    select from (
      select node, sum(x.amount) as amount
      from (select leaves[f] as leaf, amounts[f] as amount from unnest(fresh) f
        union all select * from unnest(moved, moved_held)
        union all select * from unnest(moved, moved_spent)) x
      join factotum.budgets b on b.id = x.leaf, unnest(b.path) node group by node) n
    join factotum.budgets p on p.id = n.node
    where p.held_micro_usd + p.spent_micro_usd + n.amount > p.cap_micro_usd
  ) then
    insert into factotum.holds (id, budget, amount_micro_usd, keeper, if_orphaned, at)
      select wanted[f], leaves[f], amounts[f], keeper, orphaned[f], instant from unnest(fresh) f;
    moved := moved || array(select leaves[f] from unnest(fresh) f);
    moved_held := moved_held || array(select amounts[f] from unnest(fresh) f);
    moved_spent := moved_spent || array_fill(0::bigint, array[cardinality(fresh)]);
    fresh := null;
  end if;
  if cardinality(moved) > 0 then perform factotum.move_budgets(moved, moved_held, moved_spent); end if;

  -- Not all of them fit: one by one, so that the earlier one is served.
  foreach place in array coalesce(fresh, '{}') loop
    select p.id into full_one
      from factotum.budgets b join factotum.budgets p on p.id = any (b.path)
      where b.id = leaves[place]
        and p.held_micro_usd + p.spent_micro_usd + amounts[place] > p.cap_micro_usd
      order by cardinality(p.path) limit 1;
    if full_one is not null then
      return query select wanted[place], 'full', full_one;
      continue;
    end if;
    insert into factotum.holds (id, budget, amount_micro_usd, keeper, if_orphaned, at)
      values (wanted[place], leaves[place], amounts[place], keeper, orphaned[place], instant);
    update factotum.budgets b set held_micro_usd = held_micro_usd + amounts[place]
      where b.id = any ((select l.path from factotum.budgets l where l.id = leaves[place])::bigint[]);
  end loop;
end
$$;
comment on function factotum.tell is 'The only way into the budgets, with factotum.reap; see src/ledger/teller.ts.';

create function factotum.keeper_lock_key(id bigint) returns bigint language sql immutable as $$
  select ('x' || substr(md5('factotum keeper ' || id), 1, 16))::bit(64)::bigint
$$;

-- Ends what dead keepers left: holds to be released go free, the others are marked unknown and keep counting.
create function factotum.reap(holds_max integer) returns table (released integer, unknown integer)
  language plpgsql as $$
declare
  dead bigint[];
  orphans text[];
  lost text[];
  instant timestamptz;
begin
  select array_agg(k.id) into dead from factotum.keepers k
    where k.alive_until < clock_timestamp() and pg_try_advisory_xact_lock(factotum.keeper_lock_key(k.id));
  select array_agg(h.id) filter (where h.if_orphaned = 'release'),
      array_agg(h.id) filter (where h.if_orphaned = 'keep')
    into orphans, lost
    from (select * from factotum.holds o where o.keeper = any (dead) and o.state = 'held' limit holds_max) h;
  released := coalesce(cardinality(orphans), 0);
  unknown := coalesce(cardinality(lost), 0);
  if released + unknown = 0 then
    delete from factotum.keepers k where k.id = any (dead);
    return next;
    return;
  end if;
  instant := factotum.lock_budgets(array(
    select h.budget from factotum.holds h where h.id = any (orphans || lost)));
  update factotum.holds h set state = 'unknown' where h.id = any (lost);
  perform factotum.move_budgets(array_agg(e.leaf), array_agg(e.held), array_agg(e.spent))
    from factotum.end_holds(orphans, array_fill(0::bigint, array[released]), 'released', instant) e;
  return next;
end
$$;
