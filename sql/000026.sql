-- Room `ledger`: a teller's visit in fewer statements, which waits for no disk while it holds the root.

-- Only the reaping of dead keepers looks holds up by keeper; every hold paid for it.
drop index factotum.holds_keeper;

-- Locks the trees of some budgets, by their roots: whoever moves a balance holds the root's lock, so no two
-- lock the rest in different orders. Begins a new period where one is over. Answers the instant at which what
-- follows happens: not before the start of any period.
create or replace function factotum.lock_budgets(leaves bigint[]) returns timestamptz language plpgsql as $$
declare
  nodes bigint[];
  instant timestamptz;
  is_over boolean;
begin
  select array_agg(distinct node) into nodes
    from factotum.budgets b, unnest(b.path) node where b.id = any (leaves);
  perform from factotum.budgets where id = any (nodes) and parent is null order by id for update;
  select greatest(factotum.now(), max(b.period_start)), bool_or(case b.period when 'ever' then false else
      b.period_start < factotum.period_start(b.period, b.time_zone) end)
    into instant, is_over from factotum.budgets b where b.id = any (nodes);
  if is_over then
    update factotum.budgets b
      set spent_micro_usd = 0, period_start = factotum.period_start(period, time_zone)
      where id = any (nodes) and period <> 'ever'
        and period_start < factotum.period_start(period, time_zone);
    select greatest(instant, max(period_start)) into instant from factotum.budgets where id = any (nodes);
  end if;
  return instant;
end
$$;

-- Ends holds: what was spent of them goes to their budgets, what was not goes free. Deleting the row is what
-- makes it happen once; what is settled without a hold, and was not settled before, is our loss. Answers by
-- how much the leaves' balances are to be moved. Each id is given once.
drop function factotum.end_holds(text[], bigint[], text, timestamptz);
create function factotum.end_holds(
  ids text[], actuals bigint[], manner text, instant timestamptz,
  out leaves bigint[], out helds bigint[], out spents bigint[]
) language plpgsql as $$
declare
  gone text[];
begin
  with gone as (
    delete from factotum.holds h where h.id = any (ids) returning h.id, h.budget, h.amount_micro_usd as held
  ),
  ended as (
    insert into factotum.spendings as s (hold, budget, held_micro_usd, spent_micro_usd, excess_micro_usd, how, at)
    select o.id, o.budget, o.held, least(g.actual, o.held), greatest(g.actual - o.held, 0), manner, instant
    from gone o join unnest(ids, actuals) as g (id, actual) on g.id = o.id
    returning s.hold, s.budget, s.held_micro_usd, s.spent_micro_usd
  )
  select array_agg(e.hold), array_agg(e.budget), array_agg(-e.held_micro_usd), array_agg(e.spent_micro_usd)
    into gone, leaves, helds, spents from ended e;
  if manner = 'settled' and cardinality(ids) > coalesce(cardinality(gone), 0) then
    insert into factotum.spendings (hold, budget, held_micro_usd, spent_micro_usd, excess_micro_usd, how, at)
    select g.id, (select s.budget from factotum.spendings s where s.hold = g.id limit 1),
      0, 0, g.actual, 'late', instant
    from unnest(ids, actuals) as g (id, actual)
    where g.id <> all (coalesce(gone, '{}'))
      and (select true from factotum.spendings s where s.hold = g.id and s.how <> 'released' limit 1) is null;
  end if;
end
$$;

-- Moves the balances of leaves, and of everything above them, by what was settled, and by what is asked for
-- where all of it has room on every level. Answers whether it has.
create function factotum.admit(
  settled bigint[], held bigint[], spent bigint[], asking bigint[], asked bigint[]
) returns boolean language sql as $$
  with moved as materialized (
    select b.id, b.held_micro_usd + m.held as held, b.spent_micro_usd + m.spent as spent, m.asked,
      coalesce(b.cap_micro_usd, 9223372036854775807) as cap
    from (
      select node, sum(x.held)::bigint as held, sum(x.spent)::bigint as spent, sum(x.asked) as asked
      from (
        select s.leaf, s.held, s.spent, 0::bigint as asked
          from unnest(settled, held, spent) as s (leaf, held, spent)
        union all
        select a.leaf, 0, 0, a.asked from unnest(asking, asked) as a (leaf, asked)) x
      join factotum.budgets l on l.id = x.leaf, unnest(l.path) node
      group by node) m
    join factotum.budgets b on b.id = m.node
  ),
  room as materialized (select coalesce(bool_and(held + spent + asked <= cap), true) as is_there from moved),
  written as (
    update factotum.budgets b set spent_micro_usd = m.spent,
        held_micro_usd = m.held + case when r.is_there then m.asked::bigint else 0 end
      from moved m, room r where b.id = m.id
  )
  select is_there from room
$$;

