import { ConflictError } from "../changes/index.ts";
import { must } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run } from "../runs/index.ts";
import { handOffNote } from "./hand-off.ts";
import { takenBack, type Writing, writeNote } from "./noting.ts";
import { entryTokens, promptTokens, tokensBetween, windowOf } from "./tokens.ts";
import {
  callsOf,
  type Compacted,
  latestNote,
  type Noted,
  OPENING,
  type Transcript,
  turnsOf,
} from "./transcript.ts";
import { callOf, finish, hold, numberOf, stagedSoFar, type Trying } from "./trying.ts";
import { examine, type Staged } from "./workshop.ts";

/** Beyond this share of the room a prompt is folded, and what is kept of its end has at most the other. */
const FULL_SHARE = 0.75;
const KEPT_SHARE = 0.3;
/** Less that can be folded than this share is left until the room is used up: each fold costs a turn. */
const GAIN_SHARE = 0.1;

/** The room that a model's window has for an attempt, in tokens. */
type Room = {
  /** Of a whole prompt. */
  readonly most: number;
  /** Of all that comes after what no note stands for: tools, policy, standing instructions, the goal. */
  readonly free: number;
  /** The prompt from which on it is folded. */
  readonly full: number;
};

/** A prompt that is too long, and where it is to be folded. */
type Fold = {
  readonly room: Room;
  readonly before: number;
  /** Index of the first entry that is kept. */
  readonly from: number;
  /** Whether staged work may be told in short, the ways to be tried first. */
  readonly ways: readonly boolean[];
};

/**
 * Folds the earlier part of an attempt whose prompt no longer fits its model's window into a hand-off note:
 * a step of its own, with the note and the figures, that later prompts are made from. Where its agent says
 * so, a model writes a part of the note. The transcript itself stays whole; guards and checks go on seeing
 * all of it.
 *
 * @returns the run after that turn; undefined where the prompt fits
 */
export async function compactWhereFull(t: Trying, transcript: Transcript): Promise<Run | undefined> {
  const room = roomOf(t, transcript);
  const before = promptTokens(callOf(t, transcript));
  if (before <= room.full) return undefined;
  const from = cutOf(transcript, room.free * KEPT_SHARE);
  const last = latestNote(transcript);
  const gain = tokensBetween(transcript, last?.from ?? OPENING, from ?? 0);
  if (before <= room.most && gain < room.free * GAIN_SHARE) return undefined;
  const ways = waysLeft(t, gain > 0, last);
  // Folded up to here already, and as short as may be: what is left is all of it needed.
  if (from === undefined || ways.length === 0) return tooLong(t, transcript, before, room, takenBack(t));
  const writing = await writeNote(t, transcript, from, room.free);
  return writing.kind === "later" ? writing.run : fold(t, transcript, { room, before, from, ways }, writing);
}

async function fold(
  t: Trying,
  transcript: Transcript,
  { room, before, from, ways }: Fold,
  writing: Writing & { readonly kind: "over" },
): Promise<Run> {
  const staged = await stagedSoFar(t);
  const wishes = await wishesOf(t, transcript, staged);
  const madeWith = (noted: Noted | undefined, short: boolean): Compacted => {
    const note = handOffNote({ transcript, from, staged, wishes, noted, short });
    return { kind: "compacted", from, note, noted, short };
  };
  const sizeWith = (entry: Compacted): number => promptTokens(callOf(t, [...transcript, entry]));
  // What a model noted before still holds; where not even that leaves room, the facts go before.
  const notes = [writing.noted, latestNote(transcript)?.noted].filter((one) => one !== undefined);
  const candidates = ways.flatMap((short) => [...notes, undefined].map((noted) => madeWith(noted, short)));
  const entry = candidates.find((one) => sizeWith(one) <= room.full) ?? must(candidates.at(-1), "a note");
  const after = sizeWith(entry);
  if (after > room.most) return tooLong(t, transcript, after, room, writing.settled);
  const isNew = writing.noted !== undefined && entry.noted === writing.noted;
  const because = isNew ? undefined : (writing.because ?? whyUnused(writing.noted));
  const next = await t.lease.turn(async (tx, run) => {
    const costMicroUsd = await writing.settled(tx);
    const { kind, noted, ...said } = entry;
    const data = {
      ...{ by: isNew ? "model" : "rule", tokensBefore: before, tokensAfter: after },
      ...(because !== undefined && { because }),
      ...(costMicroUsd !== undefined && { costMicroUsd, call: t.state.call }),
      ...(noted !== undefined && { noted }),
      ...said,
    };
    await appendStep(tx, run.id, { kind, attempt: numberOf(t), data });
    return { kind: "continue", state: { ...t.state, call: null, noting: null } };
  });
  const grown = [...transcript, entry];
  return hold(t, next, { transcript: grown, staged });
}

/** Whether staged work is told in short: what is must be there to be looked at, and is told so once. */
function waysLeft({ bench }: Trying, gains: boolean, last: Compacted | undefined): readonly boolean[] {
  const mayLook = [...bench.toolbox.values()].some((tool) => tool.effect === "read");
  if (gains) return mayLook ? [false, true] : [false];
  return mayLook && last?.short !== true ? [true] : [];
}

function whyUnused(noted: Noted | undefined): string | undefined {
  return noted === undefined ? undefined : `${noted.by}: with its note the prompt would be too long`;
}

function roomOf(t: Trying, transcript: Transcript): Room {
  // Of the longest answer, whatever a budget leaves for one: the same fold is found again after a turn.
  const { messages, tools, outputTokensMax } = callOf(t, transcript.slice(0, OPENING), null);
  const most = windowOf(t.card) - outputTokensMax;
  const fixed = promptTokens({ messages, tools });
  const free = Math.max(0, most - fixed);
  return { most, free, full: fixed + free * FULL_SHARE };
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
    tokens += entryTokens(entry);
    const begins = entry.kind === "heard" || (entry.kind === "message" && entry.message.role === "assistant");
    if (begins && (cut === undefined || tokens <= tokensMax)) cut = at;
    if (cut !== undefined && tokens > tokensMax) break;
  }
  return cut;
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

async function tooLong(
  t: Trying,
  transcript: Transcript,
  tokens: number,
  { most }: Room,
  settled: (tx: Transaction) => Promise<unknown>,
): Promise<Run> {
  const because =
    `what must be kept of this work takes about ${tokens} tokens, and ${t.card.id} has room for ${most}; ` +
    "give the rung a model with a larger window, or split the work";
  const staged = await stagedSoFar(t);
  return finish(
    t,
    transcript,
    { staged, end: { kind: "stuck", because } },
    async (tx) => void (await settled(tx)),
  );
}
