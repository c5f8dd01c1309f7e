import { type MicroUsd, microUsd, tokens, type Usage } from "../kernel/index.ts";
import { costOf, type EntryFilter, type Rates } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** What contribution margins are told by. */
export const marginKeys = ["query", "run", "outcome", "agent", "tenant", "model", "rung"] as const;
/** One of them. */
export type MarginKey = (typeof marginKeys)[number];

/** What one run, outcome, agent, tenant, model or rung earned and cost. */
export type Margin = {
  /** Null where the entries say nothing of it, such as the model of a code rung. */
  readonly key: string | null;
  readonly value: MicroUsd;
  readonly cost: MicroUsd;
  readonly loss: MicroUsd;
  /** Value less cost and loss. */
  readonly margin: MicroUsd;
  readonly calls: number;
  readonly runs: number;
  /** Runs whose work was committed, with or without a person's answer, by what committed it. */
  readonly resolved: number;
  /** Cost and loss over what was resolved, rounded up; null where nothing was. */
  readonly costPerResolved: MicroUsd | null;
};

/** An outcome's value belongs to the attempt that was committed, so to that attempt's rung and model. */
const KEYS: Readonly<Record<MarginKey, string>> = {
  // What somebody asked for once: a run with all its calls, or a call of the gateway.
  query: "coalesce('run ' || e.run_id, e.call_id)",
  run: "e.run_id::text",
  outcome: "coalesce(r.state->>'disposition', r.status)",
  agent: "e.agent",
  tenant: "e.tenant",
  model: "coalesce(e.model, a.model)",
  rung: "a.rung",
};

type Row = Omit<Margin, "value" | "cost" | "loss" | "margin" | "costPerResolved"> &
  Readonly<Record<"value" | "cost" | "loss", string>>;

const WHERE = `
  ($1::bigint is null or e.run_id = $1) and ($2::text is null or e.tenant = $2)
  and ($3::text is null or e.agent = $3) and ($4::timestamptz is null or e.at >= $4)
  and ($5::timestamptz is null or e.at < $5)`;

/**
 * Contribution margins from the entries of a filter, the largest first. Every entry counts in exactly one
 * line, so that the lines of any key sum to the same total.
 */
export async function margins(
  tx: Pick<Transaction, "query">,
  by: MarginKey,
  filter: Omit<EntryFilter, "attempt"> = {},
): Promise<readonly Margin[]> {
  const { rows } = await tx.query<Row>(
    `select ${KEYS[by]} as key,
       coalesce(sum(e.amount_micro_usd) filter (where e.kind = 'value'), 0)::text as value,
       coalesce(sum(e.amount_micro_usd) filter (where e.kind = 'cost'), 0)::text as cost,
       coalesce(sum(e.amount_micro_usd) filter (where e.kind = 'loss'), 0)::text as loss,
       count(distinct e.call_id)::integer as calls, count(distinct e.run_id)::integer as runs,
       count(distinct e.run_id) filter (where e.kind = 'value' and a.status = 'committed'
         and r.state->>'disposition' in ('resolved', 'answered'))::integer as resolved
     from factotum.entries e
     left join factotum.runs r on r.id = e.run_id
     left join factotum.attempts a on a.run_id = e.run_id and a.number = e.attempt
     where ${WHERE}
     group by 1 order by sum(case when e.kind = 'value' then e.amount_micro_usd
       else -e.amount_micro_usd end) desc, 1`,
    paramsOf(filter),
  );
  return rows.map((row) => {
    const [value, cost, loss] = [BigInt(row.value), BigInt(row.cost), BigInt(row.loss)];
    const each = BigInt(row.resolved);
    const costPerResolved = each === 0n ? null : microUsd((cost + loss + each - 1n) / each);
    const money = { value: microUsd(value), cost: microUsd(cost), loss: microUsd(loss) };
    return { ...row, ...money, margin: microUsd(value - cost - loss), costPerResolved };
  });
}

/** What "always the strongest model" would have cost, beside what was paid. An estimate, never booked. */
export type RoutingSaved = {
  readonly estimated: true;
  readonly strongest: string;
  /** The last attempt of every run that a model worked on, its recorded usage at the strongest's rates. */
  readonly strongestCost: MicroUsd;
  /** Cost and loss of all that was really tried, judges included. */
  readonly paid: MicroUsd;
  readonly saved: MicroUsd;
  /** Runs that a model worked on. Those that code alone resolved have no usage to re-price: they count 0. */
  readonly runs: number;
};

const PAGE = 5_000;

/**
 * Estimates what the cascade saved. It assumes that the strongest model would have used as many tokens as the
 * one whose attempt came last did, and that it would have needed no second attempt.
 */
export async function routingSaved(
  tx: Pick<Transaction, "query">,
  strongest: { readonly id: string; readonly rates: Rates },
  filter: Omit<EntryFilter, "attempt"> = {},
): Promise<RoutingSaved> {
  let strongestCost = 0n;
  const runs = new Set<string>();
  let after = "0";
  for (;;) {
    const { rows } = await tx.query<UsageRow>(
      `select e.id, e.run_id, e.input_tokens as input, e.cached_input_tokens as cached,
         e.cache_write_tokens as written, e.output_tokens as output, e.reasoning_tokens as reasoning
       from factotum.entries e
       join factotum.attempts a on a.run_id = e.run_id and a.number = e.attempt and a.model = e.model
       where ${WHERE} and e.kind = 'cost' and e.reverses is null and e.id > $6
         and e.attempt = (select max(l.number) from factotum.attempts l
           where l.run_id = e.run_id and l.model is not null and l.status <> 'compared')
       order by e.id limit ${PAGE}`,
      [...paramsOf(filter), after],
    );
    for (const row of rows) {
      strongestCost += costOf(usageOf(row), strongest.rates);
      runs.add(row.run_id);
    }
    after = rows.at(-1)?.id ?? after;
    if (rows.length < PAGE) break;
  }
  const { rows } = await tx.query<{ paid: string }>(
    `select coalesce(sum(e.amount_micro_usd), 0)::text as paid from factotum.entries e
     where ${WHERE} and e.kind in ('cost', 'loss')`,
    paramsOf(filter),
  );
  const paid = BigInt(rows[0]?.paid ?? "0");
  return {
    ...{ estimated: true, strongest: strongest.id, runs: runs.size, paid: microUsd(paid) },
    ...{ strongestCost: microUsd(strongestCost), saved: microUsd(strongestCost - paid) },
  };
}

type UsageRow = {
  readonly id: string;
  readonly run_id: string;
} & Readonly<Record<"input" | "cached" | "written" | "output" | "reasoning", string>>;

function usageOf({ input, cached, written, output, reasoning }: UsageRow): Usage {
  return {
    ...{ input: tokens(BigInt(input)), cachedInput: tokens(BigInt(cached)) },
    ...{ cacheWrite: tokens(BigInt(written)), output: tokens(BigInt(output)) },
    reasoning: tokens(BigInt(reasoning)),
  };
}

function paramsOf({ runId, tenant, agent, from, to }: Omit<EntryFilter, "attempt">): readonly unknown[] {
  return [runId ?? null, tenant ?? null, agent ?? null, from ?? null, to ?? null];
}
