import { commit, ConflictError } from "../changes/index.ts";
import { remember } from "../context/index.ts";
import { ask } from "../inbox/index.ts";
import type { RunId } from "../kernel/index.ts";
import { bookValue, statementOf } from "../ledger/index.ts";
import { rule, type Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run, type TurnEnd } from "../runs/index.ts";
import type { Resolved } from "./agent.ts";
import type { Tried } from "./attempt-code.ts";
import { agreementOf, endTwin } from "./agreeing.ts";
import { type AttemptRecord, listAttempts, saveAttempt, stagedOf } from "./attempts.ts";
import { buildCard } from "./card.ts";
import { followEnd } from "./follow.ts";
import { nextRung } from "./cascade.ts";
import { calledNext } from "./provider.ts";
import type { AgentState, Disposition } from "./state.ts";
import { isUnheeded } from "./unheard.ts";
import { type Examined, examine, parseInput, type Staged, type Working } from "./workshop.ts";

/** How often a rung is tried again on fresh data when its commit meets rows that moved. */
const CONFLICTS_MAX = 3;

/** What a turn writes besides the conclusion itself, such as the settlement of the last model call. */
type Alongside = (tx: Transaction) => Promise<void>;

/** Everything that concluding a try needs to know of it. */
export type Conclusion = Working & {
  readonly tried: Tried;
  readonly at: Date;
  readonly alongside: Alongside;
};

/** An attempt that every verifier has looked at. */
export type Decision = Working & {
  readonly attempt: AttemptRecord;
  readonly by: Tried["by"];
  readonly alongside: Alongside;
};

/**
 * Ends a try: checks what it staged and, in one turn, commits it, hands over to the next rung, puts it to a
 * person, or leaves it to verifiers that cost something. Where the database has moved under it, it is
 * thrown away and made again.
 */
export async function conclude(c: Conclusion): Promise<Run> {
  const twinOf = agreementOf(c);
  if (twinOf !== undefined) return endTwin(c, twinOf);
  let seen: Examined;
  try {
    seen = await look(c);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return concludeInConflict(c, error);
  }
  const d = decisionOf(c, seen);
  if (c.tried.end.kind === "refuse") return refuse(d, c.tried.end.because);
  const { verifiers = [] } = c.bench.agent;
  return rule(seen.verdicts).kind === "next-rung" || verifiers.length === 0 ? decide(d) : verifyNext(d);
}

/** Ends a try because rows that it had staged moved before it was done. */
export function concludeInConflict(c: Conclusion, conflict: ConflictError): Promise<Run> {
  const twinOf = agreementOf(c);
  if (twinOf !== undefined) return endTwin(c, twinOf);
  const nothing = { diff: [], verdicts: [], staged: c.tried.staged };
  return retryAfterConflict(decisionOf(c, nothing), conflict.message);
}

/** Does what the verdicts on an attempt add up to. */
export async function decide(d: Decision): Promise<Run> {
  const ruling = rule(d.attempt.verdicts);
  if (ruling.kind === "commit") return commitOrRetry(d);
  if (ruling.kind === "ask" && d.state.rehearses === true) return rehearse(d, "ask", ruling.because);
  if (ruling.kind === "ask") return askPerson(d, d.attempt, ruling.because);
  return handOver(d, d.attempt, ruling.because);
}

function decisionOf(c: Conclusion, { diff, verdicts, staged }: Examined): Decision {
  const { tried, at: _at, ...rest } = c;
  const { calls, changeSet, refusals } = staged;
  const attempt: AttemptRecord = {
    ...{ runId: c.run.id, number: c.state.attempt + 1, rung: tried.rung, model: tried.model },
    ...{ status: "discarded", calls, changeSet, diff, verdicts, refusals, because: null },
  };
  return { ...rest, attempt, by: tried.by };
}

/** Leaves the attempt to the verifiers that cost something. */
function verifyNext(d: Decision): Promise<Run> {
  return d.lease.turn(async (tx) => {
    await d.alongside(tx);
    await saveAttempt(tx, { ...d.attempt, status: "working" });
    const verifying = { attempt: d.attempt.number, by: d.by, step: 0, twins: 0 };
    const state = { ...d.state, phase: "verify", attempt: d.attempt.number, verifying, call: null } as const;
    return { kind: "continue", state, ...calledNext(d, state) };
  });
}

