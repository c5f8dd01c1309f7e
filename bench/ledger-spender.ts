/**
 * Spenders in a process of their own, for `bench/ledger.ts`, which may kill it. Argument: `SpenderOrder` as
 * JSON. Each spender holds, makes its call (writes the cost to a log, as a provider would), and settles.
 */
import { openSync, writeSync } from "node:fs";
import { type BudgetId, type HoldId, openTeller } from "factotum/ledger";
import { microUsd } from "factotum/kernel";
import { type DatabaseOptions, openDatabase } from "factotum/postgres";
import { seeded } from "./seeded.ts";

/** What a process of spenders is told. */
export type SpenderOrder = {
  readonly database: DatabaseOptions;
  readonly name: string;
  readonly leaves: readonly string[];
  readonly spenders: number;
  readonly seconds: number;
  readonly seed: number;
  /** Where calls are noted before they are settled; none are where only speed is measured. */
  readonly log?: string;
};

/** What it says at its end. Milliseconds of each hold and each settlement. */
export type SpenderReport = { readonly pairs: number; readonly full: number; readonly ms: readonly number[] };

const AMOUNT_MAX = 1_000;
const MS_KEPT_MAX = 200_000;

async function main(order: SpenderOrder): Promise<void> {
  const db = await openDatabase(order.database);
  const teller = await openTeller(db, { name: order.name, leaseMs: 2_000 });
  const log = order.log === undefined ? undefined : openSync(order.log, "a");
  const ms: number[] = [];
  let [pairs, full, calls] = [0, 0, 0];
  process.send?.("ready");
  const until = performance.now() + order.seconds * 1_000;
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work;
    if (ms.length < MS_KEPT_MAX) ms.push(performance.now() - began);
    return result;
  };
  const spend = async (at: number): Promise<void> => {
    const random = seeded(order.seed * 100_003 + at);
    while (performance.now() < until) {
      const id = `${order.name}-${(calls += 1)}` as HoldId;
      const budget = order.leaves[at % order.leaves.length] as BudgetId;
      const amount = 1 + Math.floor(random() * AMOUNT_MAX);
      const answer = await timed(teller.hold({ id, budget, amount: microUsd(amount), ifOrphaned: "keep" }));
      if (answer.kind === "full") {
        full += 1;
        continue;
      }
      // One in twenty calls costs more than it should have been able to.
      const actual = random() < 0.05 ? amount + 7 : Math.floor(random() * (amount + 1));
      if (log !== undefined) writeSync(log, `${id} ${amount} ${actual}\n`);
      await timed(teller.settle(id, microUsd(actual)));
      pairs += 1;
    }
  };
  await Promise.all(Array.from({ length: order.spenders }, (_, at) => spend(at)));
  await teller.close();
  await db.close();
  process.send?.({ pairs, full, ms } satisfies SpenderReport);
}

await main(JSON.parse(process.argv[2] ?? "{}") as SpenderOrder);
