import { createParser } from "eventsource-parser";
import type { Json } from "../../kernel/index.ts";
import { usageSeen, type UsageSeen } from "../../models/index.ts";
import { type Refusal, refusalBody, refusalEvent } from "../surfaces.ts";
import type { UsageTap } from "../usage-tap.ts";
import type { Said } from "./ask.ts";
import { dialects, type Heard, heardDialects, type Spoken } from "./dialects.ts";
import { get, MalformedError, textIn } from "./fields.ts";
import { folded } from "./fold.ts";
import { BrokenAnswerError } from "./hearing.ts";
import type { SayFor } from "./saying.ts";

/** Between whom an answer is translated. */
export type Between = {
  /** What the provider speaks. */
  readonly from: Heard;
  /** What the client speaks. */
  readonly to: Spoken;
  readonly sayFor: SayFor;
  /** Makes what puts one answer's sealed thoughts into envelopes. */
  readonly wrapping: () => (said: Said) => readonly Said[];
};

const EVENT_CHARS_MAX = 32 * 1024 * 1024;
const STREAM = { "content-type": "text/event-stream; charset=utf-8" };
const WHOLE = { "content-type": "application/json" };

/** Translates a stream event by event: nothing waits for more than the event that it stands in. */
export function streamRewriter({ from, to, sayFor, wrapping }: Between): UsageTap {
  const wrap = wrapping();
  const hearing = heardDialects[from].hearing();
  const saying = dialects[to].saying(sayFor);
  const decoder = new TextDecoder();
  let written = "";
  let seen: UsageSeen | null = null;
  let broken = false;
  const give = (): Buffer | null => {
    const text = written;
    written = "";
    return text === "" ? null : Buffer.from(text, "utf8");
  };
  const breakOff = (refusal: Refusal): void => {
    broken = true;
    written += refusalEvent(to, refusal, sayFor.id);
  };
  const say = (said: Said): void => {
    if (broken) return;
    if (said.kind === "error") breakOff(said);
    else for (const each of wrap(said)) written += saying.say(each);
  };
  const hear = (data: string): void => {
    if (broken || data === "[DONE]") return;
    try {
      const event = JSON.parse(data) as Json;
      seen = usageSeen(event, seen);
      for (const said of hearing.event(event)) say(said);
    } catch (error) {
      breakOff(malformed(error));
    }
  };
  const parser = createParser({
    maxBufferSize: EVENT_CHARS_MAX,
    onEvent: ({ data }) => hear(data),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded" && !broken) breakOff(malformed(error));
    },
  });
  const feed = (text: string): void => {
    if (!broken) parser.feed(text);
  };
  return {
    ...{ edits: true, headers: STREAM },
    push(piece) {
      feed(decoder.decode(piece, { stream: true }));
      return give();
    },
    rest() {
      // Whatever lacks its last empty line is an event all the same.
      feed(`${decoder.decode()}\n\n`);
      if (!broken && hearing.ended) written += saying.end();
      else if (!broken) breakOff(CUT);
      return give();
    },
    seen: () => (seen === null ? null : { ...seen, complete: seen.complete || hearing.ended }),
  };
}

/** Translates a whole answer; its head waits, since only the answer shows what can be said. */
export function wholeRewriter({ from, to, sayFor, wrapping }: Between): UsageTap {
  const pieces: Buffer[] = [];
  return {
    ...{ edits: true, headers: WHOLE, waits: true },
    push(piece) {
      pieces.push(piece);
      return null;
    },
    rest() {
      try {
        const said = heardDialects[from].heard(parsed(pieces));
        const failed = said.find(({ kind }) => kind === "error");
        if (failed?.kind === "error") throw new RefusedAnswer(failed);
        if (!said.some(({ kind }) => kind === "finish")) throw new BrokenAnswerError("no end");
        const body = dialects[to].say(folded(said.flatMap(wrapping())), sayFor);
        return Buffer.from(JSON.stringify(body), "utf8");
      } catch (error) {
        throw error instanceof RefusedAnswer ? error : new RefusedAnswer(malformed(error));
      }
    },
    seen() {
      try {
        const reply = parsed(pieces);
        const usage = get(reply, "usage");
        const event =
          from === "google-generate"
            ? reply
            : from === "anthropic-messages"
              ? { type: "message_start", message: reply }
              : from === "openai-responses"
                ? { response: reply }
                : reply;
        const found = usage === undefined && from !== "google-generate" ? null : usageSeen(event, null);
        return found === null ? null : { ...found, complete: true };
      } catch {
        return null;
      }
    },
  };
}

/** Translates a provider's refusal: its words and its status, in the client's form. */
export function errorRewriter({ to, sayFor }: Pick<Between, "to" | "sayFor">, status: number): UsageTap {
  const pieces: Buffer[] = [];
  return {
    ...{ edits: true, headers: WHOLE, waits: true },
    push(piece) {
      pieces.push(piece);
      return null;
    },
    rest() {
      const refusal = { status, ...wordsOf(pieces) };
      return Buffer.from(refusalBody(to, refusal, sayFor.id), "utf8");
    },
    seen: () => null,
  };
}

/** An answer that cannot be passed on; the exchange tells the client why. */
export class RefusedAnswer extends Error {
  readonly refusal: Refusal;

  constructor({ status, code, message }: Refusal) {
    super(message);
    this.refusal = { status, code, message };
  }
}

const CUT: Refusal = {
  ...{ status: 502, code: "upstream_broken" },
  message: "the provider broke its answer off; what came of it is incomplete",
};

/** Says what was wrong, and nothing of what was said. */
function malformed(error: unknown): Refusal {
  const known = error instanceof BrokenAnswerError || error instanceof MalformedError;
  const because = known ? error.message : "it is not what its protocol says";
  return { status: 502, code: "upstream_malformed", message: `the provider's answer is broken: ${because}` };
}

function parsed(pieces: readonly Buffer[]): Json {
  return JSON.parse(Buffer.concat(pieces).toString("utf8")) as Json;
}

function wordsOf(pieces: readonly Buffer[]): { readonly code: string; readonly message: string } {
  try {
    const body = parsed(pieces);
    const error = get(body, "error") ?? get(body, 0, "error");
    const message = textIn(error, "message") || textIn(body, "message");
    const code = textIn(error, "code") || textIn(error, "type") || textIn(error, "status");
    return { code: code || "upstream_refused", message: message || "the provider refused this call" };
  } catch {
    return { code: "upstream_refused", message: "the provider refused this call without saying why" };
  }
}
