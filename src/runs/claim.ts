import type { Transaction } from "../postgres/index.ts";
import type { Hold } from "./hold.ts";
import { type Reader, runColumns, runOf, type RunRow } from "./run.ts";
import { channel } from "./start.ts";

/** Waiting runs made ready by one statement, and held ones freed; more of them are left to the next. */
const LOOKED_AT_MAX = 1_000;

/**
 * Prepared, since planning these costs more than running them. Ids are gathered in an array: a join with an
 * unknown number of rows would be planned as a scan of the whole table.
 */
const promoting = {
  name: "factotum.runs.promote",
  text: `update factotum.runs set
      status = 'ready', version = version + 1, updated_at = (select factotum.now())
    where id = any (array(
      select id from factotum.runs where status = 'waiting' and wake_at <= (select factotum.now())
      order by wake_at limit $1 for no key update skip locked))`,
};
/**
 * The dead are named first: a row that another freed and took up since this statement began must not be freed
 * because its new worker was not there yet when it began.
 */
const freeing = {
  name: "factotum.runs.free",
  text: `with gone as materialized (
      select distinct worker from factotum.runs where worker is not null
      except select id from factotum.living_workers)
    update factotum.runs set worker = null
    where id = any (array(
      select id from factotum.runs
      where worker is not null
        and ((worker = $1 and id <> all ($2::bigint[])) or worker in (select worker from gone))
      limit $3 for no key update skip locked))`,
};
/** @param condition on a free run `f`, beside what holds for all of them */
const claimingText = (condition: string): string =>
  `update factotum.runs r set worker = $1, fence = fence + 1
    where id = any (array(
      select f.id from factotum.runs f
      where f.status = 'ready' and f.worker is null
        and (f.retry_at is null or f.retry_at <= clock_timestamp())
        and exists (select from factotum.workers where id = $1 and lease_until > clock_timestamp())
        and not exists (select from factotum.limits) ${condition}
      order by f.priority desc, f.id limit $2 for no key update skip locked))
    returning ${runColumns}, r.fence`;
const claiming = { name: "factotum.runs.claim", text: claimingText("") };
const claimingSome = { name: "factotum.runs.claim-some", text: claimingText("and f.agent = any ($3)") };
const claimingLimited = {
  name: "factotum.runs.claim-limited",
  text: `select ${runColumns}, r.fence from factotum.claim_limited($1, $2, $3) r`,
};
const dating = {
  name: "factotum.runs.due",
  text: `select exists (select from factotum.limits) as limited, least(
      (select extract(epoch from wake_at - factotum.now()) * 1000
         / nullif(coalesce((select rate from factotum.clock), 1), 0)
       from factotum.runs where status = 'waiting' and wake_at is not null order by wake_at limit 1),
      (select extract(epoch from retry_at - clock_timestamp()) * 1000
       from factotum.runs where status = 'ready' and retry_at > (select clock_timestamp())
       order by retry_at limit 1),
      (select extract(epoch from min(w.lease_until) - clock_timestamp()) * 1000 from factotum.workers w
       where w.id <> $1 and w.lease_until > (select clock_timestamp())
         and exists (select from factotum.runs where worker = w.id)),
      factotum.limits_wait_ms())::float8 as ms`,
};

/** What a worker has to know beside its runs. */
export type Outlook = {
  /**
   * Real milliseconds until a run is due, may be tried again or taken up by its rate, or until the lease of
   * a worker that holds runs ends unless it is renewed; null: none.
   */
  readonly dueInMs: number | null;
  /** Whether there are limits on what is taken up. */
  readonly limited: boolean;
};

/**
 * Makes waiting runs ready whose time has come, and frees those of dead workers and those that were left
 * behind; if there are more than this worker can take, the others are told.
 *
 * @param held ids of the runs it has; one that its row says it has but is not among them was left behind
 */
export async function sweep(
  session: Transaction,
  worker: string,
  held: readonly string[],
  slots: number,
): Promise<void> {
  const promoted = await session.client.query({ ...promoting, values: [LOOKED_AT_MAX] });
  const freed = await session.client.query({ ...freeing, values: [worker, held, LOOKED_AT_MAX] });
  if ((promoted.rowCount ?? 0) + (freed.rowCount ?? 0) <= slots) return;
  await session.query("select pg_notify($1, 'ready')::text", [channel]);
}

/** What comes next, and under which rules. */
export async function lookAhead(session: Transaction, worker: string): Promise<Outlook> {
  const { rows } = await session.client.query<{ ms: number | null; limited: boolean }>({
    ...dating,
    values: [worker],
  });
  return { dueInMs: rows[0]?.ms ?? null, limited: rows[0]?.limited ?? false };
}

/**
 * Takes up to `limit` free ready runs, by priority, then age, and raises their fences. Takes none when
 * `worker` itself is not alive (its lease ran out): it must join again first. The session is the one that
 * holds the worker's lock.
 *
 * @param limited leave out what is at a limit; without it, nothing is taken where there are limits
 * @param agents whose runs alone are taken; null: every one's
 */
export async function claim(
  session: Transaction,
  worker: string,
  limit: number,
  limited: boolean,
  agents: readonly string[] | null,
): Promise<readonly Hold[]> {
  const statement = limited
    ? { ...claimingLimited, values: [worker, limit, agents] }
    : agents === null
      ? { ...claiming, values: [worker, limit] }
      : { ...claimingSome, values: [worker, limit, agents] };
  const { rows } = await session.client.query<RunRow & { fence: string }>(statement);
  return rows
    .map((row) => ({ worker, fence: row.fence, run: runOf(row), stateText: JSON.stringify(row.state) }))
    .sort((a, b) => b.run.priority - a.run.priority || (BigInt(a.run.id) < BigInt(b.run.id) ? -1 : 1));
}

/** Lets go of runs that still want turns, so that anyone can take them up; workers are told. */
export async function release(tx: Reader, holds: readonly Hold[]): Promise<void> {
  await tx.query(
    `with freed as (
       update factotum.runs r set worker = null
       from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as h (id, fence, worker)
       where r.id = h.id and r.fence = h.fence and r.worker = h.worker and r.status = 'ready'
       returning r.id)
     select pg_notify($4, 'ready')::text from freed limit 1`,
    [
      holds.map(({ run }) => run.id),
      holds.map(({ fence }) => fence),
      holds.map(({ worker }) => worker),
      channel,
    ],
  );
}

/** Whether any run of these agents wants a turn now, or has one; null: of any agent. */
export async function anyReady(tx: Reader, agents: readonly string[] | null): Promise<boolean> {
  const { rows } = await tx.query<{ any: boolean }>(
    `select exists (select from factotum.runs
                    where status = 'ready' and ($1::text[] is null or agent = any ($1)))
       or exists (select from factotum.runs
                  where status = 'waiting' and wake_at <= (select factotum.now())
                    and ($1::text[] is null or agent = any ($1))) as any`,
    [agents],
  );
  return rows[0]?.any ?? false;
}
