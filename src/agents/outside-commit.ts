import { ConflictError } from "../changes/index.ts";
import { must } from "../kernel/index.ts";
import { rule, type Ruling, type Verdict } from "../policy/index.ts";
import { appendStep, FencedError } from "../runs/index.ts";
import { type AttemptRecord, getAttempt, saveAttempt } from "./attempts.ts";
import { askPerson, commitInTurn } from "./conclude.ts";
import { endInConflict, outsideOf, parkAgain, REFUSALS_MAX } from "./outside-end.ts";
import type { Held } from "./outside-held.ts";
import { closed, tellFindings, verifyOutside, whyUnverifiable } from "./outside-verify.ts";
import { readState } from "./state.ts";
import { type Standing, standingOf } from "./outside-standing.ts";
import { isUnheeded } from "./unheard.ts";
import { type Examined, examine } from "./workshop.ts";

/** What a client is told of its commit. */
export type Committed =
  | Standing
  /** Checks say it is wrong; the attempt is still open, to be mended and committed again. */
  | { readonly kind: "refused"; readonly findings: readonly string[]; readonly refusalsLeft: number };

/**
 * Has an attempt checked and, in one turn, commits it, refuses it with what the checks found, or puts it to a
 * person. There is no better rung to hand a doubt to, so what a check is unsure of goes to a person at once.
 *
 * @param unsure what the client itself is not sure of
 * @param wanted whether the client wants a person to decide even where a check says no
 * @throws {ConflictError} when rows moved; the attempt is over, and may be begun again
 */
export async function commitOutside(h: Held, unsure: readonly string[], wanted: boolean): Promise<Committed> {
  try {
    return await decide(h, unsure, wanted);
  } catch (error) {
    if (error instanceof ConflictError) await endInConflict(h, error);
    throw error;
  }
}

async function decide(h: Held, unsure: readonly string[], wanted: boolean): Promise<Committed> {
  const { untold, refusals } = outsideOf(h.state);
  if (untold !== undefined && !wanted) return refusal(await tellFindings(h), refusals);
  const doubts = unsure.map((because): Verdict => ({
    ...{ check: h.attempt.rung, by: "rung", kind: "unsure", because },
  }));
  if (h.staged.changeSet.rows.length === 0 && !wanted) {
    return refuse(h, h.attempt, ["nothing is staged; call tools that write, discard, or ask a person"]);
  }
  const seen = await examine(h.workshop, h.bench, h.run, h.staged, h.at);
  const verdicts = [...seen.verdicts, ...doubts];
  const attempt = recordOf(h, seen, verdicts);
  const ruling = outsideRuling(h, verdicts);
  if (waitsForVerifiers(h, ruling) && !wanted) {
    await verifyOutside(h, attempt);
    return standing(h);
  }
  if (ruling.kind === "commit" && !wanted) return commitNow(h, seen, attempt);
  const because = ruling.kind === "commit" ? ["its client wants a person to decide"] : ruling.because;
  const failed = verdicts.some((verdict) => verdict.kind === "fail");
  if (failed && !wanted && outsideOf(h.state).refusals < REFUSALS_MAX) return refuse(h, attempt, because);
  await askPerson({ ...h, state: closed(h.state), alongside: async () => {} }, attempt, because);
  return standing(h);
}

/** Where its verifiers cannot be asked, a person stands in for them. */
function outsideRuling(h: Held, verdicts: readonly Verdict[]): Ruling {
  const ruling = rule(verdicts);
  const because = whyUnverifiable(h);
  return ruling.kind === "commit" && because.length > 0 ? { kind: "ask", because } : ruling;
}

/** Whether a worker asks verifiers first, as it does for the agent's own attempts. */
function waitsForVerifiers({ bench, ...h }: Held, ruling: Ruling): boolean {
  const { verifiers = [] } = bench.agent;
  return verifiers.length > 0 && ruling.kind !== "next-rung" && whyUnverifiable({ ...h, bench }).length === 0;
}

async function commitNow(h: Held, seen: Examined, attempt: AttemptRecord): Promise<Committed> {
  const { staged } = seen;
  await h.lease.turn(async (tx, run, now) => {
    // Read again, so that its client is told first.
    if (await isUnheeded(tx, run.id, attempt.number)) {
      throw new FencedError(run.id, "a person has said something");
    }
    const parts = { workshop: h.workshop, bench: h.bench, state: closed(h.state) };
    return commitInTurn(tx, parts, {
      run,
      at: await now(),
      attempt,
      staged,
      by: "model",
      disposition: "resolved",
    });
  });
  return standing(h);
}

async function refuse(h: Held, attempt: AttemptRecord, findings: readonly string[]): Promise<Committed> {
  const outside = outsideOf(h.state);
  const refusals = outside.refusals + 1;
  await h.lease.turn(async (tx) => {
    await saveAttempt(tx, { ...attempt, changeSet: h.staged.changeSet, status: "working" });
    await appendStep(tx, h.run.id, {
      ...{ kind: "refused", attempt: h.handle.attempt, data: { because: findings } },
    });
    return parkAgain(h, { ...h.state, outside: { ...outside, refusals } });
  });
  return refusal(findings, refusals);
}

function recordOf(h: Held, seen: Examined, verdicts: readonly Verdict[]): AttemptRecord {
  const { startedAt: _started, endedAt: _ended, ...attempt } = h.attempt;
  const { calls, changeSet } = seen.staged;
  return { ...attempt, status: "discarded", calls, changeSet, diff: seen.diff, verdicts };
}

function refusal(findings: readonly string[], refusals: number): Committed {
  return { kind: "refused", findings, refusalsLeft: Math.max(0, REFUSALS_MAX - refusals) };
}

async function standing(h: Held): Promise<Standing> {
  const { run } = h.lease;
  const attempt = must(await getAttempt(h.workshop.db, run.id, h.handle.attempt), "the attempt just ended");
  return standingOf(h.workshop.db, { ...h, run, attempt, state: readState(run.state) });
}
