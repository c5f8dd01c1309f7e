import { type MicroUsd, microUsd } from "../kernel/index.ts";
import type { EntryFilter } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** What a cohort is made of: customers, or agents. */
export const cohortKeys = ["tenant", "agent"] as const;
/** One of them. */
export type CohortKey = (typeof cohortKeys)[number];

/** Those that were first booked in one month, in one month since. */
export type CohortMonth = {
  /** The month of their first entry, in UTC: `2026-03`. */
  readonly cohort: string;
  readonly month: string;
  /** Months since the first. */
  readonly age: number;
  /** How many of the cohort were booked in that month, and how many there are. */
  readonly active: number;
  readonly size: number;
  readonly value: MicroUsd;
  /** Cost and loss. */
  readonly cost: MicroUsd;
  readonly margin: MicroUsd;
};

type Row = Omit<CohortMonth, "value" | "cost" | "margin"> & { readonly value: string; readonly cost: string };

/**
 * Customers or agents by the month of their first entry, followed month by month. Every entry that names one
 * counts in one line, so that the lines of a month sum to that month's books.
 */
export async function cohorts(
  tx: Pick<Transaction, "query">,
  by: CohortKey,
  { tenant, agent }: Pick<EntryFilter, "tenant" | "agent"> = {},
): Promise<readonly CohortMonth[]> {
  const key = { tenant: "tenant", agent: "agent" }[by];
  const { rows } = await tx.query<Row>(
    `with booked as (
       select ${key} as key, date_trunc('month', at at time zone 'UTC') as month,
         coalesce(sum(amount_micro_usd) filter (where kind = 'value'), 0) as value,
         coalesce(sum(amount_micro_usd) filter (where kind <> 'value'), 0) as cost
       from factotum.entries
       where ${key} is not null and ($1::text is null or tenant = $1) and ($2::text is null or agent = $2)
       group by 1, 2),
     firsts as (select key, min(month) as cohort from booked group by 1),
     sizes as (select cohort, count(*) as size from firsts group by 1)
     select to_char(f.cohort, 'YYYY-MM') as cohort, to_char(b.month, 'YYYY-MM') as month,
       (extract(year from age(b.month, f.cohort)) * 12 + extract(month from age(b.month, f.cohort)))::integer
         as age,
       count(*)::integer as active, s.size::integer as size, sum(b.value)::text as value,
       sum(b.cost)::text as cost
     from booked b join firsts f using (key) join sizes s using (cohort)
     group by f.cohort, b.month, s.size order by f.cohort, b.month`,
    [tenant ?? null, agent ?? null],
  );
  return rows.map(({ value, cost, ...row }) => ({
    ...row,
    ...{ value: microUsd(BigInt(value)), cost: microUsd(BigInt(cost)) },
    margin: microUsd(BigInt(value) - BigInt(cost)),
  }));
}
