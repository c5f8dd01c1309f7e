import { type MicroUsd, type Tokens, tokens, type Usage } from "../kernel/index.ts";
import { totals } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** What a body of work came to. */
export type Summary = {
  readonly runs: number;
  /** Committed without asking anybody. */
  readonly resolved: number;
  /** Committed after a person answered. */
  readonly answered: number;
  /** Waiting for a person to answer their first card. */
  readonly waiting: number;
  readonly refused: number;
  readonly discarded: number;
  readonly undone: number;
  readonly failed: number;
  /** Not yet worked off. */
  readonly working: number;
  readonly rowsChanged: number;
  /** What providers counted, and what they may bill beyond it. */
  readonly cost: MicroUsd;
  readonly loss: MicroUsd;
  readonly tokens: Tokens;
  readonly value: MicroUsd;
};

/** Adds up the runs of an agent, or of all. */
export async function summarise(tx: Pick<Transaction, "query">, agent?: string): Promise<Summary> {
  const { rows } = await tx.query<{ standing: string; runs: number; changed: number }>(
    `select case
         when r.status = 'failed' then 'failed'
         when r.state->>'disposition' is not null then r.state->>'disposition'
         when r.status = 'waiting' and r.state->>'phase' = 'asked' then 'waiting'
         else 'working'
       end as standing,
       count(*)::integer as runs,
       coalesce(sum((select count(*) from factotum.attempts a
                     join factotum.attempt_rows c on c.run_id = a.run_id and c.number = a.number
                     where a.run_id = r.id and a.status = 'committed')), 0)::integer as changed
     from factotum.runs r where $1::text is null or r.agent = $1 group by 1`,
    [agent ?? null],
  );
  const count = (standing: string): number => rows.find((row) => row.standing === standing)?.runs ?? 0;
  const undone = rows.find((row) => row.standing === "undone")?.changed ?? 0;
  const booked = await totals(tx, agent === undefined ? {} : { agent });
  return {
    runs: rows.reduce((sum, row) => sum + row.runs, 0),
    ...{ resolved: count("resolved"), answered: count("answered"), waiting: count("waiting") },
    ...{ refused: count("refused"), discarded: count("discarded"), undone: count("undone") },
    ...{ failed: count("failed"), working: count("working") },
    rowsChanged: rows.reduce((sum, row) => sum + row.changed, 0) - undone,
    ...{ cost: booked.cost, loss: booked.loss, tokens: allTokens(booked.usage), value: booked.value },
  };
}

/** Tokens of every kind together. */
export function allTokens(usage: Usage): Tokens {
  return tokens(Object.values(usage).reduce((sum, count) => sum + count, 0n));
}
