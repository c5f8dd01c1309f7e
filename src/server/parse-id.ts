import { InputError, isDecimalId } from "../kernel/index.ts";

/** The largest id that Postgres can hold: 2^63 - 1. */
const ID_MAX = 9_223_372_036_854_775_807n;

/**
 * Reads an id that a person typed or a request carried.
 *
 * @throws {InputError} `run-unknown` or `question-unknown`: what has not the form of an id names nothing
 */
export function parseId<Id extends string>(noun: "run" | "question", text: string): Id {
  if (isDecimalId(text) && BigInt(text) <= ID_MAX) return text as Id;
  const list = noun === "run" ? "factotum runs" : "factotum inbox";
  throw new InputError({
    code: `${noun}-unknown`,
    message: `there is no ${noun} ${JSON.stringify(text.slice(0, 40))}; list what there is with: ${list}`,
  });
}
