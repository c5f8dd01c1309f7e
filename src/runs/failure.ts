import { FactotumError, messageOf, type RunId } from "../kernel/index.ts";
import { type Database, isServerTrouble, sqlStateOf } from "../postgres/index.ts";
import { insertSteps } from "./steps.ts";
import type { Hold } from "./hold.ts";
import { becauseText } from "./text.ts";

/** How errors are tried again. */
export type RetryPolicy = {
  /** Errors in a row, the last one included, after which a run whose errors say "later" is failed. */
  readonly laterFailuresMax: number;
  /** The same for errors that nobody foresaw: most are bugs, and trying a bug again changes little. */
  readonly unknownFailuresMax: number;
  /**
   * Delay after the first error, real time; doubled by each, and multiplied by 0.5 to 1.5 at random. Shorter
   * at first where Postgres itself was the trouble.
   */
  readonly delayMsBase: number;
  readonly delayMsMax: number;
};

/** 12 tries over about 45 minutes; 5 over about 15 seconds for an error that nobody foresaw. */
export const retryPolicy: RetryPolicy = {
  laterFailuresMax: 12,
  unknownFailuresMax: 5,
  delayMsBase: 1_000,
  delayMsMax: 10 * 60_000,
};

/**
 * Trouble with Postgres itself is mostly over when the next connection is made; where it is not, the delays
 * grow faster, so that it lasts as long as with other errors before the run is failed.
 */
const TROUBLE = { delayMsBase: 50, growth: 4 };

/** What became of a run whose driver threw. */
export type Settled = { readonly kind: "failed" | "later" | "dropped"; readonly runId: RunId };

/** Postgres ended a turn that stood still with its transaction open: trouble of the moment. */
const STOOD_STILL = "25P03";

/**
 * Writes down what a driver threw: the run is failed, or left alone for a while, and the message is a step
 * of its transcript. Fenced like a turn: a run that another holds by now, or that is over, is left as it
 * is.
 */
export async function settleFailure(
  db: Database,
  hold: Hold,
  error: unknown,
  policy: RetryPolicy,
): Promise<Settled> {
  const { retry, code, failuresMax } = classify(error, policy);
  const because = becauseText(messageOf(error) || "an error without a message");
  const trouble = isServerTrouble(error);
  const data = { code, retry, because, where: becauseText(whereOf(error)) };
  const { rows } = await db.query<{ status: "ready" | "failed" }>(
    `with o as (
       update factotum.runs set
         failures = failures + 1,
         status = case when failures + 1 >= $6 then 'failed' else 'ready' end,
         retry_at = case when failures + 1 >= $6 then null else clock_timestamp() + (0.5 + random())
           * least($7::float8 * power($11::float8, failures), $8::float8) * interval '1 millisecond' end,
         because = $9, worker = null, version = version + 1, steps = steps + 1, updated_at = factotum.now()
       where id = $4 and fence = $5 and worker = $10 and status = 'ready'
       returning id, status, steps, updated_at),
     written as (${insertSteps("o")})
     select status from o`,
    [
      ["failure"],
      [null],
      [JSON.stringify(data)],
      hold.run.id,
      hold.fence,
      failuresMax,
      trouble ? Math.min(TROUBLE.delayMsBase, policy.delayMsBase) : policy.delayMsBase,
      policy.delayMsMax,
      because,
      hold.worker,
      trouble ? TROUBLE.growth : 2,
    ],
  );
  const status = rows[0]?.status;
  const kind = status === undefined ? "dropped" : status === "failed" ? "failed" : "later";
  return { kind, runId: hold.run.id };
}

function classify(
  error: unknown,
  policy: RetryPolicy,
): { readonly retry: string; readonly code: string; readonly failuresMax: number } {
  const code = error instanceof FactotumError ? error.code : "unforeseen";
  if (sqlStateOf(error) === STOOD_STILL)
    return { retry: "later", code, failuresMax: policy.laterFailuresMax };
  if (!(error instanceof FactotumError)) {
    return { retry: "later", code, failuresMax: policy.unknownFailuresMax };
  }
  if (error.retry === "never") return { retry: "never", code, failuresMax: 1 };
  return { retry: error.retry, code, failuresMax: policy.laterFailuresMax };
}

/** The first lines of the stack: where a bug was, for whoever reads the transcript. */
function whereOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? "").split("\n").slice(1, 6).join("\n") : "";
}
