import type { Json, RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { RunError } from "./errors.ts";
import { getRun } from "./list.ts";
import type { Reader } from "./run.ts";
import { appendStep } from "./steps.ts";
import { channel } from "./start.ts";
import { becauseText, jsonText } from "./text.ts";

/**
 * Ends a run for good when `tx` commits, whoever drives it: its turn can no longer commit, and its worker
 * is told to stop the call it is in. Never call it from a turn of the same run; end that turn as failed.
 *
 * @returns false when there is no such run or it is over already
 */
export async function cancel(
  tx: Transaction,
  runId: RunId,
  because: string,
  end: { readonly state?: Json } = {},
): Promise<boolean> {
  const state = end.state === undefined ? null : jsonText(end.state, "state", runId);
  const { rowCount } = await tx.query(
    `with ended as (
       update factotum.runs set
         status = 'cancelled', because = $2, retry_at = null, paused_from = null,
         state = coalesce($4::json, state),
         worker = null, fence = fence + 1, version = version + 1, updated_at = factotum.now()
       where id = $1 and status in ('ready', 'waiting', 'paused')
       returning id)
     select pg_notify($3, 'cancel ' || id)::text from ended`,
    [runId, becauseText(because), channel, state],
  );
  if (rowCount === 0) return false;
  await appendStep(tx, runId, { kind: "cancelled", attempt: null, data: { because: becauseText(because) } });
  return true;
}

/**
 * Holds a run up when `tx` commits, until it is resumed: the call that its worker is in is stopped, and no
 * turn begins. What wakes it meanwhile, wakes it when it is resumed. A deadline ends it still.
 *
 * @throws {RunError} `run-unknown`, `run-over`, `run-paused`
 */
export async function pauseRun(tx: Transaction, runId: RunId, by: string): Promise<void> {
  const { rowCount } = await tx.query(
    `with held as (
       update factotum.runs set
         paused_from = status, status = 'paused',
         worker = null, fence = fence + 1, version = version + 1, updated_at = factotum.now()
       where id = $1 and status in ('ready', 'waiting')
       returning id)
     select pg_notify($2, 'cancel ' || id)::text from held`,
    [runId, channel],
  );
  if (rowCount === 0) {
    const { status } = await getRun(tx, runId);
    if (status !== "paused") throw overAlready(runId, status);
    const message = `run ${runId} is paused already; resume it with: factotum resume ${runId}`;
    throw new RunError({ code: "run-paused", retry: "never", runId, message });
  }
  await appendStep(tx, runId, { kind: "paused", attempt: null, data: { by } });
}

/**
 * Lets a paused run go on when `tx` commits, from where it stood.
 *
 * @throws {RunError} `run-unknown`, `run-not-paused`
 */
export async function resumeRun(tx: Transaction, runId: RunId, by: string): Promise<void> {
  const { rowCount } = await tx.query(
    `with freed as (
       update factotum.runs set
         status = paused_from, paused_from = null, retry_at = null,
         version = version + 1, updated_at = factotum.now()
       where id = $1 and status = 'paused'
       returning id)
     select pg_notify($2, 'clock')::text from freed`,
    [runId, channel],
  );
  if (rowCount === 0) {
    const { status } = await getRun(tx, runId);
    const message = `run ${runId} is ${status}, not paused; nothing was changed`;
    throw new RunError({ code: "run-not-paused", retry: "never", runId, message });
  }
  await appendStep(tx, runId, { kind: "resumed", attempt: null, data: { by } });
}

/**
 * Lets a failed or cancelled run go on from the state it has, when `tx` commits, with all its tries again.
 * A deadline that has passed is taken off it.
 *
 * @returns false when there is no such run or it is neither failed nor cancelled
 */
export async function retryFailed(tx: Transaction, runId: RunId): Promise<boolean> {
  const { rowCount } = await tx.query(
    `with revived as (
       update factotum.runs set
         status = 'ready', because = null, failures = 0, retry_at = null,
         deadline_at = case when deadline_at > factotum.now() then deadline_at end,
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
         wake_at = null, paused_from = null,
         worker = null, fence = fence + 1, version = version + 1, updated_at = factotum.now()
       where id = $1
       returning id)
     select pg_notify($4, 'cancel ' || id)::text from ended`,
    [runId, end.outcome, jsonText(end.state, "state", runId), channel],
  );
  return rowCount === 1;
}

/** Runs whose deadline has passed and that are not over, the longest overdue first. */
export async function overdueRuns(
  db: Reader,
  limit: number,
): Promise<readonly { readonly id: RunId; readonly deadlineAt: Date }[]> {
  const { rows } = await db.query<{ id: RunId; deadlineAt: Date }>(
    `select id, deadline_at as "deadlineAt" from factotum.runs
     where deadline_at <= (select factotum.now()) and status in ('ready', 'waiting', 'paused')
     order by deadline_at limit $1`,
    [limit],
  );
  return rows;
}

/** Real milliseconds until a deadline passes; null: none will. */
export async function deadlineDueInMs(db: Reader): Promise<number | null> {
  const { rows } = await db.query<{ ms: number | null }>(
    `select (extract(epoch from min(deadline_at) - factotum.now()) * 1000
       / nullif(coalesce((select rate from factotum.clock), 1), 0))::float8 as ms
     from factotum.runs where deadline_at is not null and status in ('ready', 'waiting', 'paused')`,
  );
  return rows[0]?.ms ?? null;
}

function overAlready(runId: RunId, status: string): RunError {
  const message = `run ${runId} is ${status} already; nothing was changed`;
  return new RunError({ code: "run-over", retry: "never", runId, message });
}
