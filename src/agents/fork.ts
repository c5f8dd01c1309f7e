import { InputError, type Json, type ModelId, must, type RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, copySteps, getRun, listSteps, type Run, startRun, type Step } from "../runs/index.ts";
import { type Attempt, listAttempts, saveAttempt } from "./attempts.ts";
import { businessTime } from "./business-time.ts";
import { modelNamed, nextRung, usableFrom } from "./cascade.ts";
import { stageCalls } from "./follow.ts";
import { answerOfCode, checkChoice, choicesOfCall, copyAnswers } from "./fork-answers.ts";
import { type AgentState, newState, readState } from "./state.ts";
import { ASK_TOOL } from "./asking.ts";
import { callsOf, entryOf, type Transcript, turnsOf } from "./transcript.ts";
import {
  type Bench,
  makeWorkshop,
  nothingStaged,
  type Staged,
  type Workshop,
  type WorkshopParts,
} from "./workshop.ts";

/** How a run is to be gone through once more. */
export type ForkOrder = {
  /** The step after which it goes another way; 0: from the beginning. */
  readonly at: number;
  /** The model of the attempt that goes on from there. */
  readonly model?: ModelId;
  /** What the fork is told, in the words of somebody whom it works for. */
  readonly instruction?: string;
  /** Another answer to the question that was asked in step `at`: one of its choices. */
  readonly answer?: string;
  /** Commits what passes; without it the fork is a rehearsal: verified, and then thrown away. */
  readonly commit?: boolean;
  readonly by: string;
};

/** The attempt that was under way at a step, or the one that would have come next. */
type Place = {
  readonly number: number;
  /** Index into the cascade. */
  readonly rung: number;
  readonly transcript: readonly Step[];
  readonly feedback: readonly string[];
  readonly conflicts: number;
};

const TRANSCRIPT: readonly string[] = ["message", "heard", "nudged", "compacted"];
/** Steps that end an attempt. */
const ENDS: readonly string[] = [
  "discarded",
  "conflict",
  "reconsidered",
  "committed",
  "asked",
  "refused",
  "skipped",
];
const PAGE = 1_000;

/**
 * Starts a run that is as another, which is over, was after one of its steps, and goes on from there in its
 * own way. Its timeline is the other's up to that step; what had been staged by then is staged again, on
 * the data of today; calls and their cost stay with the other. A code rung's attempt begins anew.
 *
 * @throws {InputError} `fork-refused`, saying what to do instead
 * @throws {RunError} `run-unknown`
 */
export async function forkRun(parts: WorkshopParts, id: RunId, order: ForkOrder): Promise<Run> {
  const workshop = makeWorkshop(parts);
  const { db } = workshop;
  const run = await getRun(db, id);
  const bench = await workshop.bench(run);
  checkFork(run, bench, order);
  const before = await stepsUpTo(db, run.id, order.at);
  const attempts = await listAttempts(db, run.id);
  if (order.commit === true && attempts.some((one) => one.status === "committed") && standing(run)) {
    throw refused(run, `what it committed stands, and would be done twice; first: factotum undo ${run.id}`);
  }
  const place = placed(workshop, bench, before, attempts, order);
  const staged = await stageAgain(workshop, bench, run, place);
  const answered =
    openCalls(place.transcript).length > 0
      ? undefined
      : await answerOfCode(db, run.id, before.at(-1), order.answer);
  const told = answered === undefined ? retold(run, staged, place, before, order) : before;
  return db.transaction(async (tx) => {
    const state = stateOf(place, run, order);
    const { tenant, agent, agentVersion, input, priority } = run;
    const made = await startRun(tx, { tenant, agent, agentVersion, input, priority, state });
    await copySteps(tx, made.run.id, told);
    const given = answered === undefined ? undefined : { ...answered, by: order.by };
    await copyAnswers(tx, made.run.id, before, given);
    await begin(tx, made.run, place, staged, bench, order);
    const { at, model = null, instruction = null, answer = null, by } = order;
    const how = { at, model, instruction, answer, by, rehearses: order.commit !== true };
    await appendStep(tx, made.run.id, { kind: "forked", attempt: null, data: { from: run.id, ...how } });
    await appendStep(tx, run.id, { kind: "forked to", attempt: null, data: { to: made.run.id, ...how } });
    return getRun(tx, made.run.id);
  });
}

