import { must, tokens } from "../kernel/index.ts";
import { type BudgetId, budgetsOfCall, leftOf, ratesOf } from "../ledger/index.ts";
import type { ModelCall, ModelCard } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { worstCaseOf } from "./worst-case.ts";

/** A call that is to be made from a budget. */
export type Spending = {
  readonly call: ModelCall;
  readonly card: ModelCard;
  readonly budget: BudgetId;
};

/**
 * Cuts the most that a call may answer down to what its budget has room for, before it is intended: its hold
 * is then smaller from the start, and never resized. Reads without a lock, so `admit` still decides.
 *
 * @param outputTokensMin the shortest answer that is worth its price
 * @returns the call as it was where it fits, or where not even the shortest answer would
 */
export async function clampToBudget(
  tx: Pick<Transaction, "query">,
  { call, card, budget }: Spending,
  outputTokensMin: number,
): Promise<ModelCall> {
  const lefts = (await budgetsOfCall(tx, { budget, model: card.id }))
    .map(leftOf)
    .filter((left) => left !== null);
  const now = await tx.query<{ at: Date }>("select factotum.now() as at");
  const found = ratesOf(card, must(now.rows[0], "the time").at);
  if (lefts.length === 0 || found.kind === "missing") return call;
  const left = lefts.reduce((least, one) => (one < least ? one : least));
  const fits = (outputTokensMax: number): boolean =>
    worstCaseOf({ ...call, outputTokensMax }, card, found.rates).hold <= left;
  const most = Number(tokens(Math.min(call.outputTokensMax, card.outputTokensMax)));
  if (fits(most) || !fits(outputTokensMin)) return call;
  // A longer answer never costs less, so the longest that fits is found by halving.
  let [short, long] = [outputTokensMin, most];
  while (long - short > 1) {
    const middle = Math.floor((short + long) / 2);
    if (fits(middle)) short = middle;
    else long = middle;
  }
  return { ...call, outputTokensMax: short };
}
