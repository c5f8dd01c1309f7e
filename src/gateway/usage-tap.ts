import { noUsage, usageSeen, type UsageSeen } from "../models/index.ts";
import { namesOf, scanObject, valueOf } from "./scan.ts";
import type { Protocol } from "./surfaces.ts";

/** Reads usage from an answer's bytes as they pass, and takes out what the caller did not ask for. */
export type UsageTap = {
  /** Whether what is passed on may be of another length than what came. */
  readonly edits: boolean;
  /** Headers of what is passed on, where it is something else than what came. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the head waits for the whole answer, which may turn out to be one that cannot be passed on. */
  readonly waits?: boolean;
  /** What is to be passed on of this piece: as a rule the piece itself. */
  push(piece: Buffer): Buffer | null;
  /** What was held back, at the end of the answer. @throws {RefusedAnswer} where the head has waited */
  rest(): Buffer | null;
  seen(): UsageSeen | null;
};

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const DATA = Buffer.from("data:");
/** Looked for without its first quote: a search goes from one first byte to the next, and quotes are many. */
const NAME = Buffer.from('usage"');
/** An unfinished line longer than this is not looked at: its usage is then estimated. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const COUNTED = namesOf("usage", "service_tier", "output");

/** Reads an answer that is no stream: pieces are passed on at once, and looked at when all are there. */
export function wholeTap(protocol: Protocol): UsageTap {
  const pieces: Buffer[] = [];
  return {
    edits: false,
    push(piece) {
      pieces.push(piece);
      return piece;
    },
    rest: () => null,
    seen() {
      const text = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
      const scan = scanObject(text, COUNTED);
      if (scan.kind === "refused") return null;
      const of = (name: string): unknown => valueOf(text, scan.fields.get(name));
      const usage = of("usage");
      if (!isObject(usage)) return null;
      const output = protocol === "openai-responses" && text.includes(TOOL_RUN) ? of("output") : undefined;
      const seen = usageSeen(asStreamed(protocol, { usage, service_tier: of("service_tier"), output }), null);
      return seen === null ? null : { ...seen, complete: true };
    },
  };
}

/** An item of an answer for a tool that was run or is to be. */
const TOOL_RUN = Buffer.from('_call"');

/** What a whole answer counts in the event that would carry it in a stream. */
function asStreamed(protocol: Protocol, counted: object): object {
  if (protocol === "anthropic-messages") return { type: "message_start", message: counted };
  return protocol === "openai-responses" ? { response: counted } : counted;
}

const FREE: UsageSeen = { usage: noUsage, complete: true };
const BLIND: UsageTap = {
  ...{ edits: false, push: (piece: Buffer) => piece, rest: () => null, seen: () => FREE },
};

/** Reads no usage, for what costs nothing. */
export function blindTap(): UsageTap {
  return BLIND;
}

/** Where no answer has begun: nothing was seen. */
export const noTap: UsageTap = { ...BLIND, seen: () => null };

/**
 * Reads a stream of events. Only a line that holds a usage object is parsed: inside a JSON string the
 * quotes of `"usage"` are escaped, so that no answer's text can look like one.
 *
 * @param strip takes out the usage event of a chat stream, which we asked for and the caller did not
 */
export function streamTap(strip: boolean): UsageTap {
  let carry: Buffer | null = null;
  let seen: UsageSeen | null = null;
  /** Whether the line is that of the usage event which is to be taken out. */
  const read = (line: Buffer): boolean => {
    const event = eventOf(line);
    if (event === null) return false;
    seen = usageSeen(event, seen);
    return strip && isUsageOnly(event);
  };
  const look = (text: Buffer): Buffer => (nameIn(text, 0) < 0 ? text : withoutUsage(text, read));
  return {
    edits: strip,
    push(piece) {
      const text = carry === null ? piece : Buffer.concat([carry, piece]);
      // A piece that ends with its event needs no carrying on; stripping waits for whole events.
      const whole = strip ? afterLastEvent(text) : text.lastIndexOf(NEWLINE) + 1;
      carry = whole === text.length || text.length - whole > LINE_BYTES_MAX ? null : text.subarray(whole);
      if (strip) return whole === 0 ? null : look(text.subarray(0, whole));
      if (whole > 0) look(text.subarray(0, whole));
      return piece;
    },
    rest() {
      const left = carry;
      carry = null;
      if (left === null) return null;
      const passed = look(left);
      return strip ? passed : null;
    },
    seen: () => seen,
  };
}

function withoutUsage(text: Buffer, read: (line: Buffer) => boolean): Buffer {
  const kept: Buffer[] = [];
  let from = 0;
  for (let at = nameIn(text, 0); at >= 0;) {
    const start = text.lastIndexOf(NEWLINE, at) + 1;
    const newline = text.indexOf(NEWLINE, at);
    const end = newline < 0 ? text.length : newline;
    if (read(text.subarray(start, end))) {
      kept.push(text.subarray(from, start));
      from = afterBlankLine(text, end);
    }
    at = nameIn(text, end);
  }
  return from === 0 ? text : Buffer.concat([...kept, text.subarray(from)]);
}

/** After the empty line that ends an event, which begins at its data line's newline. */
function afterBlankLine(text: Buffer, newline: number): number {
  const next = text.indexOf(NEWLINE, newline + 1);
  return next < 0 ? text.length : next + 1;
}

const EMPTY_LINE = Buffer.from("\n\n");
const EMPTY_LINE_RETURNED = Buffer.from("\r\n\r\n");

/** After the last empty line, written with or without carriage returns; 0 where there is none. */
function afterLastEvent(text: Buffer): number {
  // As a rule a piece ends with its event.
  if (text.at(-1) === NEWLINE && text.at(-2) === NEWLINE) return text.length;
  const plain = text.lastIndexOf(EMPTY_LINE);
  const returned = text.lastIndexOf(EMPTY_LINE_RETURNED);
  return Math.max(plain < 0 ? 0 : plain + 2, returned < 0 ? 0 : returned + 4);
}

/** The event of a data line, where its usage is an object; most say `"usage":null`. */
function eventOf(line: Buffer): unknown {
  for (let at = 0; at < DATA.length; at += 1) if (line[at] !== DATA[at]) return null;
  if (!hasUsageObject(line)) return null;
  const brace = line.indexOf(OPEN_OBJECT);
  try {
    return JSON.parse(line.toString("utf8", brace)) as unknown;
  } catch {
    return null;
  }
}

function hasUsageObject(line: Buffer): boolean {
  for (let at = nameIn(line, 0); at >= 0; at = nameIn(line, at + NAME.length)) {
    let next = at + NAME.length;
    while (line[next] === 0x20 || line[next] === 0x3a) next += 1;
    if (line[next] === OPEN_OBJECT) return true;
  }
  return false;
}

/** Where the name `"usage"` is, behind its first quote, or -1. */
function nameIn(text: Buffer, from: number): number {
  for (let at = text.indexOf(NAME, from); at >= 0; at = text.indexOf(NAME, at + NAME.length)) {
    if (text[at - 1] === QUOTE) return at;
  }
  return -1;
}

function isUsageOnly(event: unknown): boolean {
  return isObject(event) && Array.isArray(event["choices"]) && event["choices"].length === 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
