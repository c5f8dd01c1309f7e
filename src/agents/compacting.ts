import { ConflictError } from "../changes/index.ts";
import type { Message, ModelCall } from "../models/index.ts";
import { appendStep, type Run } from "../runs/index.ts";
import { handOffNote } from "./hand-off.ts";
import { takeCallBack } from "./heeding.ts";
import { callsOf, type Entry, OPENING, type Transcript, turnsOf } from "./transcript.ts";
import { callOf, finish, hold, numberOf, stagedSoFar, type Trying } from "./trying.ts";
import { examine, type Staged } from "./workshop.ts";

/** The window of a model that does not say what it has. */
const CONTEXT_TOKENS_DEFAULT = 128_000;
/** Fewer than any tokenizer in use makes of prose or JSON, so that the estimate errs on the safe side. */
const BYTES_PER_TOKEN = 3;
/** A prompt beyond this share of the room is folded, and what is kept of its end has at most the other. */
const FULL_SHARE = 0.75;
const KEPT_SHARE = 0.3;

/**
 * Folds the earlier part of an attempt whose prompt no longer fits its model's window into a hand-off note:
 * a step of its own, with the note and the figures, that later prompts are made from. The transcript itself
 * stays whole; guards and checks go on seeing all of it.
 *
 * @returns the run after that turn; undefined where the prompt fits
 */
export async function compactWhereFull(t: Trying, transcript: Transcript): Promise<Run | undefined> {
  const room = roomOf(t);
  const before = tokensOf(callOf(t, transcript));
  if (before <= room * FULL_SHARE) return undefined;
  const from = cutOf(transcript, room * KEPT_SHARE);
  const since = transcript.findLast((entry) => entry.kind === "compacted");
  // Folded up to here already: what is left is all of it needed.
  if (from === undefined || (since?.kind === "compacted" && since.from >= from)) {
    return before <= room ? undefined : tooLong(t, transcript, before, room);
  }
  const staged = await stagedSoFar(t);
  const note = handOffNote({ transcript, from, staged, wishes: await wishesOf(t, transcript, staged) });
  const entry: Entry = { kind: "compacted", from, note };
  const grown = [...transcript, entry];
  const after = tokensOf(callOf(t, grown));
  if (after > room) return tooLong(t, transcript, after, room);
  const next = await t.lease.turn(async (tx, run) => {
    await takeCallBack(tx, t, "its prompt was too long");
    const data = { from, note, by: "extract", tokensBefore: before, tokensAfter: after };
    await appendStep(tx, run.id, { kind: "compacted", attempt: numberOf(t), data });
    return { kind: "continue", state: { ...t.state, call: null } };
  });
  return hold(t, next, { transcript: grown, staged });
}

function roomOf(t: Trying): number {
  return (t.card.contextTokens ?? CONTEXT_TOKENS_DEFAULT) - callOf(t, []).outputTokensMax;
}

function tokensOf({ messages, tools }: Pick<ModelCall, "messages" | "tools">): number {
  return Math.ceil(Buffer.byteLength(JSON.stringify([messages, tools])) / BYTES_PER_TOKEN);
}

/**
 * Where the end that is kept begins: at a reply or at somebody's word, so that no answer to a tool call is
 * left without it. Undefined where nothing can be folded.
 */
export function cutOf(transcript: Transcript, tokensMax: number): number | undefined {
  let tokens = 0;
  let cut: number | undefined;
  for (let at = transcript.length - 1; at > OPENING; at -= 1) {
    const entry = transcript[at];
    if (entry === undefined) break;
    if (entry.kind !== "compacted") tokens += tokensOf({ messages: [messageLike(entry)], tools: [] });
    const begins = entry.kind === "heard" || (entry.kind === "message" && entry.message.role === "assistant");
    if (begins && (cut === undefined || tokens <= tokensMax)) cut = at;
    if (cut !== undefined && tokens > tokensMax) break;
  }
  return cut;
}

function messageLike(entry: Exclude<Entry, { kind: "compacted" }>): Message {
  return entry.kind === "message" ? entry.message : { role: "user", text: entry.text };
}

/** What was asked for and what became of it so far, by the checks that list it. */
async function wishesOf(
  t: Trying,
  transcript: Transcript,
  staged: Staged,
): Promise<readonly { readonly what: string; readonly done: boolean }[]> {
  const checks = t.bench.agent.checks.filter((check) => check.by === "wishes");
  if (checks.length === 0) return [];
  const background = { checks, turns: turnsOf(transcript), calls: callsOf(transcript) };
  try {
    const { verdicts } = await examine(t.workshop, t.bench, t.run, staged, t.at, background);
    return verdicts.flatMap(({ wish, kind }) =>
      wish === undefined ? [] : [{ what: wish, done: kind === "pass" }],
    );
  } catch (error) {
    // Rows have moved: the next staging finds it, and the attempt is made again.
    if (error instanceof ConflictError) return [];
    throw error;
  }
}

function tooLong(t: Trying, transcript: Transcript, tokens: number, room: number): Promise<Run> {
  const because =
    `what must be kept of this work takes about ${tokens} tokens, and ${t.card.id} has room for ${room}; ` +
    "give the rung a model with a larger window, or split the work";
  return stagedSoFar(t).then((staged) =>
    finish(t, transcript, { staged, end: { kind: "stuck", because } }, (tx) =>
      takeCallBack(tx, t, "its prompt was too long"),
    ),
  );
}
