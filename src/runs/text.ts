import type { Json, RunId } from "../kernel/index.ts";
import { RunError } from "./errors.ts";

/**
 * A document that one run may carry: input, state or one step. Past it, rows of the agent's own serve
 * better.
 */
const DOCUMENT_CHARS_MAX = 32 * 1024 * 1024;
/** What JSON can say and jsonb cannot hold: an escape whose backslash is not escaped itself. */
const UNFIT = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;
/** A reason is a sentence; the whole story belongs in a step. */
const BECAUSE_CHARS_MAX = 4_000;

/**
 * JSON text for a jsonb column, or one that is read as jsonb.
 *
 * @throws {RunError} `too-big`, `text-unfit`, or `not-json` for undefined and functions
 */
export function jsonText(value: Json, what: string, runId?: RunId): string {
  const text = jsonAsSent(value, what, runId);
  if (!text.includes("\\u") || !UNFIT.test(text)) return text;
  throw new RunError({
    ...{ code: "text-unfit", retry: "never", ...(runId !== undefined && { runId }) },
    message:
      `the ${what}${ofRun(runId)} has a NUL character or half of a surrogate pair, ` +
      "which Postgres cannot hold",
  });
}

/**
 * JSON text for a json column, which holds all that JSON can say: what comes from outside is kept as it came.
 *
 * @throws {RunError} `too-big`, or `not-json` for undefined and functions
 */
export function jsonAsSent(value: Json, what: string, runId?: RunId): string {
  const text = JSON.stringify(value) as string | undefined;
  const about = { retry: "never", ...(runId !== undefined && { runId }) } as const;
  if (text === undefined) {
    throw new RunError({
      ...about,
      code: "not-json",
      message: `the ${what}${ofRun(runId)} is not plain data: give null`,
    });
  }
  if (text.length > DOCUMENT_CHARS_MAX) {
    throw new RunError({
      ...about,
      code: "too-big",
      message:
        `the ${what}${ofRun(runId)} is ${text.length} characters of JSON, more than ${DOCUMENT_CHARS_MAX}: ` +
        "keep large things in a table and refer to them",
    });
  }
  return text;
}

const ofRun = (runId: RunId | undefined): string => (runId === undefined ? "" : ` of run ${runId}`);

/** A reason that Postgres can store: no NUL, bounded. */
export function becauseText(text: string): string {
  const clean = text.replaceAll("\0", "\uFFFD");
  return clean.length <= BECAUSE_CHARS_MAX ? clean : `${clean.slice(0, BECAUSE_CHARS_MAX - 1)}…`;
}
