import { channel } from "./start.ts";
import { type Reader, runColumns, runOf, type RunRow } from "./run.ts";
import type { Hold } from "./turn.ts";

/** Waiting runs made ready by one statement; more of them are left to the next. */
const PROMOTED_MAX = 1_000;

/**
 * Makes waiting runs ready whose time has come; if there are more than this worker can take, the others are
 * told.
 *
 * @returns how many
 */
export async function promoteDue(tx: Reader, slots: number): Promise<number> {
  const { rowCount } = await tx.query(
    `with due as (
       select id from factotum.runs where status = 'waiting' and wake_at <= (select factotum.now())
       order by wake_at limit $1 for no key update skip locked)
     update factotum.runs r set
       status = 'ready', version = version + 1, updated_at = factotum.now()
     from due where r.id = due.id`,
    [PROMOTED_MAX],
  );
  if (rowCount > slots) await tx.query("select pg_notify($1, 'ready')::text", [channel]);
  return rowCount;
}

/**
 * Takes up to `limit` ready runs that no living worker drives, by priority, then age, and raises their
 * fences. Takes none when `worker` itself is not alive (its lease ran out): it must join again first.
 *
 * @param held ids of the runs it drives; one that its row says it drives but is not among them was left
 * behind
 */
export async function claim(
  tx: Reader,
  worker: string,
  held: readonly string[],
  limit: number,
): Promise<readonly Hold[]> {
  const { rows } = await tx.query<RunRow & { fence: string }>(
    `with living as materialized (select id from factotum.living_workers),
     free as (
       select r.id from factotum.runs r
       where r.status = 'ready' and (r.retry_at is null or r.retry_at <= clock_timestamp())
         and (r.worker is null or (r.worker = $1 and r.id <> all ($2::bigint[]))
           or (r.worker <> $1 and r.worker not in (select id from living)))
         and $1 in (select id from living)
       order by r.priority desc, r.id limit $3 for no key update skip locked)
     update factotum.runs r set worker = $1, fence = fence + 1 from free where r.id = free.id
     returning ${runColumns}, r.fence`,
    [worker, held, limit],
  );
  return rows
    .map((row) => ({ worker, fence: row.fence, run: runOf(row), stateText: JSON.stringify(row.state) }))
    .sort((a, b) => b.run.priority - a.run.priority || (BigInt(a.run.id) < BigInt(b.run.id) ? -1 : 1));
}

/** Lets go of a run that still wants turns, so that anyone can take it. */
export async function release(tx: Reader, hold: Hold): Promise<void> {
  await tx.query(
    `update factotum.runs set worker = null
     where id = $1 and fence = $2 and worker = $3 and status = 'ready'`,
    [hold.run.id, hold.fence, hold.worker],
  );
}

/** Real milliseconds until a waiting run is due or a failed one may be tried again; null: none will be. */
export async function dueInMs(tx: Reader): Promise<number | null> {
  const { rows } = await tx.query<{ ms: number | null }>(
    `select least(
       (select extract(epoch from wake_at - factotum.now()) * 1000
          / nullif(coalesce((select rate from factotum.clock), 1), 0)
        from factotum.runs where status = 'waiting' and wake_at is not null order by wake_at limit 1),
       (select extract(epoch from retry_at - clock_timestamp()) * 1000
        from factotum.runs where status = 'ready' and retry_at > (select clock_timestamp())
        order by retry_at limit 1))::float8 as ms`,
  );
  return rows[0]?.ms ?? null;
}

/** Whether any run wants a turn now, or has one. */
export async function anyReady(tx: Reader): Promise<boolean> {
  const { rows } = await tx.query<{ any: boolean }>(
    `select exists (select from factotum.runs where status = 'ready')
       or exists (select from factotum.runs
                  where status = 'waiting' and wake_at <= (select factotum.now())) as any`,
  );
  return rows[0]?.any ?? false;
}