function standing(run: Run): boolean {
  return (run.state as Partial<AgentState> | null)?.disposition !== "undone";
}

function refused(run: Pick<Run, "id">, because: string): InputError {
  return new InputError({ code: "fork-refused", message: `run ${run.id} cannot be forked so: ${because}` });
}

function checkFork(run: Run, { agent }: Bench, { at, instruction, answer }: ForkOrder): void {
  if (!["done", "failed", "cancelled"].includes(run.status)) {
    throw refused(run, `it is ${run.status}; wait for its end, or nudge it`);
  }
  if (!Number.isInteger(at) || at < 0 || BigInt(at) > run.steps) {
    throw refused(run, `it has the steps 0 to ${run.steps}, not ${at}`);
  }
  if (agent.converse !== undefined)
    throw refused(run, "somebody talked with it, who would have to be asked again");
  if ((run.state as Partial<AgentState> | null)?.outside) throw refused(run, "a client outside worked on it");
  if (instruction?.trim() === "" || answer === "")
    throw refused(run, "an instruction and an answer have words");
}

async function stepsUpTo(tx: Pick<Transaction, "query">, id: RunId, at: number): Promise<readonly Step[]> {
  const steps: Step[] = [];
  while (steps.length < at) {
    const after = steps.at(-1)?.seq ?? 0n;
    const page = await listSteps(tx, id, { after, limit: Math.min(PAGE, at - steps.length) });
    if (page.length === 0) break;
    steps.push(...page);
  }
  return steps;
}

/** Where the run stood, from its own timeline. */
function placed(
  workshop: Workshop,
  { agent }: Bench,
  before: readonly Step[],
  attempts: readonly Attempt[],
  order: ForkOrder,
): Place {
  const saidBefore = ({ attempt, seq }: Step): readonly Step[] =>
    before.filter((one) => one.attempt === attempt && one.seq < seq && TRANSCRIPT.includes(one.kind));
  // A question in the middle of an attempt ends nothing: its call is open.
  const ended = before.filter(
    (step) =>
      ENDS.includes(step.kind) &&
      step.attempt !== null &&
      (step.kind !== "asked" || openCalls(saidBefore(step)).length === 0),
  );
  const last = ended.at(-1);
  const over = Math.max(0, ...ended.map((step) => step.attempt ?? 0));
  const number = over + 1;
  const transcript = before.filter((step) => step.attempt === number && TRANSCRIPT.includes(step.kind));
  const rungOf = (attempt: number): string =>
    attempts.find((one) => one.number === attempt)?.rung ?? agent.cascade[0]?.name ?? "";
  const indexOf = (attempt: number): number =>
    Math.max(
      0,
      agent.cascade.findIndex((rung) => rung.name === rungOf(attempt)),
    );
  const after = last === undefined ? 0 : indexOf(over);
  const planned =
    transcript.length > 0
      ? indexOf(number)
      : last?.kind === "discarded"
        ? (nextRung(workshop, agent, after) ?? after)
        : (usableFrom(workshop, agent, after) ?? after);
  const feedback = ended.flatMap((step) =>
    reasonsOf(step).map((one) => `${rungOf(step.attempt ?? 0)}: ${one}`),
  );
  const conflicts = ended.filter((step) => step.kind === "conflict").length;
  return { number, rung: rungFor(workshop, agent, planned, order), transcript, feedback, conflicts };
}

/** With a model named, the first rung from there on that is a model's. */
function rungFor(workshop: Workshop, agent: Bench["agent"], planned: number, { model }: ForkOrder): number {
  if (model === undefined) return planned;
  const known = workshop.models.list().map((card) => card.id);
  if (modelNamed(workshop, model) === undefined) {
    const message = `there is no model ${model}; there is ${known.join(", ") || "none"}`;
    throw new InputError({ code: "model-unknown", message });
  }
  const at = agent.cascade.findIndex((rung, index) => index >= planned && rung.kind === "model");
  if (at >= 0) return at;
  throw new InputError({
    code: "fork-refused",
    message: `agent ${agent.name} has no rung for a model from there on`,
  });
}

function reasonsOf({ kind, data }: Step): readonly string[] {
  if (kind !== "discarded" && kind !== "conflict") return [];
  const { because } = data as { readonly because?: string | readonly string[] };
  return because === undefined ? [] : typeof because === "string" ? [because] : because;
}

