import { inspect } from "node:util";
import { FactotumError, InputError, messageOf } from "../kernel/index.ts";
import type { Terminal } from "./terminal.ts";

/** What the command ends with; scripts may rely on these. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Not an `InputError` by class, but the user's own slip all the same. */
const USAGE_CODES: readonly string[] = ["run-unknown"];

/** Says what went wrong on stderr, or as JSON where that was asked for, and chooses the exit code. */
export function reportError(error: unknown, terminal: Terminal, verbose: boolean): number {
  const ours = error instanceof FactotumError;
  const code = ours ? error.code : "internal";
  if (terminal.json) terminal.result({ error: { code, message: messageOf(error) } });
  terminal.note(`error: ${messageOf(error)} [${code}]`);
  // Unlike the stack alone, this shows what caused it: where a configuration threw, for instance.
  if (verbose) terminal.note(inspect(error));
  else if (!ours)
    terminal.note("this is not an error that factotum expected; --verbose shows where it happened");
  return error instanceof InputError || USAGE_CODES.includes(code) ? exitCodes.usage : exitCodes.failed;
}
