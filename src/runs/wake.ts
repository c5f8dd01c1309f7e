import type { Json, RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { channel } from "./start.ts";
import { jsonText } from "./text.ts";

/** Something said to a run while it is under way. */
export type Nudge = { readonly id: string; readonly body: Json; readonly by: string; readonly at: Date };

/**
 * Wakes a run when `tx` commits: a waiting run becomes ready, a paused one once it is resumed; one that is
 * awake gets at least one more whole turn before it can park. Waits for a turn of that run that is just being
 * committed, so no wake-up falls between.
 *
 * @returns false when there is no such run or it is over: there is nothing to wake
 */
export async function wake(tx: Transaction, runId: RunId): Promise<boolean> {
  return (await wakeAll(tx, [runId])) === 1;
}

/** Wakes several runs; see `wake`. In the order of their ids, so that no two callers wait for each other. */
export async function wakeAll(tx: Transaction, runIds: readonly RunId[]): Promise<number> {
  const { rowCount } = await tx.query(
    `with woken as (
       update factotum.runs set
         wakes = wakes + (status = 'ready')::integer,
         version = version + (status = 'waiting')::integer,
         paused_from = case when status = 'paused' then 'ready' end,
         status = case when status = 'paused' then status else 'ready' end, updated_at = factotum.now()
       where id = any (array(
         select id from factotum.runs
         where id = any ($1::bigint[]) and status in ('ready', 'waiting', 'paused')
         order by id for no key update))
       returning id)
     select pg_notify($2, 'wake ' || id)::text from woken`,
    [runIds, channel],
  );
  return rowCount;
}

/**
 * Says something to a run and wakes it, when `tx` commits.
 *
 * @param said.by who says it, for the timeline
 * @param said.interrupt also stops the call that the run's driver has under way; see `Lease.interruption`
 * @returns false when there is no such run or it is over: nothing was written
 */
export async function nudge(
  tx: Transaction,
  runId: RunId,
  said: { readonly body: Json; readonly by: string; readonly interrupt?: boolean },
): Promise<boolean> {
  if (!(await wake(tx, runId))) return false;
  await tx.query("insert into factotum.nudges (run_id, body, by) values ($1, $2, $3)", [
    runId,
    jsonText(said.body, "nudge", runId),
    said.by,
  ]);
  if (said.interrupt === true)
    await tx.query("select pg_notify($1, $2)::text", [channel, `interrupt ${runId}`]);
  return true;
}

/** Whether something was said to a run that no turn has read yet. */
export async function isNudged(tx: Pick<Transaction, "query">, runId: RunId): Promise<boolean> {
  const { rows } = await tx.query(
    "select from factotum.nudges where run_id = $1 and taken_at is null limit 1",
    [runId],
  );
  return rows.length > 0;
}

/** Reads the nudges that no turn has read yet, oldest first, and marks them read when `tx` commits. */
export async function takeNudges(tx: Transaction, runId: RunId): Promise<readonly Nudge[]> {
  const { rows } = await tx.query<Nudge>(
    `update factotum.nudges set taken_at = factotum.now()
     where run_id = $1 and taken_at is null
     returning id, body, by, at`,
    [runId],
  );
  return rows.toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
}
