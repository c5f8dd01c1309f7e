import { ConflictError } from "../changes/index.ts";
import type { Answer, Question } from "../inbox/index.ts";
import { must } from "../kernel/index.ts";
import { appendStep, type Run } from "../runs/index.ts";
import { attend } from "./attending.ts";
import { type AttemptRecord, getAttempt, recordOf, stagedOf } from "./attempts.ts";
import { forbidden } from "./card.ts";
import { askPerson, commitInTurn } from "./conclude.ts";
import { businessTime } from "./business-time.ts";
import { stageCalls } from "./follow.ts";
import type { AgentState } from "./state.ts";
import { readTranscript, turnsOf } from "./transcript.ts";
import { examine, type Staged, type Working } from "./workshop.ts";

const nothingAlongside = async (): Promise<void> => {};

/** Goes on with a run whose card was put to a person: still open, to be committed, corrected or dropped. */
export async function answered(a: Working): Promise<Run> {
  const id = must(a.state.question, `question of run ${a.run.id}`);
  const seen = await attend(a, id);
  if (seen.kind === "told") return seen.run;
  const { question } = seen;
  if (seen.kind === "open") return park(a, seen.until);
  const given = question.answer;
  if (given === null || given.choice === "discard") return discard(a, question);
  if (given.choice === "retry") return tryAgain(a, question);
  if (given.choice === "commit") return commitAsStaged(a, question);
  return restage(a, given.calls ?? [], `corrected by ${question.by ?? "a person"}`);
}

function park(a: Working, until: Date | null): Promise<Run> {
  const end = until === null ? {} : { until };
  return a.lease.turn(async () => ({ kind: "park", state: a.state, ...end }));
}

function discard(a: Working, question: Question): Promise<Run> {
  return a.lease.turn(async (tx, run) => {
    const data = { by: question.by, note: question.answer?.note ?? null };
    await appendStep(tx, run.id, { kind: "discarded", attempt: a.state.askedAttempt, data });
    const state: AgentState = { ...a.state, disposition: "discarded", question: null };
    return { kind: "done", state, outcome: "discarded" };
  });
}

/** From the first rung, as if nothing had been tried; a conversation that is over stays so. */
function tryAgain(a: Working, question: Question): Promise<Run> {
  return a.lease.turn(async (tx, run) => {
    const data = { by: question.by, note: question.answer?.note ?? null };
    await appendStep(tx, run.id, { kind: "tried again", attempt: a.state.attempt, data });
    const fresh = { phase: "attempt", rung: 0, feedback: [], overBudget: false, question: null } as const;
    return { kind: "continue", state: { ...a.state, ...fresh } };
  });
}

/** Commits the very change set the person saw; where its rows have moved since, the calls are made again. */
async function commitAsStaged(a: Working, question: Question): Promise<Run> {
  const seen = must(
    await getAttempt(a.workshop.db, a.run.id, a.state.askedAttempt),
    `attempt ${a.state.askedAttempt} of run ${a.run.id}`,
  );
  try {
    return await commitForPerson(a, stagedOf(seen), recordOf(seen));
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const calls: Answer["calls"] = question.card.calls;
    return restage(a, calls ?? [], `approved by ${question.by ?? "a person"}, made again on fresh data`);
  }
}

/** Makes the given calls from a clean start on the person's word; what a rule forbids is asked again. */
async function restage(a: Working, calls: NonNullable<Answer["calls"]>, because: string): Promise<Run> {
  const at = await businessTime(a.workshop);
  // A correction is checked against what was said when the work was done, as the work was.
  const turns = turnsOf(await readTranscript(a.workshop.db, a.run.id, a.state.askedAttempt));
  const staged = await stageCalls(a, calls, at, { byPerson: true, turns });
  const record: AttemptRecord = {
    ...{ runId: a.run.id, number: a.state.attempt + 1, rung: "person", model: null, status: "discarded" },
    ...{ calls: [], changeSet: { rows: [] }, diff: [], verdicts: [], refusals: [], because },
  };
  if ("problem" in staged) return askPerson(asking(a), record, [`it could not be staged: ${staged.problem}`]);
  const {
    diff,
    verdicts,
    staged: seen,
  } = await examine(a.workshop, a.bench, a.run, staged, at, {
    turns,
  });
  const attempt = { ...record, calls: seen.calls, changeSet: seen.changeSet, diff, verdicts };
  const broken = forbidden(a.bench.agent, attempt);
  if (broken.length > 0) return askPerson(asking(a), attempt, broken);
  try {
    return await commitForPerson(a, seen, attempt);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return askPerson(asking(a), attempt, [error.message]);
  }
}

function commitForPerson(a: Working, staged: Staged, attempt: AttemptRecord): Promise<Run> {
  return a.lease.turn(async (tx, run, now) =>
    commitInTurn(tx, a, { run, at: await now(), attempt, staged, by: "person", disposition: "answered" }),
  );
}

function asking(a: Working) {
  return { ...a, alongside: nothingAlongside };
}
