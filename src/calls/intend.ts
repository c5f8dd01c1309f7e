import { type CallId, defaultTenant, must, type RunId, type TenantId } from "../kernel/index.ts";
import { type BudgetId, modelBudgetNames, ratesOf, ratesToJson } from "../ledger/index.ts";
import type { ModelCall, ModelCard } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { CallError } from "./call-error.ts";
import { digestOf } from "./fingerprint.ts";
import { worstCaseOf } from "./worst-case.ts";

/** A call about to be made. */
export type CallIntent = {
  readonly runId: RunId;
  readonly attempt: number;
  readonly call: ModelCall;
  /** The card of `call.model`. */
  readonly card: ModelCard;
  readonly tenant?: TenantId;
  readonly agent?: string;
  /**
   * What it is spent from, beside its model's budget; `admit` has to set its worst case aside before it is
   * sent. Without it, the budget of its model alone, where there is one.
   */
  readonly budget?: BudgetId;
  /** The business time, by which a price holds, where the caller has read it already. */
  readonly at?: Date;
};

/**
 * Writes down that a call will be made, with the most it may cost; commit before sending. The id is the
 * idempotency key that every try carries. Writes factotum.calls.
 *
 * @throws {CallError} `price-missing` when what it would cost cannot be stated
 */
export async function intend(tx: Transaction, intent: CallIntent): Promise<CallId> {
  const found = ratesOf(intent.card, intent.at ?? (await businessTime(tx)));
  if (found.kind === "missing") {
    const message = `model ${intent.card.id} is not called: ${found.because}`;
    throw new CallError({ code: "price-missing", retry: "elsewhere", message });
  }
  const worst = worstCaseOf(intent.call, intent.card, found.rates);
  const { rows } = await tx.query<{ id: CallId }>(
    `insert into factotum.calls (id, run_id, attempt, tenant, agent, model, digest, input_tokens_max,
       output_tokens_max, hold_per_try_micro_usd, hold_micro_usd, rates, budget)
     values ('call_' || gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
       coalesce($12::bigint, (select b.id from factotum.budgets b where b.name = any ($13)
         order by cardinality(b.path) desc limit 1)))
     returning id`,
    [
      ...[intent.runId, intent.attempt, intent.tenant ?? defaultTenant, intent.agent ?? null],
      ...[intent.card.id, digestOf(intent.call), worst.inputTokensMax, worst.outputTokensMax],
      ...[worst.holdPerTry, worst.hold, JSON.stringify(ratesToJson(found.rates))],
      ...[intent.budget ?? null, modelBudgetNames(intent.card.id)],
    ],
  );
  return must(rows[0], "the id of an intended call").id;
}

async function businessTime(tx: Transaction): Promise<Date> {
  const { rows } = await tx.query<{ at: Date }>("select factotum.now() as at");
  return must(rows[0], "the time").at;
}