/** Stages anew what the attempt had staged by then. */
async function stageAgain(workshop: Workshop, bench: Bench, run: Run, place: Place): Promise<Staged> {
  const said: Transcript = place.transcript.flatMap(entryOf);
  const calls = callsOf(said).filter((call) => bench.toolbox.get(call.tool)?.effect === "write");
  if (calls.length === 0) return nothingStaged;
  const at = await businessTime(workshop);
  const staged = await stageCalls({ workshop, bench, run }, calls, at, { turns: turnsOf(said) });
  if (!("problem" in staged)) return staged;
  throw refused(
    run,
    `what it had staged by then cannot be staged on the data of today (${staged.problem}); ` +
      "fork it from an earlier step",
  );
}

/** The steps up to there, where answers to staging calls are what they answer today. */
function retold(
  run: Run,
  { calls }: Staged,
  place: Place,
  before: readonly Step[],
  order: ForkOrder,
): readonly Step[] {
  const outputs = calls.values();
  const writing = new Set(calls.map((call) => call.tool));
  const underWay = new Set(place.transcript.map((step) => step.seq));
  const steps = before.map((step) => {
    const message = step.data as {
      readonly role?: string;
      readonly name?: string;
      readonly isError?: boolean;
    };
    const answers = step.kind === "message" && message.role === "tool" && message.isError !== true;
    if (!underWay.has(step.seq) || !answers || !writing.has(message.name ?? "")) return step;
    const { value: call } = outputs.next();
    return call === undefined ? step : { ...step, data: { ...message, output: call.output ?? null } };
  });
  const open = openCalls(place.transcript);
  const asked = open.find((call) => call.name === ASK_TOOL);
  const { answer } = order;
  if (answer === undefined && open.length === 0) return steps;
  if (answer === undefined || asked === undefined || open.length > 1) {
    const because =
      answer === undefined
        ? "it waits for an answer there; give one, or take the step before its reply or one after the answer"
        : "it asks nobody there; take the step with its question";
    throw refused(run, because);
  }
  checkChoice(run.id, answer, choicesOfCall(asked.input));
  const output = { choice: answer, answered_by: order.by };
  const data = { role: "tool", toolCallId: asked.id, name: ASK_TOOL, output };
  const last = must(steps.at(-1), "the step that asks");
  return [...steps, { ...last, seq: last.seq + 1n, kind: "message", attempt: place.number, data }];
}

type ToolCallMade = { readonly id: string; readonly name: string; readonly input: Json };

/** Calls of the latest reply that nothing has answered yet. */
function openCalls(transcript: readonly Step[]): readonly ToolCallMade[] {
  const messages = transcript
    .flatMap(entryOf)
    .flatMap((one) => (one.kind === "message" ? [one.message] : []));
  const at = messages.findLastIndex((one) => one.role === "assistant");
  const reply = messages[at];
  const answered = messages.slice(at).flatMap((one) => (one.role === "tool" ? [one.toolCallId] : []));
  const calls = reply?.role === "assistant" ? (reply.toolCalls ?? []) : [];
  return calls.filter((call) => !answered.includes(call.id));
}

function stateOf(place: Place, run: Run, { model, commit }: ForkOrder): AgentState {
  const { rung, feedback, conflicts, number } = place;
  const instead = model === undefined ? {} : { instead: model };
  const rehearses = commit === true ? {} : { rehearses: true };
  // What the run handed on is done: the same work is not started again.
  const { joins } = readState(run.state);
  const before = joins === undefined ? {} : { joins };
  return newState({ rung, feedback, conflicts, attempt: number - 1, ...instead, ...rehearses, ...before });
}

/** Writes the attempt that is under way, and what the fork is told. */
async function begin(
  tx: Transaction,
  fork: Run,
  { number, rung, transcript }: Place,
  staged: Staged,
  { agent }: Bench,
  { instruction, model, by }: ForkOrder,
): Promise<void> {
  const begun = transcript.length > 0;
  if (begun) {
    await saveAttempt(tx, {
      ...{ runId: fork.id, number, rung: agent.cascade[rung]?.name ?? "", model: model ?? null },
      ...{ status: "working", calls: staged.calls, changeSet: staged.changeSet, diff: [] },
      ...{ verdicts: staged.guarded, refusals: staged.refusals, because: null },
    });
  }
  if (instruction === undefined) return;
  const data = { by, text: instruction };
  await appendStep(tx, fork.id, { kind: "nudged", attempt: begun ? number : null, data });
}
