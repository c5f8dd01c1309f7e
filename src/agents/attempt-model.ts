import { type CallIntent, intend, reconcile, send, settle } from "../calls/index.ts";
import { FactotumError, type Json, type ModelId, toJson } from "../kernel/index.ts";
import {
  assistantMessage,
  type Message,
  type ModelCall,
  type ModelCard,
  type ModelReply,
} from "../models/index.ts";
import type { ToolCall as MadeCall, Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, listSteps, type Run, takeNudges } from "../runs/index.ts";
import type { RungEnd } from "./agent.ts";
import { getAttempt, saveAttempt, stagedOf } from "./attempts.ts";
import type { Tried } from "./attempt-code.ts";
import { type Before, callTool } from "./call-tool.ts";
import { conclude } from "./conclude.ts";
import { callsIn } from "./heard.ts";
import { appendRefusals, type Refusal, RefusedError } from "./refusal.ts";
import { FINISH_TOOL, GIVE_UP_TOOL, openingMessages, toolSpecs } from "./prompt.ts";
import { isContention, toolFailure } from "./toolbox.ts";
import {
  lessonsOf,
  nothingStaged,
  parseInput,
  type Staged,
  stageMore,
  toolContext,
  type Working,
} from "./workshop.ts";

/** The most model calls one attempt may make. */
const CALLS_MAX = 24;
/** The most output tokens one call may ask for. */
const OUTPUT_TOKENS_MAX = 4_096;

type Trying = Working & {
  /** Whether this is the lease's first move: a call under way was then sent, or not, by somebody else. */
  readonly fresh: boolean;
};

/**
 * One move of a model rung. A model that may not be called, such as one without a known price, ends the
 * attempt like one that fails.
 */
export async function tryModel(t: Trying, rung: string, card: ModelCard, at: Date): Promise<Run> {
  try {
    return await advance(t, rung, card, at);
  } catch (error) {
    if (!(error instanceof FactotumError) || error.retry !== "elsewhere") throw error;
    const end: RungEnd = { kind: "stuck", because: error.message };
    return finish(t, rung, card, { staged: nothingStaged, end }, at, async () => {});
  }
}

/**
 * Takes a model rung's attempt one model call further: send the call that the last turn intended, run
 * the tools it asks for on the staged copy, and write reply, staged rows, costs and the next intent in
 * one turn. What a crash left behind is taken up from the attempt's own rows.
 */
async function advance(t: Trying, rung: string, card: ModelCard, at: Date): Promise<Run> {
  const number = t.state.attempt + 1;
  const messages = await conversation(t, number);
  if (messages.length === 0) return begin(t, rung, card, at);
  if (t.state.call === null || t.fresh) return intendAgain(t, card, messages);
  const { call } = t.state;
  const { clock, sleep, models } = t.workshop;
  const outcome = await send(models, call, callOf(t, card, messages), {
    signal: t.lease.signal,
    clock,
    sleep,
  });
  const settled = async (tx: Transaction): Promise<void> => void (await settle(tx, call, outcome));
  if (outcome.kind === "failed") {
    if (outcome.error.code === "stopped") return stopped(t, settled);
    const end: RungEnd = { kind: "stuck", because: outcome.error.message };
    return finish(t, rung, card, { staged: nothingStaged, end }, at, settled);
  }
  return heard(t, rung, card, messages, outcome.reply, at, settled);
}