async function look(c: Conclusion): Promise<Examined> {
  const { end, staged, rung } = c.tried;
  if (end.kind !== "finished") {
    return { diff: [], verdicts: [{ check: rung, by: "rung", kind: "fail", because: end.because }], staged };
  }
  const { asks = [], background } = c.tried;
  const seen = await examine(c.workshop, c.bench, c.run, staged, c.at, background);
  const said = (kind: "unsure" | "ask", because: string): Verdict => ({
    check: rung,
    by: "rung",
    kind,
    because,
  });
  const doubts = end.doubts.map((because) => said("unsure", because));
  return { ...seen, verdicts: [...seen.verdicts, ...doubts, ...asks.map((one) => said("ask", one))] };
}

function refuse(d: Decision, because: string): Promise<Run> {
  return d.lease.turn(async (tx) => {
    await d.alongside(tx);
    await saveAttempt(tx, { ...d.attempt, because });
    await appendStep(tx, d.run.id, { kind: "refused", attempt: d.attempt.number, data: { because } });
    return over({ ...d.state, attempt: d.attempt.number, disposition: "refused" }, "refused");
  });
}

/** Ends a rehearsal with what its verdicts add up to: nothing is committed, and nobody is asked. */
function rehearse(d: Decision, would: "commit" | "ask", because: readonly string[]): Promise<Run> {
  return d.lease.turn(async (tx) => {
    await d.alongside(tx);
    await saveAttempt(tx, { ...d.attempt, because: ["a rehearsal", ...because].join("\n") });
    const { number, changeSet } = d.attempt;
    const data = { would, because, rows: changeSet.rows.length };
    await appendStep(tx, d.run.id, { kind: "rehearsed", attempt: number, data });
    const attempt = Math.max(d.state.attempt, number);
    const state = { ...d.state, attempt, verifying: null, call: null, disposition: "rehearsed" } as const;
    return over(state, "rehearsed");
  });
}

