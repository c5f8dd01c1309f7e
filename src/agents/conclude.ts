import { commit, ConflictError, type Diff } from "../changes/index.ts";
import { remember } from "../context/index.ts";
import { ask } from "../inbox/index.ts";
import type { RunId } from "../kernel/index.ts";
import { bookValue, statementOf } from "../ledger/index.ts";
import { rule, type Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run, type TurnEnd } from "../runs/index.ts";
import type { Resolved } from "./agent.ts";
import type { Tried } from "./attempt-code.ts";
import { type AttemptRecord, listAttempts, saveAttempt } from "./attempts.ts";
import { buildCard } from "./card.ts";
import { followEnd } from "./follow.ts";
import { nextRung } from "./cascade.ts";
import type { AgentState, Disposition } from "./state.ts";
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

/**
 * Ends a try: checks what it staged and, in one turn, commits it, hands over to the next rung, or puts
 * it to a person. A commit that meets rows that moved throws the try away and has it made again.
 */
export async function conclude(given: Conclusion): Promise<Run> {
  const { diff, verdicts, staged } = await look(given);
  const c = { ...given, tried: { ...given.tried, staged } };
  const attempt = attemptOf(c, diff, verdicts);
  const ruling = rule(verdicts);
  if (c.tried.end.kind === "refuse") return refuse(c, attempt, c.tried.end.because);
  if (ruling.kind === "commit") return commitOrRetry(c, attempt);
  const because = ruling.because;
  if (ruling.kind === "ask") return askPerson(c, attempt, because);
  return handOver(c, attempt, because);
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

function attemptOf(c: Conclusion, diff: Diff, verdicts: readonly Verdict[]): AttemptRecord {
  return {
    ...{ runId: c.run.id, number: c.state.attempt + 1, rung: c.tried.rung, model: c.tried.model },
    ...{
      status: "discarded",
      calls: c.tried.staged.calls,
      changeSet: c.tried.staged.changeSet,
      diff,
      verdicts,
      refusals: c.tried.staged.refusals,
    },
    because: null,
  };
}

function refuse(c: Conclusion, attempt: AttemptRecord, because: string): Promise<Run> {
  return c.lease.turn(async (tx) => {
    await c.alongside(tx);
    await saveAttempt(tx, { ...attempt, because });
    await appendStep(tx, c.run.id, { kind: "refused", attempt: attempt.number, data: { because } });
    return over({ ...c.state, attempt: attempt.number, disposition: "refused" }, "refused");
  });
}

async function commitOrRetry(c: Conclusion, attempt: AttemptRecord): Promise<Run> {
  try {
    return await c.lease.turn(async (tx, run, at) => {
      await c.alongside(tx);
      const done = { staged: c.tried.staged, by: c.tried.by, disposition: "resolved" } as const;
      return commitInTurn(tx, c, { run, at, attempt, ...done });
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return retryAfterConflict(c, attempt, error.message);
  }
}

function retryAfterConflict(c: Conclusion, attempt: AttemptRecord, because: string): Promise<Run> {
  if (c.state.conflicts + 1 >= CONFLICTS_MAX) {
    return askPerson(c, attempt, [`${because}; ${CONFLICTS_MAX} attempts met rows that had moved`]);
  }
  return c.lease.turn(async (tx) => {
    await c.alongside(tx);
    await saveAttempt(tx, { ...attempt, because });
    await appendStep(tx, c.run.id, { kind: "conflict", attempt: attempt.number, data: { because } });
    const state = { ...c.state, attempt: attempt.number, conflicts: c.state.conflicts + 1, call: null };
    return { kind: "continue", state };
  });
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
  parts: Pick<Working, "bench" | "state">,
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
    ...{ ...parts.state, phase: "following", attempt: c.attempt.number, disposition: c.disposition },
    ...{ question: null, call: null },
  };
  if (agent.follow === undefined || rows === 0) return over(state, c.disposition);
  const step = await agent.follow.begin({ ...done, view: tx, at: c.at });
  return followEnd(tx, { agent, run: c.run, state }, step);
}

/** Puts the best of what was staged to a person, as one card, and parks the run. */
export async function askPerson(
  c: Omit<Conclusion, "tried" | "at">,
  attempt: AttemptRecord,
  because: readonly string[],
): Promise<Run> {
  return c.lease.turn(async (tx) => {
    await c.alongside(tx);
    await saveAttempt(tx, { ...attempt, because: because.join("\n") });
    const best = await bestAttempt(tx, c.run.id, attempt);
    await saveAttempt(tx, { ...best, status: "asked", because: because.join("\n") });
    const card = buildCard(c.bench.agent, parseInput(c.bench.agent, c.run), best, because);
    const { tenant, id: runId } = c.run;
    const question = await ask(tx, { runId, tenant, agent: c.bench.agent.name, card });
    await appendStep(tx, runId, { kind: "asked", attempt: best.number, data: { question, because } });
    const asked = { phase: "asked", question, askedAttempt: best.number, call: null } as const;
    return { kind: "park", state: { ...c.state, ...asked, attempt: attempt.number } };
  });
}

function handOver(c: Conclusion, attempt: AttemptRecord, because: readonly string[]): Promise<Run> {
  const rung = nextRung(c.workshop, c.bench.agent, c.state.rung);
  if (rung === undefined) return askPerson(c, attempt, because);
  return c.lease.turn(async (tx) => {
    await c.alongside(tx);
    await saveAttempt(tx, { ...attempt, because: because.join("\n") });
    await appendStep(tx, c.run.id, { kind: "discarded", attempt: attempt.number, data: { because } });
    const feedback = because.map((one) => `${attempt.rung}: ${one}`);
    const state = { ...c.state, rung, attempt: attempt.number, call: null };
    return { kind: "continue", state: { ...state, feedback: [...c.state.feedback, ...feedback] } };
  });
}

/** The latest attempt that staged something no check called wrong, else one that staged anything. */
async function bestAttempt(tx: Transaction, runId: RunId, last: AttemptRecord): Promise<AttemptRecord> {
  const staged = (await listAttempts(tx, runId)).filter((one) => one.changeSet.rows.length > 0).reverse();
  const sound = staged.find((one) => one.verdicts.every((verdict) => verdict.kind !== "fail"));
  return sound ?? staged[0] ?? last;
}

function over(state: AgentState, outcome: string): TurnEnd {
  return { kind: "done", state, outcome };
}
