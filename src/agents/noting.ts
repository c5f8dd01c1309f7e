import { settle } from "../calls/index.ts";
import { FactotumError, must } from "../kernel/index.ts";
import type { ModelCall, ModelCard, ModelReply } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import { modelNamed } from "./cascade.ts";
import { takeCallBack } from "./heeding.ts";
import { noteQuestion } from "./note-question.ts";
import { intendAside, sendFor, stopped } from "./sending.ts";
import { BYTES_PER_TOKEN, tokensBetween, windowOf } from "./tokens.ts";
import { latestNote, OPENING, type Noted, type Transcript } from "./transcript.ts";
import { numberOf, type Trying } from "./trying.ts";

/** The most output tokens of the call, reasoning included; the note itself may be shorter only. */
const OUTPUT_TOKENS_MAX = 4_096;
/** The longest note that a model may write, and its share of the room where that is small. */
const NOTE_TOKENS_MAX = 2_000;
const NOTE_SHARE = 0.15;
/** Less news than this share of the room is not worth a call: the note before still says the rest. */
const NEWS_SHARE = 0.1;
/** Of prose; told to the model, so that it is on the safe side. */
const WORDS_PER_TOKEN = 0.5;

/** What came of having a model write. */
export type Writing =
  /** A turn was taken: look again. */
  | { readonly kind: "later"; readonly run: Run }
  | {
      readonly kind: "over";
      /** Undefined where the rule does without; then `because` says why, unless nobody was to write. */
      readonly noted: Noted | undefined;
      readonly because: string | undefined;
      /** What the turn that folds writes of the call, with what it cost. */
      readonly settled: (tx: Transaction) => Promise<string | undefined>;
    };

/**
 * Has the model that its agent names write what no rule can tell of the part of an attempt that is folded: a
 * call like any other, held, recorded and settled in the turn that keeps the note. Whatever goes wrong, the
 * note is made without it.
 *
 * @param from index of the first entry that is not folded
 * @param room tokens that all of the attempt's own prompt may have that a note could stand for
 */
export async function writeNote(
  t: Trying,
  transcript: Transcript,
  from: number,
  room: number,
): Promise<Writing> {
  const { handOff } = t.bench.agent;
  if (handOff === undefined) return without(t);
  const card = handOff.model === "rung" ? t.card : modelNamed(t.workshop, handOff.model);
  if (card === undefined) return without(t, `no model is configured as ${handOff.model}`);
  const before = latestNote(transcript)?.noted;
  const news = tokensBetween(transcript, before?.upTo ?? OPENING, from);
  const least = Math.ceil(room * NEWS_SHARE);
  if (news < least) return without(t, `about ${news} tokens are new, and ${least} are worth a call`);
  const tokensMax = Math.min(NOTE_TOKENS_MAX, Math.floor(room * NOTE_SHARE));
  const call = callFor(card, transcript, before, from, tokensMax);
  if (call === undefined) return without(t, `what happened does not fit what ${card.id} can read`);
  try {
    if (t.fresh || !isNoting(t)) return { kind: "later", run: await intendNote(t, call, card) };
  } catch (error) {
    // Such as a model without a known price.
    if (!(error instanceof FactotumError) || error.retry !== "elsewhere") throw error;
    return without(t, error.message);
  }
  const most = t.state.outputTokensMax ?? call.outputTokensMax;
  return hear(t, { ...call, outputTokensMax: Math.min(call.outputTokensMax, most) }, from, tokensMax);
}

/** Whether the call under way writes a note. */
function isNoting({ state }: Trying): boolean {
  return state.call !== null && state.noting === state.call;
}

function callFor(
  card: ModelCard,
  transcript: Transcript,
  noted: Noted | undefined,
  from: number,
  tokensMax: number,
): ModelCall | undefined {
  const outputTokensMax = Math.min(card.outputTokensMax, OUTPUT_TOKENS_MAX);
  const bytesMax = (windowOf(card) - outputTokensMax) * BYTES_PER_TOKEN;
  const wordsMax = Math.floor(tokensMax * WORDS_PER_TOKEN);
  const messages = noteQuestion({ transcript, noted, from, wordsMax, bytesMax });
  return messages === undefined ? undefined : { model: card.id, messages, tools: [], outputTokensMax };
}

function intendNote(t: Trying, call: ModelCall, card: ModelCard): Promise<Run> {
  return t.lease.turn(async (tx, run) => {
    if (!isNoting(t)) await takeCallBack(tx, t, "its prompt was too long");
    return intendAside(tx, t, run, { attempt: numberOf(t), call, card }, (intended) => ({
      ...{ ...t.state, ...intended },
      noting: intended.call,
    }));
  });
}

async function hear(t: Trying, call: ModelCall, from: number, tokensMax: number): Promise<Writing> {
  const id = must(t.state.call, "the call under way");
  const outcome = await sendFor(t, id, call);
  if (outcome.kind === "failed" && outcome.error.code === "stopped") {
    return { kind: "later", run: await stopped(t, numberOf(t), (tx) => settle(tx, id, outcome)) };
  }
  const read: string | { readonly because: string } =
    outcome.kind === "answered" ? noteIn(outcome.reply, tokensMax) : { because: outcome.error.message };
  return {
    kind: "over",
    noted: typeof read === "string" ? { by: call.model, text: read, upTo: from } : undefined,
    because: typeof read === "string" ? undefined : `${call.model}: ${read.because}`,
    settled: async (tx) => String((await settle(tx, id, outcome)).cost),
  };
}

function noteIn(reply: ModelReply, tokensMax: number): string | { readonly because: string } {
  const text = reply.text.trim();
  if (reply.finish === "refused") return { because: "it declined to write a note" };
  if (text === "") return { because: "it wrote nothing" };
  if (reply.finish === "length") return { because: "its note was cut off" };
  const tokens = Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
  if (tokens > tokensMax) {
    return { because: `its note of about ${tokens} tokens is too long; it may have ${tokensMax}` };
  }
  return text;
}

function without(t: Trying, because?: string): Writing {
  return { kind: "over", noted: undefined, because, settled: takenBack(t) };
}

/** Takes back the attempt's own call that was intended with a prompt that is too long. */
export function takenBack(t: Trying): (tx: Transaction) => Promise<undefined> {
  return async (tx) => {
    await takeCallBack(tx, t, "its prompt was too long");
    return undefined;
  };
}
