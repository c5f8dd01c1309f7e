/** A field of the outermost object of a JSON text: where its value begins, and where it is over. */
export type Field = { readonly start: number; readonly end: number };

/** What a scan found: the fields asked for, or why the text cannot be passed on. */
export type Scan =
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, Field>; readonly open: number }
  | { readonly kind: "refused"; readonly because: string };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
/** Deeper than any request of any provider, and shallow enough for whoever parses it after us. */
const DEPTH_MAX = 256;

/** In strings that are longer the runtime's own search is faster than ours, which has no call to make. */
const SHORT_BYTES = 64;
/** Whole numbers of so many digits are exact. */
const DIGITS_MAX = 15;

/** Names of fields, as they stand in a text. */
export type Names = readonly { readonly name: string; readonly bytes: Buffer }[];

/** Names to look for. */
export function namesOf(...names: readonly string[]): Names {
  return names.map((name) => ({ name, bytes: Buffer.from(name, "utf8") }));
}

/**
 * Finds fields of the outermost object without parsing what they hold: long strings are passed by the
 * runtime's own search, so that a long prompt costs next to nothing, and no text is made of what nobody asks.
 *
 * A name that comes twice is refused, since parsers differ in which one holds: a key's limits must not be
 * checked against another model than the one that is asked.
 */
export function scanObject(text: Buffer, wanted: Names): Scan {
  const fields = new Map<string, Field>();
  let at = skipBlank(text, 0);
  if (text[at] !== OPEN_OBJECT) return refused("the body must be one JSON object");
  const open = at + 1;
  at = skipBlank(text, open);
  if (text[at] === CLOSE_OBJECT) return ended(text, at + 1, fields, open);
  for (;;) {
    if (text[at] !== QUOTE) return refused(`a field name must begin at byte ${at}`);
    const nameEnd = stringEnd(text, at);
    if (nameEnd < 0) return refused("a field name is not closed");
    const name = nameAt(text, at + 1, nameEnd - 1, wanted);
    if (name === null) return refused(`the field name at byte ${at} is not a JSON string`);
    at = skipBlank(text, nameEnd);
    if (text[at] !== COLON) return refused(`a colon is missing after a field name, at byte ${at}`);
    const start = skipBlank(text, at + 1);
    const end = valueEnd(text, start);
    if (end <= start) return refused(`the value at byte ${start} does not end`);
    if (name !== undefined) {
      if (fields.has(name)) return refused(`the field ${name} comes twice`);
      fields.set(name, { start, end });
    }
    at = skipBlank(text, end);
    if (text[at] === CLOSE_OBJECT) return ended(text, at + 1, fields, open);
    if (text[at] !== COMMA) return refused(`a comma is missing at byte ${at}`);
    at = skipBlank(text, at + 1);
  }
}

/** The value of a field, parsed; undefined where it is not there or is not JSON. */
export function valueOf(text: Buffer, field: Field | undefined): unknown {
  if (field === undefined) return undefined;
  const simple = simpleValue(text, field.start, field.end);
  if (simple !== undefined) return simple;
  try {
    return JSON.parse(text.toString("utf8", field.start, field.end)) as unknown;
  } catch {
    return undefined;
  }
}

/** The elements of a list, each by its bytes; what is no list has none. */
export function elementsOf(text: Buffer, { start }: Field): readonly Buffer[] {
  const elements: Buffer[] = [];
  if (text[start] !== OPEN_LIST) return elements;
  for (let at = skipBlank(text, start + 1); text[at] !== CLOSE_LIST; at = skipBlank(text, at)) {
    const end = valueEnd(text, at);
    if (end <= at) return elements;
    elements.push(text.subarray(at, end));
    at = skipBlank(text, end);
    if (text[at] === COMMA) at += 1;
  }
  return elements;
}

/** A change to a text: the bytes from `start` to `end` become `by`. */
export type Edit = { readonly start: number; readonly end: number; readonly by: string };

