/** The JSON that the HTTP API and the CLI's `--json` share: bigints as text, units in the names. */
import type { Attempt, Nudged, Said, Summary } from "../agents/index.ts";
import type { Instruction } from "../context/index.ts";
import type { Blame } from "../changes/index.ts";
import type { Question } from "../inbox/index.ts";
import type { CommittedEffect } from "../outbox/index.ts";
import { stepJson } from "./run-wire.ts";
import type { RunLine, RunStory } from "./story.ts";

/** A summary as JSON. `costPerResolvedMicroUsd` is null while nothing is resolved. */
export function summaryJson(summary: Summary) {
  const { cost, loss, tokens, value, ...counts } = summary;
  const each = costPerResolved(summary);
  return {
    ...counts,
    costMicroUsd: String(cost),
    lossMicroUsd: String(loss),
    tokens: String(tokens),
    valueMicroUsd: String(value),
    costPerResolvedMicroUsd: each === undefined ? null : String(each),
  };
}

/** What one resolved piece of work cost, all spending counted, rounded up; undefined before the first. */
export function costPerResolved(summary: Summary): bigint | undefined {
  const resolved = BigInt(summary.resolved + summary.answered);
  return resolved === 0n ? undefined : (summary.cost + resolved - 1n) / resolved;
}

/** A run of a listing as JSON. */
export function runJson(line: RunLine) {
  const { id, tenant, agent, title, key, status, disposition, wakeAt, createdAt } = line;
  return {
    ...{ id, tenant, agent, title, key, status, disposition },
    ...{ wakeAt: instant(wakeAt), createdAt: instant(createdAt) },
  };
}

/** All of a run as JSON. */
export function storyJson(story: RunStory) {
  return {
    ...runJson(story.run),
    ...{ parentId: story.run.parentId, children: story.run.children },
    deadlineAt: instant(story.run.deadlineAt),
    input: story.run.input,
    outcome: story.run.outcome,
    because: story.run.because,
    attempts: story.attempts.map(attemptJson),
    nudges: story.nudges.map(nudgeJson),
    steps: story.steps.map(stepJson),
    stepCount: story.stepCount,
    questions: story.questions.map(questionJson),
    changeSets: story.changeSets,
    effects: story.effects.map(effectJson),
    costMicroUsd: String(story.cost),
    tokens: String(story.tokens),
    valueMicroUsd: String(story.value),
  };
}

/** A question with its card as JSON. */
export function questionJson(question: Question) {
  const { id, runId, agent, status, card, defaultChoice, answer, by, via, topic, importance } = question;
  const { stake, because, chain, level, alsoFor, mergedInto } = question;
  return {
    ...{ id, runId, agent, status, card, defaultChoice, answer, by, via, topic, importance, because },
    ...{ stakeMicroUsd: stake === null ? null : String(stake), chain, level, alsoFor, mergedInto },
    ...{ dueAt: instant(question.dueAt), askedAt: instant(question.askedAt) },
    ...{ answeredAt: instant(question.answeredAt), showAt: instant(question.showAt) },
    escalateAt: instant(question.escalateAt),
  };
}

/** Something said to a run under way as JSON. */
export function nudgeJson({ budget, at, takenAt, ...nudge }: Nudged) {
  const budgetMicroUsd = budget === null ? null : String(budget);
  return { ...nudge, budgetMicroUsd, at: instant(at), takenAt: instant(takenAt) };
}

/** A standing instruction as JSON. */
export function instructionJson({ at, ...plain }: Instruction) {
  return { ...plain, at: instant(at) };
}

/** A message of a conversation as JSON. */
export function saidJson({ id, runId, speaker, by, text, ends, at, heardAt }: Said) {
  return { ...{ id, runId, speaker, by, text, ends }, at: instant(at), heardAt: instant(heardAt) };
}

/** One change of one row as JSON: a model or cost that there was none of is null. */
export function blameJson(one: Blame) {
  const { id, runId, attempt, agent, because, rows, undoes, undoneBy, change } = one;
  const { model = null, costMicroUsd } = one;
  const cost = costMicroUsd === undefined ? null : String(costMicroUsd);
  return {
    ...{ changeSet: id, at: instant(one.at), runId, attempt, agent, because, model, costMicroUsd: cost },
    ...{ rows, undoes, undoneBy, change },
  };
}

/** A committed effect as JSON. */
export function effectJson(effect: CommittedEffect) {
  const { committedAt, dueAt, expiresAt, retryAt, settledAt, ...plain } = effect;
  return {
    ...plain,
    ...{ committedAt: instant(committedAt), dueAt: instant(dueAt), expiresAt: instant(expiresAt) },
    ...{ retryAt: instant(retryAt), settledAt: instant(settledAt) },
  };
}

/** Leaves out the record images: the diff says the same in the database's own words. */
function attemptJson(attempt: Attempt) {
  const { number, rung, model, status, because, verdicts, refusals, diff, calls, startedAt, endedAt } =
    attempt;
  return {
    ...{ number, rung, model, status, because, verdicts, refusals, diff, calls },
    ...{ startedAt: instant(startedAt), endedAt: instant(endedAt) },
  };
}

function instant(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
