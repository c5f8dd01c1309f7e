import type { Transaction } from "../postgres/index.ts";
import { type Balance, balancesNow } from "./balances.ts";

/** An account's balance in one unit, with what it takes to write it down. */
export type AccountBalance = Balance & { readonly kind: string; readonly decimals: number };

/** All accounts of one unit together: the two are the same, or something wrote past the guards. */
export type TrialBalance = {
  readonly unit: string;
  readonly decimals: number;
  readonly accounts: number;
  readonly debits: bigint;
  readonly credits: bigint;
};

/** One side of a booking, with the account on the other side. */
export type Posting = {
  /** What was booked: a row of factotum.transfers or of factotum.entries. */
  readonly of: "transfer" | "entry";
  readonly id: string;
  readonly at: Date;
  readonly account: string;
  readonly against: string;
  readonly unit: string;
  readonly decimals: number;
  /** Debits less credits of this one. */
  readonly amount: bigint;
  readonly because: string | null;
  readonly runId: string | null;
  readonly callId: string | null;
};

/** Where a page of postings begins: after the last one of the page before. */
export type PostingPage = { readonly after?: string; readonly limit: number };

/** Which accounts: one with all below it, in one unit. */
export type AccountFilter = { readonly account?: string; readonly unit?: string };

/** Balances of accounts as they stand, each in its units. */
export async function listAccounts(
  tx: Pick<Transaction, "query">,
  filter: AccountFilter = {},
): Promise<readonly AccountBalance[]> {
  const units = await tx.query<{ unit: string; kind: string; decimals: number }>(
    "select unit, kind, decimals from factotum.units",
  );
  const byName = new Map(units.rows.map((unit) => [unit.unit, unit]));
  return (await balancesNow(tx, filter)).map((balance) => {
    const { kind, decimals } = byName.get(balance.unit) ?? { kind: "count", decimals: 0 };
    return { ...balance, kind, decimals };
  });
}

/** What all accounts were debited and credited together, by unit. */
export async function trialBalance(tx: Pick<Transaction, "query">): Promise<readonly TrialBalance[]> {
  const sums = new Map<string, TrialBalance>();
  for (const { unit, decimals, debits, credits } of await listAccounts(tx)) {
    const so = sums.get(unit) ?? { unit, decimals, accounts: 0, debits: 0n, credits: 0n };
    sums.set(unit, {
      ...so,
      accounts: so.accounts + 1,
      debits: so.debits + debits,
      credits: so.credits + credits,
    });
  }
  return [...sums.values()].toSorted((left, right) => (left.unit < right.unit ? -1 : 1));
}

/**
 * The bookings that an account's balance is the sum of, oldest first: transfers, and the entries of calls and
 * outcomes, which `entriesOf` shows whole. A page ends with all sides of its last booking.
 *
 * @param page.after the `of` and `id` of the last one that was seen: `entry 17`
 */
export async function listPostings(
  tx: Pick<Transaction, "query">,
  filter: AccountFilter,
  { after, limit }: PostingPage,
): Promise<readonly Posting[]> {
  const [of, id] = after?.split(" ") ?? [];
  const { rows } = await tx.query<Omit<Posting, "amount"> & { readonly amount: string }>(
    `select * from (
     select m.of, m.id::text as id, m.at, s.account, s.against, m.unit, u.decimals, s.amount::text as amount,
       coalesce(t.because, e.because) as because, e.run_id::text as "runId", e.call_id as "callId"
     from factotum.movements m join factotum.units u on u.unit = m.unit
     left join factotum.transfers t on m.of = 'transfer' and t.id = m.id
     left join factotum.entries e on m.of = 'entry' and e.id = m.id,
     lateral (values (m.debit, m.credit, m.amount), (m.credit, m.debit, -m.amount))
       s (account, against, amount)
     where ($1::text is null or s.account = $1 or starts_with(s.account, $1 || '/'))
       and ($2::text is null or m.unit = $2)
       and ($3::text is null or (m.at, m.of, m.id) > (
         select a.at, a.of, a.id from factotum.movements a where a.of = $3 and a.id = $4 limit 1))
     order by m.at, m.of, m.id fetch first $5 rows with ties) p
     order by at, "of", id::bigint, account collate "C", unit collate "C"`,
    [filter.account ?? null, filter.unit ?? null, of ?? null, id ?? null, limit],
  );
  return rows.map(({ amount, ...row }) => ({ ...row, amount: BigInt(amount) }));
}

/** An amount in the smallest parts of a unit, written in whole ones: `-0.0000005`. */
export function writtenAmount(amount: bigint, decimals: number): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const part = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return `${amount < 0n ? "-" : ""}${whole}${part === "" ? "" : `.${part}`}`;
}
