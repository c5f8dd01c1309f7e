import { type MicroUsd, microUsd } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/**
 * When a budget will be reached if spending goes on as it did. A plain rate, spent by time: no trend, no
 * season. What is held counts as gone.
 */
export type Forecast = {
  readonly name: string;
  /** The window the rate is taken over: from the period's start, for `ever` the last 7 days at most. */
  readonly since: Date;
  readonly spentInWindow: MicroUsd;
  /** Null where nothing was spent in the window, or the period is over before. */
  readonly capReachedAt: Date | null;
  readonly softReachedAt: Date | null;
};

type Row = {
  readonly name: string;
  readonly since: Date;
  readonly spent: string;
  readonly cap_at: Date | null;
  readonly soft_at: Date | null;
};

/** Forecasts for every budget that has a cap or a soft limit; reads factotum.budgets and spent_of. */
export async function forecastBudgets(tx: Pick<Transaction, "query">): Promise<readonly Forecast[]> {
  const { rows } = await tx.query<Row>(
    `with standing as (
       select b.*, factotum.period_start(b.period, b.time_zone) as begun,
         case when b.period = 'ever' then 'infinity'::timestamptz else
           date_trunc(b.period, factotum.now(), b.time_zone) + ('1 ' || b.period)::interval end as ends
       from factotum.budgets b
       where b.period <> 'ever' and (b.cap_micro_usd is not null or b.soft_micro_usd is not null)
       union all
       select b.*, greatest(factotum.now() - interval '7 days', (
           select min(s.at) from factotum.spent_of s join factotum.budgets l on l.id = s.leaf
           where b.id = any (l.path))), 'infinity'
       from factotum.budgets b
       where b.period = 'ever' and (b.cap_micro_usd is not null or b.soft_micro_usd is not null)),
     rated as (
       select s.*, w.spent, extract(epoch from factotum.now() - s.begun) as seconds,
         s.held_micro_usd + case when s.period_start < factotum.period_start(s.period, s.time_zone) then 0
           else s.spent_micro_usd end as gone
       from standing s, lateral (
         select coalesce(sum(p.spent_micro_usd), 0) as spent
         from factotum.spent_of p join factotum.budgets l on l.id = p.leaf
         where s.id = any (l.path) and p.at >= s.begun) w),
     reached as (
       select r.*, case when l.what is null or r.spent = 0 or r.seconds <= 0 then null else
           factotum.now() + least(greatest(l.what - r.gone, 0) * r.seconds / r.spent, 1e9)
             * interval '1 second' end as at, l.kind
       from rated r, lateral (values ('cap', r.cap_micro_usd), ('soft', r.soft_micro_usd)) l (kind, what))
     select name, min(begun) as since, min(spent)::text as spent,
       min(at) filter (where kind = 'cap' and at < ends) as cap_at,
       min(at) filter (where kind = 'soft' and at < ends) as soft_at
     from reached group by id, name, path order by path`,
  );
  return rows.map((row) => ({
    ...{ name: row.name, since: row.since, spentInWindow: microUsd(BigInt(row.spent)) },
    ...{ capReachedAt: row.cap_at, softReachedAt: row.soft_at },
  }));
}
