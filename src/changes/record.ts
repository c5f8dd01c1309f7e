import { InvariantError } from "../kernel/index.ts";

/** Values of a record in column order, each as Postgres text; null is SQL NULL. */
export type RecordValues = readonly (string | null)[];

/** A quoted value up to its closing quote, `""` and `\x` inside standing for one character. */
const QUOTED = /"((?:[^"\\]|""|\\[\s\S])*)"/y;
const BARE = /[^,()"\\]*/y;
/** White space as `isspace` of C knows it; Postgres quotes no other. */
const NEEDS_QUOTES = /^$|[ \t\n\v\f\r"\\(),]/;

/** Reads record text, such as `(1,"a ""b""",)`, the way `record_in` does. */
export function parseRecord(text: string): RecordValues {
  if (!text.startsWith("(") || !text.endsWith(")")) throw malformed(text);
  const values: (string | null)[] = [];
  let at = 1;
  for (;;) {
    const quoted = text[at] === '"';
    const pattern = quoted ? QUOTED : BARE;
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) throw malformed(text);
    values.push(quoted ? (match[1] ?? "").replaceAll(/""|\\([\s\S])/g, unescape) : match[0] || null);
    at = pattern.lastIndex;
    if (at === text.length - 1) return values;
    if (text[at] !== ",") throw malformed(text);
    at += 1;
  }
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

function unescape(pair: string, escaped: string | undefined): string {
  return escaped ?? pair.slice(1);
}

function malformed(text: string): InvariantError {
  return new InvariantError(`this is not the text of a Postgres record: ${text.slice(0, 200)}`);
}
