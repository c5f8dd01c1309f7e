import type { Transaction } from "../postgres/index.ts";

/** What an account was debited and credited in one unit, in its smallest part. */
export type Balance = {
  readonly account: string;
  readonly unit: string;
  readonly debits: bigint;
  readonly credits: bigint;
};

/** A balance that was closed, and what its bookings come to. */
export type BalanceOff = {
  readonly closing: string;
  readonly hour: Date;
  readonly account: string;
  readonly unit: string;
  /** Debits and credits as they were closed; null where the closing has no such line. */
  readonly closed: string | null;
  readonly sum: string | null;
};

/**
 * Sums up all that was booked since the last closing, by account, unit and hour. Every teller does so each
 * hour of the business clock. Waits for what is being booked. Writes factotum.closings and balances.
 *
 * @returns the closing; null where nothing was booked
 */
export async function closeBalances(tx: Transaction): Promise<string | null> {
  const { rows } = await tx.query<{ id: string | null }>("select factotum.close_balances() as id");
  return rows[0]?.id ?? null;
}

/**
 * Balances now: what was closed, and what was booked since. Money and tokens of calls count as transfers do.
 *
 * @param filter.account an account, or all below it: `expense` has `expense/models`
 */
export async function balancesNow(
  tx: Pick<Transaction, "query">,
  filter: { readonly account?: string; readonly unit?: string } = {},
): Promise<readonly Balance[]> {
  const { rows } = await tx.query<Record<"account" | "unit" | "debits" | "credits", string>>(
    `with last as (
       select coalesce(max(transfers_through), 0) as transfers, coalesce(max(entries_through), 0) as entries
       from factotum.closings),
     all_of as (
       select account, unit, debits, credits from factotum.balances
       union all
       select account, unit, debits, credits from factotum.postings, last
       where "of" = 'transfer' and id > last.transfers or "of" = 'entry' and id > last.entries)
     select account, unit, sum(debits)::text as debits, sum(credits)::text as credits from all_of
     where ($1::text is null or account = $1 or starts_with(account, $1 || '/'))
       and ($2::text is null or unit = $2)
     group by account, unit order by account collate "C", unit collate "C"`,
    [filter.account ?? null, filter.unit ?? null],
  );
  return rows.map(({ account, unit, debits, credits }) => ({
    ...{ account, unit, debits: BigInt(debits), credits: BigInt(credits) },
  }));
}

/**
 * Holds every closed balance against the sum of the bookings it stands for. Reads factotum.balances and all
 * that was booked, in one snapshot.
 *
 * @returns the balances that are off; none, unless somebody wrote past the database's own guards
 */
export async function auditBalances(tx: Pick<Transaction, "query">): Promise<readonly BalanceOff[]> {
  const { rows } = await tx.query<BalanceOff>(
    `with summed as (
       select c.id as closing, p.hour, p.account, p.unit, sum(p.debits) as debits, sum(p.credits) as credits
       from factotum.closings c join factotum.postings p
         on p.of = 'transfer' and p.id > c.transfers_after and p.id <= c.transfers_through
         or p.of = 'entry' and p.id > c.entries_after and p.id <= c.entries_through
       group by c.id, p.hour, p.account, p.unit)
     select closing::text, hour, account, unit, b.debits || ' / ' || b.credits as closed,
       s.debits || ' / ' || s.credits as sum
     from factotum.balances b full join summed s using (closing, hour, account, unit)
     where (b.debits, b.credits) is distinct from (s.debits, s.credits)
     order by closing, hour, account, unit`,
  );
  return rows;
}