async function heard(
  t: Trying,
  rung: string,
  card: ModelCard,
  messages: readonly Message[],
  reply: ModelReply,
  at: Date,
  settled: (tx: Transaction) => Promise<void>,
): Promise<Run> {
  const number = t.state.attempt + 1;
  const before = await getAttempt(t.workshop.db, t.run.id, number);
  const base = before === undefined ? nothingStaged : stagedOf(before);
  const acted = await actOn(t, base, reply, at, { calls: callsIn(messages), turns: [] });
  const said = [assistantMessage(reply, card.id), ...acted.messages];
  const record = async (tx: Transaction): Promise<void> => {
    await settled(tx);
    await appendMessages(tx, t.run, number, said);
    const refused = acted.staged.refusals.slice(base.refusals.length);
    await appendRefusals(tx, t.run.id, number, refused);
  };
  const made = messages.filter((message) => message.role === "assistant").length + 1;
  const tooMany: RungEnd | undefined =
    made >= CALLS_MAX
      ? { kind: "stuck", because: `it made ${CALLS_MAX} calls without finishing` }
      : undefined;
  const over = acted.end ?? tooMany;
  if (over !== undefined) return finish(t, rung, card, { staged: acted.staged, end: over }, at, record);
  return t.lease.turn(async (tx, run) => {
    await record(tx);
    const nudges = await nudgeMessages(tx, run, number);
    await keepWorking(tx, t, rung, card, acted.staged);
    if (t.lease.shouldYield()) return { kind: "continue", state: { ...t.state, call: null } };
    const next = callOf(t, card, [...messages, ...said, ...nudges]);
    const call = await intend(tx, intentOf(run, number, next, card));
    return { kind: "continue", state: { ...t.state, call } };
  });
}

type Acted = {
  readonly staged: Staged;
  readonly messages: readonly Message[];
  readonly end: RungEnd | undefined;
};

/** Runs the tools a reply asks for, all in one staging transaction; failures become messages. */
async function actOn(t: Trying, base: Staged, reply: ModelReply, at: Date, before: Before): Promise<Acted> {
  const end = endOf(reply);
  if (reply.toolCalls.length === 0) return { staged: base, messages: [], end };
  const done = await stageMore(t.workshop, t.bench, base, async (tx) => {
    const calls: MadeCall[] = [];
    const called: MadeCall[] = [...before.calls];
    const guarded: Verdict[] = [];
    const refusals: Refusal[] = [];
    const messages: Message[] = [];
    for (const call of reply.toolCalls) {
      const answer = (output: Json, isError: boolean): number =>
        messages.push({ role: "tool", toolCallId: call.id, name: call.name, output, isError });
      if (call.name === FINISH_TOOL || call.name === GIVE_UP_TOOL) answer("noted", false);
      else if (call.kind === "malformed") answer(`the arguments are not JSON: ${call.because}`, true);
      else {
        try {
          const wanted = { tool: call.name, input: call.input };
          const made = await callTool(tx, t.bench, wanted, toolContext(t.run, at), {
            ...before,
            calls: called,
          });
          called.push(made.call);
          guarded.push(...made.guarded);
          if (t.bench.toolbox.get(call.name)?.effect === "write") calls.push(made.call);
          answer(made.call.output, false);
        } catch (error) {
          // Trouble between stagings, none of the model's: staging makes all the calls again.
          if (isContention(error)) throw error;
          if (error instanceof RefusedError) refusals.push(error.refusal);
          answer(toolFailure(error), true);
        }
      }
    }
    return { calls, guarded, refusals, end: messages };
  });
  return { staged: done.staged, messages: done.end, end };
}

/** Whether a reply ends the attempt. A reply without tool calls is an end too: nothing more will come. */
function endOf(reply: ModelReply): RungEnd | undefined {
  if (reply.finish === "refused") return { kind: "stuck", because: "the model declined" };
  if (reply.finish === "length") return { kind: "stuck", because: "the reply was cut at its length limit" };
  const last = reply.toolCalls.find((call) => call.name === FINISH_TOOL || call.name === GIVE_UP_TOOL);
  if (last?.kind === "ok" && last.name === GIVE_UP_TOOL) {
    const { because } = last.input;
    return { kind: "stuck", because: typeof because === "string" ? because : "it gave up without a reason" };
  }
  if (last?.kind === "ok") {
    const unsure = last.input["unsure"];
    return { kind: "finished", doubts: Array.isArray(unsure) ? unsure.map(String) : [] };
  }
  if (reply.toolCalls.length > 0) return undefined;
  return { kind: "stuck", because: `it stopped without calling ${FINISH_TOOL}: ${reply.text.slice(0, 300)}` };
}

