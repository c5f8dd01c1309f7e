import { ConflictError } from "../changes/index.ts";
import { rule } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run, type TurnEnd, wake } from "../runs/index.ts";
import { type AttemptRecord, saveAttempt, stagedOf } from "./attempts.ts";
import { businessTime } from "./business-time.ts";
import { modelNamed } from "./cascade.ts";
import { askPerson, commitInTurn } from "./conclude.ts";
import { endInConflict, IDLE_MS_MAX, outsideOf, parkAgain, REFUSALS_MAX } from "./outside-end.ts";
import type { Held } from "./outside-held.ts";
import { tell, withUntold } from "./outside-told.ts";
import type { AgentState } from "./state.ts";
import { isUnheeded } from "./unheard.ts";
import type { Working } from "./workshop.ts";

/**
 * Why the verifiers of an agent cannot be asked about work from outside; empty where they can, or there are
 * none. A try that must agree with another is the agent's own to make, so a person stands in for it.
 */
export function whyUnverifiable({ workshop, bench }: Working): readonly string[] {
  return (bench.agent.verifiers ?? []).flatMap((one) => {
    if (one.kind === "agreement") return [`${one.name}: no second try is made of work from outside`];
    const known = modelNamed(workshop, one.model) !== undefined;
    return known ? [] : [`${one.name}: no model is configured as ${one.model}`];
  });
}

/** Leaves an attempt to a worker, which asks the verifiers; its client cannot touch it meanwhile. */
export async function verifyOutside(h: Held, attempt: AttemptRecord): Promise<void> {
  await h.lease.turn(async (tx) => {
    await saveAttempt(tx, { ...attempt, status: "working" });
    // For workers to hear of it at once.
    await wake(tx, h.run.id);
    const verifying = { attempt: attempt.number, by: "model", step: 0, twins: 0 } as const;
    return { kind: "continue", state: { ...h.state, phase: "verify", verifying, call: null } };
  });
}

/**
 * Does what the verdicts on an attempt from outside add up to, once no verifier is left to ask. On a no it is
 * open to its client again; what nobody is sure of goes to a person, for no better rung follows a client.
 */
export async function decideOutside(v: Working, attempt: AttemptRecord): Promise<Run> {
  const ruling = rule(attempt.verdicts);
  if (ruling.kind === "commit") return commitVerified(v, attempt);
  const failed = attempt.verdicts.some((verdict) => verdict.kind === "fail");
  if (ruling.kind === "next-rung" && failed && outsideOf(v.state).refusals < REFUSALS_MAX) {
    const told = ruling.because;
    return v.lease.turn(async (tx, _run, now) =>
      reopen(tx, { state: v.state, attempt }, { told, refused: true, at: await now() }),
    );
  }
  return askPerson({ ...v, state: closed(v.state), alongside: async () => {} }, attempt, ruling.because);
}

async function commitVerified(v: Working, attempt: AttemptRecord): Promise<Run> {
  try {
    return await v.lease.turn(async (tx, run, now) => {
      // Taken up by the next move, which opens the attempt to its client again.
      if (await isUnheeded(tx, run.id, attempt.number)) return { kind: "continue", state: v.state };
      const done = { staged: stagedOf(attempt), by: "model", disposition: "resolved" } as const;
      const parts = { ...v, state: closed(v.state) };
      return commitInTurn(tx, parts, { run, at: await now(), attempt, ...done });
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const until = await idleUntil(v);
    const run = { ...v.run, wakeAt: until };
    return endInConflict({ ...v, run, state: backOutside(v.state) }, error);
  }
}

/** Why an attempt from outside is its client's again: verifiers refused it, or somebody has spoken. */
type Reopening = { readonly told: readonly string[]; readonly refused: boolean; readonly at: Date };

/** Opens an attempt to its client again, in the turn that `tx` is; its next commit is told why. */
export async function reopen(
  tx: Transaction,
  { state, attempt }: { readonly state: AgentState; readonly attempt: AttemptRecord },
  { told, refused, at }: Reopening,
): Promise<TurnEnd> {
  const { runId, number } = attempt;
  await saveAttempt(tx, { ...attempt, status: "working" });
  const kind = refused ? "refused" : "reconsidered";
  await appendStep(tx, runId, { kind, attempt: number, data: { because: told } });
  const outside = outsideOf(state);
  const open = withUntold({ ...outside, refusals: outside.refusals + (refused ? 1 : 0) }, told);
  const until = new Date(at.getTime() + IDLE_MS_MAX);
  return { kind: "park", state: { ...backOutside(state), outside: open }, until };
}

/** Tells a client, once, what verifiers found and people said while it was not listening. */
export async function tellFindings(h: Held): Promise<readonly string[]> {
  const { outside, told: findings } = tell(outsideOf(h.state));
  await h.lease.turn(async () => parkAgain(h, { ...h.state, outside }));
  return findings;
}

/** The state of a run whose client has no more say. */
export function closed(state: AgentState): AgentState {
  return { ...state, outside: { ...outsideOf(state), open: false } };
}

function backOutside(state: AgentState): AgentState {
  return { ...state, phase: "outside", verifying: null, call: null };
}

async function idleUntil(v: Working): Promise<Date> {
  return new Date((await businessTime(v.workshop)).getTime() + IDLE_MS_MAX);
}
