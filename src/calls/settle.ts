import {
  type CallId,
  canonicalJson,
  type Json,
  type MicroUsd,
  microUsd,
  type ModelId,
  type RunId,
  type TenantId,
} from "../kernel/index.ts";
import {
  bookCall,
  type BudgetId,
  type CallBooking,
  costOf,
  type HoldId,
  type Rates,
  ratesFromJson,
  reverseLoss,
  settleLater,
} from "../ledger/index.ts";
import { addUsage, noUsage, type Usage } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { CallError } from "./call-error.ts";
import { type CallOutcome, outcomeToJson, type Try } from "./outcome.ts";

/** What a settled call came to, over all its tries. */
export type Settlement = {
  /** What the provider counted. */
  readonly cost: MicroUsd;
  /** What it may bill beyond that, at the worst case. */
  readonly loss: MicroUsd;
  readonly usage: Usage;
};

type Row = {
  readonly run_id: RunId;
  readonly attempt: number;
  readonly tenant: TenantId;
  readonly agent: string | null;
  readonly model: ModelId;
  readonly state: "intended" | "answered" | "failed" | "unknown";
  readonly hold_per_try_micro_usd: string;
  readonly hold_micro_usd: string;
  readonly rates: Json;
  readonly outcome: Json | null;
  readonly budget: BudgetId | null;
};

/**
 * Ends a call: keeps its outcome in its row and books every try. Settling again with the same outcome
 * changes nothing; settling a call that was given up as unknown reverses that loss first. Writes
 * factotum.calls and factotum.entries.
 *
 * @throws {CallError} `call-missing`; `call-settled` when it has ended differently
 */
export async function settle(tx: Transaction, callId: CallId, outcome: CallOutcome): Promise<Settlement> {
  const row = await lockCall(tx, callId);
  const stored = outcomeToJson(outcome);
  const rates = ratesFromJson(row.rates);
  const bookings = outcome.tries.flatMap((each) => bookingsOf(each, callId, row, rates));
  if (row.outcome !== null) {
    if (canonicalJson(row.outcome) === canonicalJson(stored)) return sumOf(bookings);
    const message = `call ${callId} was settled with another outcome; keep the first`;
    throw new CallError({ code: "call-settled", retry: "never", message });
  }
  if (row.state === "unknown") await reverseLoss(tx, callId, "its outcome arrived after all");
  for (const booking of bookings) await bookCall(tx, booking);
  await tx.query(
    "update factotum.calls set state = $2, outcome = $3, ended_at = factotum.now() where id = $1",
    [callId, outcome.kind, JSON.stringify(stored)],
  );
  const sum = sumOf(bookings);
  // Without a try there is no hold either: it was refused for want of budget.
  if (row.budget !== null && outcome.tries.length > 0) {
    await settleLater(tx, callId as string as HoldId, microUsd(sum.cost + sum.loss));
  }
  return sum;
}

/**
 * Gives up a run's calls that were intended and never settled, as after a crash: nobody knows whether they
 * went out, so each is booked as our loss at its worst case. Only for the holder of the run's lease, and only
 * before it sends anything: a call under way would be given up too.
 *
 * @returns the calls given up
 */
export async function reconcile(tx: Transaction, runId: RunId): Promise<readonly CallId[]> {
  const { rows } = await tx.query<Row & { readonly id: CallId }>(
    `update factotum.calls set state = 'unknown', ended_at = factotum.now()
     where run_id = $1 and state = 'intended' returning *`,
    [runId],
  );
  for (const row of rows) {
    const because = "the process ended between sending and settling";
    const amount = microUsd(BigInt(row.hold_micro_usd));
    const rates = ratesFromJson(row.rates);
    await bookCall(tx, {
      ...about(row, row.id),
      ...{ try: 0, kind: "loss", usage: noUsage, amount, rates, because },
    });
    if (row.budget !== null) await settleLater(tx, row.id as string as HoldId, amount);
  }
  return rows.map((row) => row.id);
}

async function lockCall(tx: Transaction, callId: CallId): Promise<Row> {
  const { rows } = await tx.query<Row>("select * from factotum.calls where id = $1 for update", [callId]);
  const row = rows[0];
  if (row !== undefined) return row;
  const message = `call ${callId} was never intended; intend it and commit before sending`;
  throw new CallError({ code: "call-missing", retry: "never", message });
}

function about(
  row: Row,
  callId: CallId,
): Pick<CallBooking, "callId" | "runId" | "tenant" | "agent" | "attempt" | "model"> {
  const { run_id: runId, tenant, agent, attempt, model } = row;
  return { callId, runId, tenant, agent, attempt, model };
}

/** What one try is booked as: what was counted is cost, what may be billed beyond it is loss. */
function bookingsOf(each: Try, callId: CallId, row: Row, rates: Rates): CallBooking[] {
  const base = { ...about(row, callId), try: each.number, rates };
  const because = each.code ?? "answered";
  const usage = each.usage ?? noUsage;
  const worst = microUsd(BigInt(row.hold_per_try_micro_usd));
  if (each.billed === "nothing") {
    return [{ ...base, kind: "cost", usage: noUsage, amount: microUsd(0), because }];
  }
  if (each.billed === "unknown") {
    return [{ ...base, kind: "loss", usage: noUsage, amount: worst, because: `${because}, not counted` }];
  }
  const cost: CallBooking = { ...base, kind: "cost", usage, amount: costOf(usage, rates), because };
  if (each.billed === "counted") return [cost];
  const rest = microUsd(worst > cost.amount ? worst - cost.amount : 0n);
  return [
    cost,
    { ...base, kind: "loss", usage: noUsage, amount: rest, because: `${because}, partly counted` },
  ];
}

function sumOf(bookings: readonly CallBooking[]): Settlement {
  const sum = (kind: CallBooking["kind"]): MicroUsd =>
    microUsd(bookings.filter((each) => each.kind === kind).reduce((total, each) => total + each.amount, 0n));
  return {
    cost: sum("cost"),
    loss: sum("loss"),
    usage: bookings.reduce((total, each) => addUsage(total, each.usage), noUsage),
  };
}
