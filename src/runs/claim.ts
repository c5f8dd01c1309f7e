import type { Transaction } from "../postgres/index.ts";
import { channel } from "./start.ts";
import { type Reader, runColumns, runOf, type RunRow } from "./run.ts";
import type { Hold } from "./hold.ts";

/** Waiting runs made ready by one statement; more of them are left to the next. */
const PROMOTED_MAX = 1_000;

/**
 * Prepared, since planning these costs more than running them. Ids are gathered in an array: a join with an
 * unknown number of rows would be planned as a scan of the whole table.
 */
const promoting = {
  name: "factotum.runs.promote",
  text: `update factotum.runs set status = 'ready', version = version + 1, updated_at = factotum.now()
    where id = any (array(
      select id from factotum.runs where status = 'waiting' and wake_at <= (select factotum.now())
      order by wake_at limit $1 for no key update skip locked))`,
};
const claiming = {
  name: "factotum.runs.claim",
  text: `with living as materialized (select id from factotum.living_workers)
    update factotum.runs r set worker = $1, fence = fence + 1
    where id = any (array(
      select f.id from factotum.runs f
      where f.status = 'ready' and (f.retry_at is null or f.retry_at <= clock_timestamp())
        and (f.worker is null or (f.worker = $1 and f.id <> all ($2::bigint[]))
          or (f.worker <> $1 and f.worker not in (select id from living)))
        and $1 in (select id from living)
      order by f.priority desc, f.id limit $3 for no key update skip locked))
    returning ${runColumns}, r.fence`,
};
const dating = {
  name: "factotum.runs.due",
  text: `select least(
      (select extract(epoch from wake_at - factotum.now()) * 1000
         / nullif(coalesce((select rate from factotum.clock), 1), 0)
       from factotum.runs where status = 'waiting' and wake_at is not null order by wake_at limit 1),
      (select extract(epoch from retry_at - clock_timestamp()) * 1000
       from factotum.runs where status = 'ready' and retry_at > (select clock_timestamp())
       order by retry_at limit 1))::float8 as ms`,
};

/**
 * Makes waiting runs ready whose time has come; if there are more than this worker can take, the others are
 * told.
 *
 * @returns how many
 */
export async function promoteDue(session: Transaction, slots: number): Promise<number> {
  const { rowCount } = await session.client.query({ ...promoting, values: [PROMOTED_MAX] });
  const promoted = rowCount ?? 0;
  if (promoted > slots) await session.query("select pg_notify($1, 'ready')::text", [channel]);
  return promoted;
}

/**
 * Takes up to `limit` ready runs that no living worker drives, by priority, then age, and raises their
 * fences. Takes none when `worker` itself is not alive (its lease ran out): it must join again first.
 *
 * @param held ids of the runs it drives; one that its row says it drives but is not among them was left
 * behind
 */
export async function claim(
  session: Transaction,
  worker: string,
  held: readonly string[],
  limit: number,
): Promise<readonly Hold[]> {
  const values = [worker, held, limit];
  const { rows } = await session.client.query<RunRow & { fence: string }>({ ...claiming, values });
  return rows
    .map((row) => ({ worker, fence: row.fence, run: runOf(row), stateText: JSON.stringify(row.state) }))
    .sort((a, b) => b.run.priority - a.run.priority || (BigInt(a.run.id) < BigInt(b.run.id) ? -1 : 1));
}

/** Real milliseconds until a waiting run is due or a failed one may be tried again; null: none will be. */
export async function dueInMs(session: Transaction): Promise<number | null> {
  const { rows } = await session.client.query<{ ms: number | null }>({ ...dating });
  return rows[0]?.ms ?? null;
}

/** Lets go of a run that still wants turns, so that anyone can take it. */
export async function release(tx: Reader, hold: Hold): Promise<void> {
  await tx.query(
    `update factotum.runs set worker = null
     where id = $1 and fence = $2 and worker = $3 and status = 'ready'`,
    [hold.run.id, hold.fence, hold.worker],
  );
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
