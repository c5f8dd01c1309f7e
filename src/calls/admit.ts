import { type CallId, formatUsd, microUsd } from "../kernel/index.ts";
import { type BudgetId, budgetOf, type HoldId, leftOf, modelBudgetOf, type Teller } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { CallError } from "./call-error.ts";
import type { CallFailure } from "./outcome.ts";

const MICRO_PER_CENT = 10_000n;

/**
 * Sets the worst case of an intended call aside in its budget and its model's, after the intent is committed
 * and before anything is sent. A call that was intended without a budget needs none.
 *
 * @returns why it may not be sent, where a budget on the path has no room
 * @throws {CallError} `call-missing`
 */
export async function admit(
  db: Pick<Transaction, "query">,
  teller: Pick<Teller, "hold">,
  callId: CallId,
): Promise<CallFailure | undefined> {
  const { rows } = await db.query<{ budget: BudgetId | null; model: string; hold: string }>(
    "select budget, model, hold_micro_usd as hold from factotum.calls where id = $1",
    [callId],
  );
  const [call] = rows;
  if (call === undefined) {
    const message = `call ${callId} was never intended; intend it and commit before sending`;
    throw new CallError({ code: "call-missing", retry: "never", message });
  }
  if (call.budget === null) return undefined;
  const amount = microUsd(BigInt(call.hold));
  const models = await modelBudgetOf(db, call);
  const also = models === null ? [] : [models];
  const request = { id: callId as string as HoldId, budget: call.budget, also, amount };
  // A call that may be out costs money, whether its caller lives or not.
  const answer = await teller.hold({ ...request, ifOrphaned: "keep" });
  if (answer.kind === "held") return undefined;
  const full = await budgetOf(db, answer.budget);
  const left = leftOf(full) ?? microUsd(0);
  // Whole cents, as a person types them; no more than this call needs.
  const cents = (full.spent + full.held + amount + MICRO_PER_CENT - 1n) / MICRO_PER_CENT;
  const enough = formatUsd(microUsd(cents * MICRO_PER_CENT)).slice(1);
  const message =
    `call ${callId} may cost ${formatUsd(amount)} and budget ${full.name} has ${formatUsd(left)} left ` +
    `of ${formatUsd(microUsd(full.cap ?? 0n))}; raise it with: factotum budget set ${full.name} ${enough}` +
    (full.period === "ever" ? "" : `; or wait for the next ${full.period}`);
  return { code: "over-budget", retry: "later", message, retryAfterMs: null };
}
