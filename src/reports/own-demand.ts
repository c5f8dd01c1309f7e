import type { EntryFilter } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { DemandPoint } from "../terms/index.ts";
import { usdOfMicro } from "./money.ts";

/** Digits of a price per outcome: the thousandth part of a micro-dollar. */
const PLACES = 9;

/**
 * What was used at which price, month by month of UTC: outcomes, and what each earned on average. Points for
 * a piecewise demand of one's own data; months without outcomes say nothing.
 */
export async function ownDemand(
  tx: Pick<Transaction, "query">,
  { tenant, agent, from, to }: Omit<EntryFilter, "attempt" | "runId"> = {},
): Promise<readonly DemandPoint[]> {
  const { rows } = await tx.query<{ outcomes: string; value: string }>(
    `select count(*) as outcomes, sum(amount_micro_usd) as value
     from factotum.entries
     where kind = 'value' and amount_micro_usd > 0 and ($1::text is null or tenant = $1)
       and ($2::text is null or agent = $2) and ($3::timestamptz is null or at >= $3)
       and ($4::timestamptz is null or at < $4)
     group by date_trunc('month', at at time zone 'UTC') order by date_trunc('month', at at time zone 'UTC')`,
    [tenant ?? null, agent ?? null, from ?? null, to ?? null],
  );
  return rows.map(({ outcomes, value }) => ({
    price: usdOfMicro(BigInt(value)).div(outcomes).toDecimalPlaces(PLACES).toFixed(),
    usage: outcomes,
  }));
}
