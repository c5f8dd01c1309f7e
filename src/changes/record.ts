import { InvariantError } from "../kernel/index.ts";

/** Values of a record in column order, each as Postgres text; null is SQL NULL. */
export type RecordValues = readonly (string | null)[];

const BARE = /[^,()"\\]*/y;
/** What stands for another character inside quotes, or ends them. */
const MARK = /["\\]/g;
/** White space as `isspace` of C knows it; Postgres quotes no other. */
const NEEDS_QUOTES = /^$|[ \t\n\v\f\r"\\(),]/;

/** Reads record text, such as `(1,"a ""b""",)`, the way `record_in` does. */
export function parseRecord(text: string): RecordValues {
  if (!text.startsWith("(") || !text.endsWith(")")) throw malformed(text);
  const values: (string | null)[] = [];
  let at = 1;
  for (;;) {
    const [value, end] = text[at] === '"' ? readQuoted(text, at + 1) : readBare(text, at);
    values.push(value);
    if (end === text.length - 1) return values;
    if (text[end] !== ",") throw malformed(text);
    at = end + 1;
  }
}

/** By hand: one pattern for all of it keeps a place to go back to for every character; this took a third. */
function readQuoted(text: string, from: number): readonly [value: string, end: number] {
  const parts: string[] = [];
  let at = from;
  for (;;) {
    MARK.lastIndex = at;
    const mark = MARK.exec(text)?.index;
    if (mark === undefined) throw malformed(text);
    const ends = text[mark] === '"' && text[mark + 1] !== '"';
    parts.push(text.slice(at, mark));
    if (ends) return [parts.join(""), mark + 1];
    parts.push(text.slice(mark + 1, mark + 2));
    at = mark + 2;
  }
}

function readBare(text: string, from: number): readonly [value: string | null, end: number] {
  BARE.lastIndex = from;
  const [value = ""] = BARE.exec(text) ?? [];
  return [value === "" ? null : value, from + value.length];
}

/** Writes record text the way `record_out` does. */
export function formatRecord(values: RecordValues): string {
  return `(${values.map(formatValue).join(",")})`;
}

function formatValue(value: string | null): string {
  if (value === null) return "";
  if (!NEEDS_QUOTES.test(value)) return value;
  return `"${value.replaceAll(/["\\]/g, "$&$&")}"`;
}

function malformed(text: string): InvariantError {
  return new InvariantError(`this is not the text of a Postgres record: ${text.slice(0, 200)}`);
}
