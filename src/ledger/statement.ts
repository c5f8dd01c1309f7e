import {
  type CallId,
  type Json,
  type MicroUsd,
  microUsd,
  type ModelId,
  type RunId,
  tokens,
  type Usage,
} from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { EntryId } from "./book.ts";

/** Money and tokens of some part of the ledger. */
export type Sums = {
  /** What providers counted. */
  readonly cost: MicroUsd;
  /** What they may bill beyond that, at its worst case. */
  readonly loss: MicroUsd;
  /** What outcomes earned. */
  readonly value: MicroUsd;
  readonly usage: Usage;
  /** What engines of one's own used, in millijoules. */
  readonly millijoules: bigint;
  /** Calls that were booked, answered or not. */
  readonly calls: number;
};

/** One model's part of a statement; value is not earned by models, so it is 0 here. */
export type ModelSums = Sums & { readonly model: ModelId };

/** What a run, or all runs of a filter, cost and earned. */
export type Statement = Sums & { readonly runs: number; readonly byModel: readonly ModelSums[] };

/** Which entries to sum. Times are of the business clock, `from` inclusive, `to` exclusive. */
export type EntryFilter = {
  readonly runId?: RunId;
  readonly tenant?: string;
  readonly agent?: string;
  readonly attempt?: number;
  readonly from?: Date;
  readonly to?: Date;
};

/** A row of the ledger as it was booked. */
export type Entry = {
  readonly id: EntryId;
  readonly at: Date;
  readonly kind: "cost" | "loss" | "value";
  readonly runId: RunId | null;
  readonly attempt: number | null;
  readonly callId: CallId | null;
  readonly try: number | null;
  readonly model: ModelId | null;
  readonly usage: Usage;
  readonly millijoules: bigint;
  readonly amount: MicroUsd;
  readonly debit: string;
  readonly credit: string;
  readonly source: string | null;
  /** By which it was priced, as `ratesFromJson` reads it. */
  readonly rates: Json | null;
  readonly because: string;
  readonly reverses: EntryId | null;
};

const WHERE = `
  where ($1::bigint is null or run_id = $1) and ($2::text is null or tenant = $2)
    and ($3::text is null or agent = $3) and ($4::timestamptz is null or at >= $4)
    and ($5::timestamptz is null or at < $5) and ($6::integer is null or attempt = $6)`;
const SUMS = `
  count(distinct call_id)::integer as calls, count(distinct run_id)::integer as runs,
  coalesce(sum(amount_micro_usd) filter (where kind = 'cost'), 0)::text as cost,
  coalesce(sum(amount_micro_usd) filter (where kind = 'loss'), 0)::text as loss,
  coalesce(sum(amount_micro_usd) filter (where kind = 'value'), 0)::text as value,
  coalesce(sum(input_tokens), 0)::text as input, coalesce(sum(cached_input_tokens), 0)::text as cached_input,
  coalesce(sum(cache_write_tokens), 0)::text as cache_write,
  coalesce(sum(output_tokens), 0)::text as output, coalesce(sum(reasoning_tokens), 0)::text as reasoning,
  coalesce(sum(millijoules), 0)::text as millijoules`;

/** What one run cost and earned so far. */
export async function statementOf(tx: Asker, runId: RunId): Promise<Statement> {
  return totals(tx, { runId });
}

/** What all entries of a filter come to. */
export async function totals(tx: Asker, filter: EntryFilter = {}): Promise<Statement> {
  const { rows } = await tx.query<SumsRow & { readonly model: ModelId | null; readonly whole: number }>(
    `select model, grouping(model) as whole, ${SUMS} from factotum.entries ${WHERE}
     group by grouping sets ((), (model)) order by whole desc, model`,
    filterParams(filter),
  );
  const byModel = rows.flatMap((row) => (row.model === null ? [] : [{ model: row.model, ...sumsOf(row) }]));
  const whole = rows.find((row) => row.whole === 1);
  return whole === undefined
    ? { ...sumsOf(NOTHING), runs: 0, byModel }
    : { ...sumsOf(whole), runs: whole.runs, byModel };
}

/** The entries of a run, in the order they were booked. */
export async function entriesOf(tx: Asker, runId: RunId): Promise<readonly Entry[]> {
  return listEntries(tx, { runId });
}

/**
 * The entries of a filter, in the order they were booked: what every figure of the ledger is the sum of.
 *
 * @param page the entry after which to begin, and how many at most
 */
export async function listEntries(
  tx: Asker,
  filter: EntryFilter,
  page: { readonly after?: EntryId; readonly limit?: number } = {},
): Promise<readonly Entry[]> {
  const { rows } = await tx.query<EntryRow>(
    `select id, at, kind, run_id as "runId", attempt, call_id as "callId", try, model, debit, credit, source,
       rates, because, reverses, millijoules, amount_micro_usd as amount, input_tokens as input,
       cached_input_tokens as cached_input, cache_write_tokens as cache_write,
       output_tokens as output, reasoning_tokens as reasoning
     from factotum.entries ${WHERE} and ($7::bigint is null or id > $7) order by id limit $8`,
    [...filterParams(filter), page.after ?? null, page.limit ?? null],
  );
  return rows.map(({ amount, millijoules, input, cached_input, cache_write, output, reasoning, ...row }) => ({
    ...row,
    ...{ amount: microUsd(BigInt(amount)), millijoules: BigInt(millijoules) },
    usage: usageOf({ input, cached_input, cache_write, output, reasoning }),
  }));
}

type Asker = Pick<Transaction, "query">;
type UsageRow = {
  readonly input: string;
  readonly cached_input: string;
  readonly cache_write: string;
  readonly output: string;
  readonly reasoning: string;
};
type SumsRow = UsageRow & {
  readonly calls: number;
  readonly runs: number;
  readonly cost: string;
  readonly loss: string;
  readonly value: string;
  readonly millijoules: string;
};
type EntryRow = Omit<Entry, "amount" | "millijoules" | "usage"> &
  UsageRow & { readonly amount: string; readonly millijoules: string };

const NOTHING: SumsRow = {
  ...{ calls: 0, runs: 0, cost: "0", loss: "0", value: "0", millijoules: "0" },
  ...{ input: "0", cached_input: "0", cache_write: "0", output: "0", reasoning: "0" },
};

function filterParams(filter: EntryFilter): readonly unknown[] {
  return [
    ...[filter.runId ?? null, filter.tenant ?? null, filter.agent ?? null],
    ...[filter.from ?? null, filter.to ?? null, filter.attempt ?? null],
  ];
}

function sumsOf(row: SumsRow): Sums {
  return {
    cost: microUsd(BigInt(row.cost)),
    loss: microUsd(BigInt(row.loss)),
    value: microUsd(BigInt(row.value)),
    usage: usageOf(row),
    millijoules: BigInt(row.millijoules),
    calls: row.calls,
  };
}

function usageOf(row: UsageRow): Usage {
  return {
    input: tokens(BigInt(row.input)),
    cachedInput: tokens(BigInt(row.cached_input)),
    cacheWrite: tokens(BigInt(row.cache_write)),
    output: tokens(BigInt(row.output)),
    reasoning: tokens(BigInt(row.reasoning)),
  };
}