async function begin(t: Trying, rung: string, card: ModelCard, at: Date): Promise<Run> {
  const lessons = await lessonsOf(t.workshop, t.run);
  const input = parseInput(t.bench.agent, t.run);
  const messages = openingMessages(t.bench.agent, input, lessons, t.state.feedback, at);
  const number = t.state.attempt + 1;
  return t.lease.turn(async (tx, run) => {
    await appendMessages(tx, run, number, messages);
    await keepWorking(tx, t, rung, card, nothingStaged);
    const call = await intend(tx, intentOf(run, number, callOf(t, card, messages), card));
    return { kind: "continue", state: { ...t.state, call } };
  });
}

/** The worker is leaving: what was sent is settled, and whoever takes the run up makes the call again. */
function stopped(t: Trying, settled: (tx: Transaction) => Promise<void>): Promise<Run> {
  return t.lease.turn(async (tx) => {
    await settled(tx);
    return { kind: "continue", state: { ...t.state, call: null } };
  });
}

/** After a crash the reply to the intended call is unknown: it is booked as such and the call made anew. */
async function intendAgain(t: Trying, card: ModelCard, messages: readonly Message[]): Promise<Run> {
  const number = t.state.attempt + 1;
  return t.lease.turn(async (tx, run) => {
    await reconcile(tx, run.id);
    const call = await intend(tx, intentOf(run, number, callOf(t, card, messages), card));
    return { kind: "continue", state: { ...t.state, call } };
  });
}

function finish(
  t: Trying,
  rung: string,
  card: ModelCard,
  done: { readonly staged: Staged; readonly end: RungEnd },
  at: Date,
  alongside: (tx: Transaction) => Promise<void>,
): Promise<Run> {
  const tried: Tried = { rung, by: "model", model: card.id, ...done };
  return conclude({ ...t, tried, at, alongside });
}

function keepWorking(
  tx: Transaction,
  t: Trying,
  rung: string,
  card: ModelCard,
  staged: Staged,
): Promise<void> {
  return saveAttempt(tx, {
    ...{
      runId: t.run.id,
      number: t.state.attempt + 1,
      rung,
      model: card.id,
      status: "working",
      because: null,
    },
    ...{ calls: staged.calls, changeSet: staged.changeSet, refusals: staged.refusals },
    ...{ diff: [], verdicts: staged.guarded },
  });
}

function intentOf(run: Run, attempt: number, call: ModelCall, card: ModelCard): CallIntent {
  return { runId: run.id, tenant: run.tenant, agent: run.agent, attempt, call, card };
}

function callOf(t: Trying, card: ModelCard, messages: readonly Message[]): ModelCall {
  const model: ModelId = card.id;
  const outputTokensMax = Math.min(card.outputTokensMax, OUTPUT_TOKENS_MAX);
  return { model, messages, tools: toolSpecs(t.bench.toolbox), outputTokensMax };
}

async function conversation(t: Trying, attempt: number): Promise<readonly Message[]> {
  const steps = await listSteps(t.workshop.db, t.run.id);
  return steps
    .filter((step) => step.kind === "message" && step.attempt === attempt)
    .map((step) => step.data as unknown as Message);
}

async function appendMessages(
  tx: Transaction,
  run: Run,
  attempt: number,
  messages: readonly Message[],
): Promise<void> {
  for (const message of messages) {
    await appendStep(tx, run.id, { kind: "message", attempt, data: toJson(message) });
  }
}

/** What people said meanwhile, as messages: seen before the next step, and recorded. */
async function nudgeMessages(tx: Transaction, run: Run, attempt: number): Promise<readonly Message[]> {
  const nudges = await takeNudges(tx, run.id);
  const messages = nudges.map((nudge): Message => ({
    role: "user",
    text: `${nudge.by} says: ${JSON.stringify(nudge.body)}`,
  }));
  await appendMessages(tx, run, attempt, messages);
  return messages;
}
