import type { Json, RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep } from "./steps.ts";
import { channel } from "./start.ts";
import { becauseText, jsonText } from "./text.ts";

/**
 * Ends a run for good when `tx` commits, whoever drives it: its turn can no longer commit, and its worker
 * is told to stop the call it is in. Never call it from a turn of the same run; end that turn as failed.
 *
 * @returns false when there is no such run or it is over already
 */
export async function cancel(tx: Transaction, runId: RunId, because: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `with ended as (
       update factotum.runs set
         status = 'cancelled', because = $2, retry_at = null,
         worker = null, fence = fence + 1, version = version + 1, updated_at = factotum.now()
       where id = $1 and status in ('ready', 'waiting')
       returning id)
     select pg_notify($3, 'cancel ' || id)::text from ended`,
    [runId, becauseText(because), channel],
  );
  if (rowCount === 0) return false;
  await appendStep(tx, runId, { kind: "cancelled", attempt: null, data: { because: becauseText(because) } });
  return true;
}

/**
 * Lets a failed or cancelled run go on from the state it has, when `tx` commits, with all its tries again.
 *
 * @returns false when there is no such run or it is neither failed nor cancelled
 */
export async function retryFailed(tx: Transaction, runId: RunId): Promise<boolean> {
  const { rowCount } = await tx.query(
    `with revived as (
       update factotum.runs set
         status = 'ready', because = null, failures = 0, retry_at = null,
         version = version + 1, updated_at = factotum.now()
       where id = $1 and status in ('failed', 'cancelled')
       returning id)
     select pg_notify($2, 'ready')::text from revived`,
    [runId, channel],
  );
  return rowCount === 1;
}

/**
 * Ends a run from outside its turns when `tx` commits, wherever it stands, done ones included: their
 * outcome changes. Read it with `getRun(tx, id, { lock: true })` first, so that no turn comes between.
 *
 * @returns false when there is no such run
 */
export async function endRun(
  tx: Transaction,
  runId: RunId,
  end: { readonly state: Json; readonly outcome: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `with ended as (
       update factotum.runs set
         status = 'done', outcome = $2, state = $3, because = null, failures = 0, retry_at = null,
         wake_at = null, worker = null, fence = fence + 1, version = version + 1, updated_at = factotum.now()
       where id = $1
       returning id)
     select pg_notify($4, 'cancel ' || id)::text from ended`,
    [runId, end.outcome, jsonText(end.state, "state", runId), channel],
  );
  return rowCount === 1;
}