/** The text with its edits made; the same buffer where there is none. Edits do not overlap. */
export function edited(text: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return text;
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { start, end, by } of edits.toSorted((left, right) => left.start - right.start)) {
    pieces.push(text.subarray(at, start), Buffer.from(by, "utf8"));
    at = end;
  }
  pieces.push(text.subarray(at));
  return Buffer.concat(pieces);
}

function refused(because: string): Scan {
  return { kind: "refused", because };
}

function ended(text: Buffer, at: number, fields: ReadonlyMap<string, Field>, open: number): Scan {
  const rest = skipBlank(text, at);
  return rest < text.length
    ? refused(`something follows the JSON object, at byte ${rest}`)
    : { kind: "object", fields, open };
}

function skipBlank(text: Buffer, from: number): number {
  let at = from;
  for (; at < text.length; at += 1) {
    const byte = text[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}

/** After the closing quote of the string that begins at `open`, or -1. */
function stringEnd(text: Buffer, open: number): number {
  const near = Math.min(text.length, open + SHORT_BYTES);
  let from = open + 1;
  for (; from < near; from += 1) {
    const byte = text[from];
    if (byte === QUOTE) return from + 1;
    if (byte === BACKSLASH) from += 1;
  }
  for (;;) {
    const quote = text.indexOf(QUOTE, from);
    if (quote < 0) return -1;
    let slashes = 0;
    while (text[quote - 1 - slashes] === BACKSLASH) slashes += 1;
    // The opening quote stops the count, as it is no backslash.
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/**
 * The wanted name that stands between two quotes, if any; one written with escapes is decoded, so that it
 * cannot hide. Null where it is not JSON.
 */
function nameAt(text: Buffer, start: number, end: number, wanted: Names): string | undefined | null {
  for (let at = start; at < end; at += 1) {
    if (text[at] === BACKSLASH) return decodedName(text.toString("utf8", start, end), wanted);
  }
  for (const { name, bytes } of wanted) if (isAt(text, start, end, bytes)) return name;
  return undefined;
}

function decodedName(raw: string, wanted: Names): string | undefined | null {
  try {
    const text = JSON.parse(`"${raw}"`) as string;
    return wanted.find(({ name }) => name === text)?.name;
  } catch {
    return null;
  }
}

function isAt(text: Buffer, start: number, end: number, bytes: Buffer): boolean {
  if (bytes.length !== end - start) return false;
  for (let at = 0; at < bytes.length; at += 1) if (text[start + at] !== bytes[at]) return false;
  return true;
}

/** A whole number or a string of plain ASCII: most of what is asked for. Undefined for anything else. */
function simpleValue(text: Buffer, start: number, end: number): number | string | undefined {
  if (text[start] !== QUOTE) return wholeNumber(text, start, end);
  for (let at = start + 1; at < end - 1; at += 1) {
    const byte = text[at] ?? 0;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return undefined;
  }
  return text.toString("latin1", start + 1, end - 1);
}

function wholeNumber(text: Buffer, start: number, end: number): number | undefined {
  if (end - start > DIGITS_MAX || (text[start] === 0x30 && end - start > 1)) return undefined;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (text[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** After the value that begins at `start`, or -1. */
function valueEnd(text: Buffer, start: number): number {
  const first = text[start];
  if (first === QUOTE) return stringEnd(text, start);
  if (first !== OPEN_OBJECT && first !== OPEN_LIST) return plainEnd(text, start);
  const open: number[] = [];
  for (let at = start; at < text.length;) {
    const byte = text[at];
    if (byte === QUOTE) {
      at = stringEnd(text, at);
      if (at < 0) return -1;
      continue;
    }
    at += 1;
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      if (open.length === DEPTH_MAX) return -1;
      open.push(byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_LIST);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      if (open.pop() !== byte) return -1;
      if (open.length === 0) return at;
    }
  }
  return -1;
}

/** After a number, true, false or null. */
function plainEnd(text: Buffer, start: number): number {
  let at = start;
  for (; at < text.length; at += 1) {
    const byte = text[at] ?? 0;
    const plain =
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      byte === 0x2b ||
      byte === 0x2d ||
      byte === 0x2e;
    if (!plain) break;
  }
  return at;
}
