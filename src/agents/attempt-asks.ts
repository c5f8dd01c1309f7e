import { must } from "../kernel/index.ts";
import type { Message } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import { answerOf, type AskAnswer, type AskOrder, ASK_TOOL, putQuestion } from "./asking.ts";
import { attend } from "./attending.ts";
import { append, entries, type Transcript } from "./transcript.ts";
import type { Acted } from "./attempt-acts.ts";
import { hold, intendNext, keepWorking, numberOf, saidSoFar, stagedSoFar, type Trying } from "./trying.ts";
import type { Working } from "./workshop.ts";
import { unnamed } from "./provider.ts";

/** Nobody answers a question that was taken back; its run goes on only where somebody revived it. */
const WITHDRAWN: AskAnswer = { choice: "withdrawn", by: "nobody", note: "the question was withdrawn" };

/**
 * Looks at the question that an attempt waits for: parked again while it is open.
 *
 * @returns the run, parked; or the answer to go on with
 */
export async function awaitAnswer(
  w: Working,
): Promise<{ readonly run: Run } | { readonly answer: AskAnswer }> {
  const { state, lease } = w;
  const seen = await attend(w, must(state.question, `question of run ${w.run.id}`));
  if (seen.kind === "told") return { run: seen.run };
  const answer = answerOf(seen.question);
  if (seen.kind === "closed") return { answer: answer ?? WITHDRAWN };
  const { until } = seen;
  const run = await lease.turn(async () => ({ kind: "park", state, ...(until === null ? {} : { until }) }));
  return { run };
}

/** Parks an attempt of code until its question is answered; what it had staged is made again then. */
export function parkForCode(w: Working, order: AskOrder): Promise<Run> {
  return w.lease.turn(async (tx, run, now) => {
    const attempt = w.state.attempt + 1;
    const asked = await putQuestion(tx, { workshop: w.workshop, run, attempt }, order, await now());
    const state = { ...w.state, question: asked.id };
    if (asked.status === "spared") return { kind: "continue", state };
    return { kind: "park", state, ...(asked.until === null ? {} : { until: asked.until }) };
  });
}

/** Writes what a reply came to and the question it asks, and parks until that is answered. */
export function parkForModel(
  t: Trying,
  acted: Acted,
  order: AskOrder,
  record: (tx: Transaction) => Promise<void>,
): Promise<Run> {
  return t.lease.turn(async (tx, run, now) => {
    await record(tx);
    await keepWorking(tx, t, acted.staged, acted.base);
    const parts = { workshop: t.workshop, run, attempt: numberOf(t) };
    const asked = await putQuestion(tx, parts, order, await now());
    const state = { ...t.state, question: asked.id, call: null };
    if (asked.status === "spared") return { kind: "continue", state };
    return { kind: "park", state, ...(asked.until === null ? {} : { until: asked.until }) };
  });
}

/** Gives the model the answer that it waited for, and intends its next call. */
export async function goOnAnswered(t: Trying, answer: AskAnswer): Promise<Run> {
  const transcript = await saidSoFar(t);
  const staged = await stagedSoFar(t);
  const said = entries([answerMessage(transcript, answer)]);
  const grown = [...transcript, ...said];
  const free: Trying = { ...t, state: { ...t.state, question: null } };
  const next = await t.lease.turn(async (tx, run) => {
    await append(tx, run.id, numberOf(t), said);
    const first = unnamed(run, t.card.id);
    if (first !== undefined) return { kind: "continue", state: { ...free.state, call: null }, ...first };
    return { kind: "continue", state: { ...free.state, ...(await intendNext(tx, free, run, grown)) } };
  });
  return hold(free, next, { transcript: grown, staged });
}

function answerMessage(transcript: Transcript, { choice, by, note }: AskAnswer): Message {
  const messages = transcript.flatMap((entry) => (entry.kind === "message" ? [entry.message] : []));
  const at = messages.findLastIndex(
    (one) => one.role === "assistant" && one.toolCalls?.some((call) => call.name === ASK_TOOL) === true,
  );
  const reply = messages[at];
  const calls = reply?.role === "assistant" ? (reply.toolCalls ?? []) : [];
  // Of several questions in one reply one was put; the others were answered at once.
  const told = new Set(messages.slice(at).flatMap((one) => (one.role === "tool" ? [one.toolCallId] : [])));
  const call = calls.find((one) => one.name === ASK_TOOL && !told.has(one.id));
  const output = { choice, answered_by: by, ...(note === null ? {} : { note }) };
  return {
    role: "tool",
    toolCallId: must(call, "the call that asked").id,
    name: ASK_TOOL,
    output,
  };
}
