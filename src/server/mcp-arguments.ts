import { InputError, type Json } from "../kernel/index.ts";

/** Deeper than any schema of ours goes; far below, what follows recursive schemas runs out of stack. */
const DEPTH_MAX = 64;

/**
 * Refuses arguments that no tool should meet: nested deeper than schemas can follow, or with text that
 * Postgres cannot hold, in a value or in a name.
 *
 * @throws {InputError} `tool-input`
 */
export function checkArguments(tool: string, given: Json): void {
  const left: { readonly value: Json; readonly depth: number }[] = [{ value: given, depth: 0 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, depth } = next;
    if (typeof value === "string") checkText(tool, value);
    if (typeof value !== "object" || value === null) continue;
    if (depth >= DEPTH_MAX) throw refused(tool, `it is nested deeper than ${DEPTH_MAX} levels`);
    if (!Array.isArray(value)) for (const name of Object.keys(value)) checkText(tool, name);
    for (const inner of Object.values(value)) left.push({ value: inner, depth: depth + 1 });
  }
}

function checkText(tool: string, text: string): void {
  if (text.isWellFormed() && !text.includes("\0")) return;
  throw refused(tool, "text must be well-formed, without NUL characters");
}

function refused(tool: string, because: string): InputError {
  return new InputError({ code: "tool-input", message: `${tool} refused its input: ${because}` });
}
