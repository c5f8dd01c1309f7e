import type { ConflictError } from "../changes/index.ts";
import { must } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run, type TurnEnd } from "../runs/index.ts";
import { getAttempt, saveAttempt } from "./attempts.ts";
import { businessTime } from "./business-time.ts";
import type { AgentState, OutsideState } from "./state.ts";
import type { Working } from "./workshop.ts";

/** How long an attempt may lie idle, in business time: it costs a row, and holds no lock. */
export const IDLE_MS_MAX = 24 * 60 * 60_000;
/** How often checks may refuse one attempt before the next refusal is put to a person. */
export const REFUSALS_MAX = 5;

/**
 * A run driven from outside, found by a worker: its time is up, and what its client left is thrown away, or
 * something else woke it, and it is parked again.
 */
export async function idle(parts: Working): Promise<Run> {
  const at = await businessTime(parts.workshop);
  const { wakeAt } = parts.run;
  if (wakeAt === null || wakeAt <= at) return expire(parts);
  return parts.lease.turn(async () => ({ kind: "park", state: parts.state, until: wakeAt }));
}

/** Ends a run whose client stayed away: nothing of it was ever visible, so nothing is left to undo. */
export function expire(parts: Working): Promise<Run> {
  return end(parts, "expired", "its client stayed away too long");
}

/** Ends a run on its client's word. */
export function abandon(parts: Working, because: string): Promise<Run> {
  return end(parts, "discarded", because);
}

function end(parts: Working, outcome: "expired" | "discarded", because: string): Promise<Run> {
  return parts.lease.turn(async (tx) => {
    const state = await throwAway(tx, parts, because);
    await appendStep(tx, parts.run.id, { kind: outcome, attempt: state.attempt, data: { because } });
    return { kind: "done", state: { ...state, disposition: "discarded" }, outcome };
  });
}

/** Ends the attempt under way, but not the run: rows that it read have moved, and another may be begun. */
export function endInConflict(parts: Working, conflict: ConflictError): Promise<Run> {
  const because = conflict.message;
  return parts.lease.turn(async (tx) => {
    const state = await throwAway(tx, parts, because);
    await appendStep(tx, parts.run.id, { kind: "conflict", attempt: state.attempt, data: { because } });
    return parkAgain(parts, { ...state, conflicts: state.conflicts + 1 });
  });
}

/** Marks the attempt under way, if there is one, as discarded. */
export async function throwAway(tx: Transaction, parts: Working, because: string): Promise<AgentState> {
  const { state, run } = parts;
  const outside = outsideOf(state);
  if (!outside.open) return state;
  const number = state.attempt + 1;
  const record = must(await getAttempt(tx, run.id, number), `attempt ${number} of run ${run.id}`);
  await saveAttempt(tx, { ...record, status: "discarded", because });
  return { ...state, attempt: number, outside: { ...outside, open: false } };
}

/** How a turn leaves a run that its client goes on with: parked, for as long as before. */
export function parkAgain(parts: Pick<Working, "run">, state: AgentState): TurnEnd {
  const { wakeAt } = parts.run;
  return { kind: "park", state, ...(wakeAt === null ? {} : { until: wakeAt }) };
}

/** The outside part of a state that must have one. */
export function outsideOf(state: AgentState): OutsideState {
  return must(state.outside, "the client of a run driven from outside");
}
