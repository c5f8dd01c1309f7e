import { type CallOutcome, intend, reconcile, send } from "../calls/index.ts";
import type { CallId } from "../kernel/index.ts";
import type { ModelCall, ModelCard } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run, type TurnEnd } from "../runs/index.ts";
import { unnamed } from "./provider.ts";
import { admitting, clamped } from "./spending.ts";
import type { AgentState } from "./state.ts";
import type { Working } from "./workshop.ts";

/** A call that is none of an attempt's own conversation, such as a judge's. */
export type Aside = { readonly attempt: number; readonly call: ModelCall; readonly card: ModelCard };

/** What the turn that intends a call writes of it; without a call, the run first has to name its provider. */
export type Intended = Pick<AgentState, "call" | "outputTokensMax">;

/**
 * Intends a call beside an attempt's own, in the turn that `tx` is; one that a crash left behind is booked as
 * unknown first.
 *
 * @returns how the turn ends, with the state that `stateWith` makes of what was intended
 * @throws {CallError} `price-missing`
 */
export async function intendAside(
  tx: Transaction,
  w: Working,
  run: Run,
  { attempt, call, card }: Aside,
  stateWith: (intended: Intended) => AgentState,
): Promise<TurnEnd> {
  await reconcile(tx, run.id);
  const first = unnamed(run, card.id);
  if (first !== undefined) {
    return { kind: "continue", state: stateWith({ call: null, outputTokensMax: null }), ...first };
  }
  const fitting = await clamped(tx, w, call, card);
  const { id: runId, tenant, agent } = run;
  const intent = { runId, tenant, agent, attempt, call: fitting, card };
  const id = await intend(tx, w.budget === undefined ? intent : { ...intent, budget: w.budget });
  return { kind: "continue", state: stateWith({ call: id, outputTokensMax: fitting.outputTokensMax }) };
}

/** Sends a run's intended call. It is stopped where the worker leaves, or where a word interrupts it. */
export function sendFor(w: Working, id: CallId, call: ModelCall): Promise<CallOutcome> {
  const { clock, sleep, models } = w.workshop;
  const signal = AbortSignal.any([w.lease.signal, w.lease.interruption]);
  return send(models, id, call, { signal, clock, sleep, ...admitting(w) });
}

/**
 * The worker is leaving, or a person wants the model told something first: what was sent is settled, and the
 * call made again.
 */
export function stopped(
  w: Working,
  attempt: number,
  settled: (tx: Transaction) => Promise<unknown>,
): Promise<Run> {
  const interrupted = w.lease.interruption.aborted;
  return w.lease.turn(async (tx, run) => {
    await settled(tx);
    if (interrupted) {
      await appendStep(tx, run.id, { kind: "interrupted", attempt, data: { call: w.state.call } });
    }
    return { kind: "continue", state: { ...w.state, call: null } };
  });
}