async function commitOrRetry(d: Decision): Promise<Run> {
  if (d.state.rehearses === true) return rehearse(d, "commit", []);
  try {
    return await d.lease.turn(async (tx, run, now) => {
      await d.alongside(tx);
      if (await isUnheeded(tx, run.id, d.attempt.number)) return reconsider(tx, d);
      const done = { staged: stagedOf(d.attempt), by: d.by, disposition: "resolved" } as const;
      return commitInTurn(tx, d, { run, at: await now(), attempt: d.attempt, ...done });
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return retryAfterConflict(d, error.message);
  }
}

/**
 * Leaves an attempt uncommitted, in the turn that `tx` is, because a person has said something that it was
 * not told. Another is made, which is.
 */
export async function reconsider(
  tx: Transaction,
  d: Pick<Decision, "workshop" | "bench" | "state" | "attempt">,
): Promise<TurnEnd> {
  const because = "a person said something before it was committed";
  const { runId, number } = d.attempt;
  await saveAttempt(tx, { ...d.attempt, status: "discarded", because });
  await appendStep(tx, runId, { kind: "reconsidered", attempt: number, data: { because } });
  return goOn(d, tryingAgain(d, {}));
}

/** Throws an attempt away because the database moved under it, and has it made again, told why. */
function retryAfterConflict(d: Decision, because: string): Promise<Run> {
  const { attempt } = d;
  if (d.state.conflicts + 1 >= CONFLICTS_MAX) {
    const moved = [`${because}; ${CONFLICTS_MAX} attempts met rows that had moved`];
    return d.state.rehearses === true ? rehearse(d, "ask", moved) : askPerson(d, attempt, moved);
  }
  return d.lease.turn(async (tx) => {
    await d.alongside(tx);
    await saveAttempt(tx, { ...attempt, because });
    await appendStep(tx, d.run.id, { kind: "conflict", attempt: attempt.number, data: { because } });
    const feedback = [...d.state.feedback, `${attempt.rung}: ${because}`];
    return goOn(d, tryingAgain(d, { conflicts: d.state.conflicts + 1, feedback }));
  });
}

function goOn(w: Pick<Working, "workshop" | "bench">, state: AgentState): TurnEnd {
  return { kind: "continue", state, ...calledNext(w, state) };
}

/** The state in which the next attempt is made. */
function tryingAgain(d: Pick<Decision, "state" | "attempt">, more: Partial<AgentState>): AgentState {
  const attempt = Math.max(d.state.attempt, d.attempt.number);
  return { ...d.state, phase: "attempt", attempt, verifying: null, call: null, instead: null, ...more };
}

/** What is committed, and on whose word. */
export type Committing = {
  readonly run: Run;
  readonly at: Date;
  readonly attempt: AttemptRecord;
  readonly staged: Staged;
  readonly by: Resolved<unknown>["by"];
  readonly disposition: Disposition;
};

/**
 * Commits a change set in the turn's transaction, with its attempt, its value, what it teaches and the
 * run's next wake-up.
 *
 * @throws {ConflictError} when a row moved; the whole turn is then rolled back
 */
export async function commitInTurn(
  tx: Transaction,
  parts: Pick<Working, "bench" | "state" | "workshop">,
  c: Committing,
): Promise<TurnEnd> {
  const { agent } = parts.bench;
  const rows = c.staged.changeSet.rows.length;
  const because = `${c.attempt.rung}: ${agent.present(parseInput(agent, c.run)).title}`;
  if (rows > 0) {
    const { cost } = await statementOf(tx, c.run.id);
    const model = c.attempt.model === null ? {} : { model: c.attempt.model };
    const about = { runId: c.run.id, attempt: c.attempt.number, agent: agent.name, because };
    await commit(tx, c.staged.changeSet, { ...about, ...model, costMicroUsd: cost });
  }
  await saveAttempt(tx, { ...c.attempt, status: "committed" });
  await appendStep(tx, c.run.id, { kind: "committed", attempt: c.attempt.number, data: { rows, by: c.by } });
  const done = { input: parseInput(agent, c.run), calls: c.staged.calls, by: c.by };
  const { tenant, id: runId } = c.run;
  const attempt = c.attempt.number;
  await bookValue(tx, { runId, tenant, agent: agent.name, attempt, value: agent.value(done), because });
  if (agent.learn !== undefined && c.by !== "code") {
    await remember(tx, { tenant, agent: agent.name }, await agent.learn({ ...done, view: tx }), runId);
  }
  const state: AgentState = {
    ...{ ...parts.state, phase: "following", disposition: c.disposition },
    // A try that was only compared may be the latest one.
    ...{ attempt: Math.max(parts.state.attempt, c.attempt.number) },
    ...{ question: null, call: null, verifying: null },
  };
  if (agent.follow === undefined || rows === 0) return over(state, c.disposition);
  const step = await agent.follow.begin({ ...done, view: tx, at: c.at });
  const end = await followEnd(tx, { agent, run: c.run, state, attention: parts.workshop.attention }, step);
  return { ...end, ...calledNext(parts, state) };
}

/** Puts the best of what was staged to a person, as one card, and parks the run. */
export async function askPerson(
  c: Omit<Decision, "attempt" | "by">,
  attempt: AttemptRecord,
  because: readonly string[],
): Promise<Run> {
  return c.lease.turn(async (tx) => {
    await c.alongside(tx);
    await saveAttempt(tx, { ...attempt, because: because.join("\n") });
    const best = await bestAttempt(tx, c.run.id, attempt);
    await saveAttempt(tx, { ...best, status: "asked", because: because.join("\n") });
    const card = buildCard(
      c.bench.agent,
      parseInput(c.bench.agent, c.run),
      best,
      because,
      c.state.overBudget,
    );
    const { tenant, id: runId } = c.run;
    const put = await ask(tx, { runId, tenant, agent: c.bench.agent.name, card }, c.workshop.attention);
    await appendStep(tx, runId, { kind: "asked", attempt: best.number, data: { question: put.id, because } });
    const asked = { phase: "asked", question: put.id, askedAttempt: best.number } as const;
    const until = put.until === null ? {} : { until: put.until };
    const state = tryingAgain({ ...c, attempt }, asked);
    return { kind: "park", state, ...until, ...calledNext(c, state) };
  });
}

function handOver(c: Decision, attempt: AttemptRecord, because: readonly string[]): Promise<Run> {
  const rung = nextRung(c.workshop, c.bench.agent, c.state.rung);
  if (rung === undefined && c.state.rehearses === true) return rehearse(c, "ask", because);
  if (rung === undefined) return askPerson(c, attempt, because);
  return c.lease.turn(async (tx) => {
    await c.alongside(tx);
    await saveAttempt(tx, { ...attempt, because: because.join("\n") });
    await appendStep(tx, c.run.id, { kind: "discarded", attempt: attempt.number, data: { because } });
    const feedback = because.map((one) => `${attempt.rung}: ${one}`);
    const told = { rung, feedback: [...c.state.feedback, ...feedback] };
    return goOn(c, tryingAgain(c, told));
  });
}

/** The latest attempt that staged something no check called wrong, else one that staged anything. */
async function bestAttempt(tx: Transaction, runId: RunId, last: AttemptRecord): Promise<AttemptRecord> {
  const staged = (await listAttempts(tx, runId))
    .filter((one) => one.changeSet.rows.length > 0 && one.status !== "compared")
    .reverse();
  const sound = staged.find((one) => one.verdicts.every((verdict) => verdict.kind !== "fail"));
  return sound ?? staged[0] ?? last;
}

function over(state: AgentState, outcome: string): TurnEnd {
  return { kind: "done", state, outcome };
}
