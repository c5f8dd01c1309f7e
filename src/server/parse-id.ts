import type { EntryId } from "../ledger/index.ts";
import { type EffectId, InputError, isDecimalId, type QuestionId, type RunId } from "../kernel/index.ts";

/** The largest id that Postgres can hold: 2^63 - 1. */
const ID_MAX = 9_223_372_036_854_775_807n;

/**
 * Reads the id of a run that a person typed or a request carried.
 *
 * @throws {InputError} `run-unknown`: what has not the form of an id names no run
 */
export function parseRunId(text: string): RunId {
  if (isId(text)) return text as RunId;
  throw new InputError({
    code: "run-unknown",
    message: `there is no run ${quoted(text)}; list the runs there are with: factotum runs`,
  });
}

/** Reads the id of a ledger entry. @throws {InputError} `entry-unknown` */
export function parseEntryId(text: string): EntryId {
  if (isId(text)) return text as EntryId;
  throw new InputError({
    code: "entry-unknown",
    message: `there is no entry ${quoted(text)}; list them with: factotum ledger entries`,
  });
}

/**
 * Reads the id of a question that a person typed or a request carried.
 *
 * @throws {InputError} `question-unknown`: what has not the form of an id names no question
 */
export function parseQuestionId(text: string): QuestionId {
  if (isId(text)) return text as QuestionId;
  throw new InputError({
    code: "question-unknown",
    message: `there is no question ${quoted(text)}; list the open ones with: factotum inbox`,
  });
}

/**
 * Reads the id of an effect that a person typed or a request carried.
 *
 * @throws {InputError} `effect-unknown`: what has not the form of an id names no effect
 */
export function parseEffectId(text: string): EffectId {
  if (isId(text)) return text as EffectId;
  throw new InputError({
    code: "effect-unknown",
    message: `there is no effect ${quoted(text)}; list them with: factotum outbox`,
  });
}

const isId = (text: string): boolean => isDecimalId(text) && BigInt(text) <= ID_MAX;
const quoted = (text: string): string => JSON.stringify(text.slice(0, 40));
