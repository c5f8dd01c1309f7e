import { type Json, type ModelId, type RunId, toJson } from "../kernel/index.ts";
import type { Message } from "../models/index.ts";
import type { ToolCall, Turn } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, listSteps, type Step } from "../runs/index.ts";
import { ASK_TOOL } from "./asking.ts";
import { FINISH_TOOL, GIVE_UP_TOOL, nudgeSays, personSays } from "./prompt.ts";

/**
 * One entry of a model's attempt: a message to or from the model, what the person on the other side said, or
 * what somebody whom the agent works for did.
 */
export type Entry =
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "heard" | "nudged"; readonly by: string; readonly text: string }
  | Compacted;

/** What came before entry `from` is, for the model, the note from here on. */
export type Compacted = {
  readonly kind: "compacted";
  readonly from: number;
  readonly note: string;
  /** The part of it that a model wrote, and which one did. */
  readonly noted?: Noted | undefined;
  /** It tells staged work in short. */
  readonly short?: boolean;
};

/** What a model wrote into a hand-off note, about the entries before `upTo`. */
export type Noted = { readonly by: ModelId; readonly text: string; readonly upTo: number };

/** A model's attempt so far, from which it is taken up anywhere. Append-only rows, one step an entry. */
export type Transcript = readonly Entry[];

/** Tools that no agent has: the loop's own. */
const OWN_TOOLS: readonly string[] = [FINISH_TOOL, GIVE_UP_TOOL, ASK_TOOL];

/** Entries at the beginning that no note stands for: policy, standing instructions and the goal. */
export const OPENING = 2;

/** The most steps read at once. */
const PAGE = 1_000;

/** Reads an attempt's transcript. */
export async function readTranscript(
  tx: Pick<Transaction, "query">,
  runId: RunId,
  attempt: number,
): Promise<Transcript> {
  const read: Entry[] = [];
  for (let after = 0n; ;) {
    const steps = await listSteps(tx, runId, { after, limit: PAGE });
    read.push(...steps.filter((step) => step.attempt === attempt).flatMap(entryOf));
    if (steps.length < PAGE) return read;
    after = steps.at(-1)?.seq ?? after;
  }
}

/** A step as an entry of its attempt, where it is one. */
export function entryOf({ kind, data }: Pick<Step, "kind" | "data">): readonly Entry[] {
  if (kind === "message") return [{ kind, message: data as unknown as Message }];
  if (kind === "compacted") {
    const { from, note, noted, short = false } = data as unknown as Compacted;
    return [{ kind, from, note, noted, short }];
  }
  if (kind !== "heard" && kind !== "nudged") return [];
  const { by, text } = data as { readonly by: string; readonly text: string };
  return kind === "nudged" && text === "" ? [] : [{ kind, by, text }];
}

/** Adds to an attempt's transcript when `tx` commits. */
export async function append(
  tx: Transaction,
  runId: RunId,
  attempt: number,
  more: Transcript,
): Promise<void> {
  for (const entry of more) {
    const { kind: _kind, ...said } = entry;
    const data: Json = entry.kind === "message" ? toJson(entry.message) : toJson(said);
    await appendStep(tx, runId, { kind: entry.kind, attempt, data });
  }
}

/** Messages as entries. */
export function entries(messages: readonly Message[]): Transcript {
  return messages.map((message) => ({ kind: "message", message }));
}

/**
 * A transcript as a model is given it. What was said between a reply and the answers to its tool calls comes
 * after those: providers refuse anything between them.
 */
export function messagesOf(transcript: Transcript): readonly Message[] {
  const messages: Message[] = [];
  let waiting: Message[] = [];
  const open = new Set<string>();
  for (const entry of foldedView(transcript)) {
    const message = messageOf(entry);
    if (message.role === "user" && open.size > 0) {
      waiting.push(message);
      continue;
    }
    messages.push(message);
    if (message.role === "assistant") for (const call of message.toolCalls ?? []) open.add(call.id);
    if (message.role !== "tool") continue;
    open.delete(message.toolCallId);
    if (open.size > 0) continue;
    messages.push(...waiting);
    waiting = [];
  }
  return [...messages, ...waiting];
}

/** The note that stands for the folded part of a transcript, where some of it was folded. */
export function latestNote(transcript: Transcript): Compacted | undefined {
  return transcript.findLast((entry) => entry.kind === "compacted");
}

/** The transcript with its folded part as the latest note says it. */
function foldedView(transcript: Transcript): Transcript {
  const latest = latestNote(transcript);
  if (latest === undefined) return transcript;
  const kept = transcript.slice(latest.from).filter((entry) => entry.kind !== "compacted");
  return [...transcript.slice(0, OPENING), latest, ...kept];
}

function messageOf(entry: Entry): Message {
  if (entry.kind === "message") return entry.message;
  if (entry.kind === "compacted") return { role: "user", text: entry.note };
  const text = entry.kind === "nudged" ? nudgeSays(entry) : personSays(entry.text);
  return { role: "user", text };
}

/** How often the model has been asked since the person last spoke, or since the beginning. */
export function repliesInARow(transcript: Transcript): number {
  const since = transcript.slice(transcript.findLastIndex((entry) => entry.kind === "heard") + 1);
  return since.filter((entry) => entry.kind === "message" && entry.message.role === "assistant").length;
}

/** The calls that were carried out, reading ones too, in order. */
export function callsOf(transcript: Transcript): readonly ToolCall[] {
  return answered(transcript).flatMap(({ refused, ...call }) => (refused ? [] : [call]));
}

/**
 * What was said and called, in order, as checks and guards see it. Words beside a tool call are the
 * model's to itself: nobody heard them.
 */
export function turnsOf(transcript: Transcript): readonly Turn[] {
  const calls = answered(transcript).values();
  return transcript.flatMap((entry): readonly Turn[] => {
    if (entry.kind !== "message") return entry.kind === "heard" ? [{ kind: "person", text: entry.text }] : [];
    const { message } = entry;
    if (message.role === "assistant" && (message.toolCalls ?? []).length === 0)
      return message.text === "" ? [] : [{ kind: "agent", text: message.text }];
    if (!isToolAnswer(message)) return [];
    const { value: call } = calls.next();
    return call === undefined ? [] : [turnOf(call)];
  });
}

/** A call as a turn. */
export function turnOf(call: Pick<ToolCall, "tool" | "input"> & { readonly refused: boolean }): Turn {
  return { kind: "call", tool: call.tool, input: call.input, refused: call.refused };
}

function answered(transcript: Transcript): readonly (ToolCall & { readonly refused: boolean })[] {
  const asked = new Map<string, Json>();
  return transcript.flatMap((entry) => {
    if (entry.kind !== "message") return [];
    const { message } = entry;
    // A model may use the id of a call again in a later reply: the latest is meant.
    if (message.role === "assistant")
      for (const call of message.toolCalls ?? []) asked.set(call.id, call.input);
    if (!isToolAnswer(message)) return [];
    const { name: tool, output, isError: refused = false } = message;
    return [{ tool, input: asked.get(message.toolCallId) ?? null, output, refused }];
  });
}

function isToolAnswer(message: Message): message is Message & { readonly role: "tool" } {
  return message.role === "tool" && !OWN_TOOLS.includes(message.name);
}