-- One visit of a teller: folds settlements in, then admits requests in their order, each only where every
-- budget on its path has room. Asking again for a hold that is there, or was, changes nothing. Answers the
-- requests that are not held now: `full` with the budget that has no room, `ended`, or `no-budget`.
--
-- Its commit does not wait for the disk, so that the next visit need not either: the caller does, by
-- factotum.make_durable(), before it answers anybody.
--
create or replace function factotum.tell(
  keeper bigint, settled text[], actuals bigint[],
  wanted text[], leaves bigint[], amounts bigint[], orphaned text[], queue_max integer
) returns table (id text, verdict text, budget bigint) language plpgsql as $$
declare
  queued text[];
  queued_actuals bigint[];
  instant timestamptz;
  moved bigint[];
  moved_held bigint[];
  moved_spent bigint[];
  fresh integer[];
  fresh_leaves bigint[];
  fresh_amounts bigint[];
  refused text[];
  refusals text[];
  place integer;
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
  instant := factotum.lock_budgets(leaves || array(
    select h.budget from factotum.holds h where h.id = any (settled)));
  if cardinality(settled) > 0 then
    select e.leaves, e.helds, e.spents into moved, moved_held, moved_spent
      from factotum.end_holds(settled, actuals, 'settled', coalesce(instant, factotum.now())) e;
  end if;
  if cardinality(wanted) > 0 then
    select array_agg(w.place order by w.place) filter (where w.standing = 'fresh'),
        array_agg(w.leaf order by w.place) filter (where w.standing = 'fresh'),
        array_agg(w.amount order by w.place) filter (where w.standing = 'fresh'),
        array_agg(w.id) filter (where w.standing in ('ended', 'no-budget')),
        array_agg(w.standing) filter (where w.standing in ('ended', 'no-budget'))
      into fresh, fresh_leaves, fresh_amounts, refused, refusals
      from (
        select a.id, a.place, a.leaf, a.amount, case
          when b.id is null then 'no-budget'
          when (select true from factotum.holds h where h.id = a.id) then 'held'
          when (select true from factotum.spendings s where s.hold = a.id limit 1) then 'ended'
          else 'fresh' end as standing
        from unnest(wanted, leaves, amounts) with ordinality as a (id, leaf, amount, place)
        left join factotum.budgets b on b.id = a.leaf) w;
    if refused is not null then
      return query select r.*, null::bigint from unnest(refused, refusals) r;
    end if;
  end if;
  if factotum.admit(moved, moved_held, moved_spent, fresh_leaves, fresh_amounts) then
    insert into factotum.holds (id, budget, amount_micro_usd, keeper, if_orphaned, at)
      select wanted[f], leaves[f], amounts[f], keeper, orphaned[f], instant from unnest(fresh) f;
    return;
  end if;

  -- Not all of them fit: one by one, so that the earlier one is served.
  foreach place in array fresh loop
    select p.id into full_one
      from factotum.budgets b join factotum.budgets p on p.id = any (b.path)
      where b.id = leaves[place] and p.held_micro_usd + p.spent_micro_usd::numeric + amounts[place]
        > coalesce(p.cap_micro_usd, 9223372036854775807)
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

-- Commits that wait for the disk take with them all that was committed before; to be asked on the connection
-- that has committed, since a server that fell in between has forgotten it.
create function factotum.make_durable() returns void language sql as $$
  select pg_catalog.pg_logical_emit_message(true, 'factotum', '')
$$;

-- Ends what dead keepers left: holds to be released go free, the others are marked unknown and keep counting.
create or replace function factotum.reap(holds_max integer) returns table (released integer, unknown integer)
  language plpgsql as $$
declare
  dead bigint[];
  orphans text[];
  lost text[];
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
  perform factotum.admit(e.leaves, e.helds, e.spents, '{}', '{}')
    from factotum.end_holds(orphans, array_fill(0::bigint, array[released]), 'released', instant) e;
  return next;
end
$$;
drop function factotum.move_budgets(bigint[], bigint[], bigint[]);

-- Nobody moves a balance past the teller, the owner of the tables neither.
create function factotum.refuse_past_teller() returns trigger language plpgsql as $$
begin
  if current_setting('factotum.teller', true) is distinct from 'on' then
    raise exception 'factotum.% is moved by factotum.tell() only: hold and settle with openTeller()', tg_table_name
      using errcode = 'restrict_violation';
  end if;
  return null;
end
$$;
create function factotum.refuse_stock() returns trigger language plpgsql as $$
begin
  if new.held_micro_usd + new.spent_micro_usd = 0 then return new; end if;
  raise exception 'budget % must begin with nothing held and nothing spent', new.name
    using errcode = 'restrict_violation';
end
$$;
create trigger budgets_past_teller
  before update of id, parent, path, held_micro_usd, spent_micro_usd, period_start on factotum.budgets
  for each statement execute function factotum.refuse_past_teller();
create trigger budgets_begin_empty before insert on factotum.budgets
  for each row execute function factotum.refuse_stock();
-- Without its row, what is held below could not be given back above.
create trigger budgets_stay before delete on factotum.budgets
  for each row execute function factotum.refuse_change();
create trigger budgets_no_truncate before truncate on factotum.budgets
  for each statement execute function factotum.refuse_change();

create trigger holds_past_teller before insert or update or delete on factotum.holds
  for each statement execute function factotum.refuse_past_teller();
create trigger holds_never_resized before update of id, budget, amount_micro_usd on factotum.holds
  for each statement execute function factotum.refuse_change();
create trigger holds_no_truncate before truncate on factotum.holds
  for each statement execute function factotum.refuse_change();

create trigger settlements_append_only before update on factotum.settlements
  for each statement execute function factotum.refuse_change();
create trigger settlements_past_teller before delete on factotum.settlements
  for each statement execute function factotum.refuse_past_teller();
create trigger settlements_no_truncate before truncate on factotum.settlements
  for each statement execute function factotum.refuse_change();
create trigger spendings_past_teller before insert on factotum.spendings
  for each statement execute function factotum.refuse_past_teller();

create trigger calls_promise_stays
  before update of id, run_id, attempt, tenant, agent, model, digest, input_tokens_max, output_tokens_max,
    hold_per_try_micro_usd, hold_micro_usd, rates, budget, intended_at on factotum.calls
  for each statement execute function factotum.refuse_change();
create trigger calls_stay before delete on factotum.calls
  for each row execute function factotum.refuse_change();

-- Planned once and by index: planning each visit anew, with its ids, costs more than the visit, and a plan
-- that is kept must not scan all history.
alter function factotum.tell(bigint, text[], bigint[], text[], bigint[], bigint[], text[], integer)
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off;
