import type { ChangeSetId, EffectId, Json, RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Delivery } from "./channel.ts";

/** Something that statements can be sent through. */
export type Sender = Pick<Transaction, "query">;

/** An effect in the hands of one deliverer. `delivery.attempt` counts from the last resend. */
export type Claimed = {
  readonly delivery: Delivery;
  /** Tries ever begun: the fence that settling asks for. */
  readonly tries: number;
  readonly expired: boolean;
  /** Its row in the outbox is gone, so there is nothing to deliver. */
  readonly missing: boolean;
};

/** What can be taken up now: due, or left behind by a deliverer whose lease ran out. $1 are the channels. */
const DUE = `d.channel = any($1) and (
    (d.state = 'waiting' and d.due_at <= factotum.now()
      and (d.retry_at is null or d.retry_at <= clock_timestamp()))
    or (d.state = 'delivering' and d.lease_until <= clock_timestamp()))
  and (d.order_key is null or not exists (select from factotum.deliveries e
    where e.channel = d.channel and e.order_key = d.order_key and e.position < d.position
      and e.state in ('waiting', 'delivering', 'dead')))`;

/** A try that its deliverer never ended is in doubt: it may have got through. */
const CLAIM = `with due as materialized (
    select d.effect from factotum.deliveries d where ${DUE}
    order by d.position limit $2 for no key update skip locked),
  taken as (
    update factotum.deliveries d set state = 'delivering', holder = $3, retry_at = null, tries = tries + 1,
      lease_until = clock_timestamp() + $4 * interval '1 millisecond',
      in_doubt = in_doubt or state = 'delivering'
    from due where d.effect = due.effect
    returning d.*)
  select t.effect::text, t.idempotency_key as key, t.channel, t.tries, t.tries - t.tries_before as attempt,
    t.change_set::text, clock_timestamp() as at, coalesce(t.expires_at <= factotum.now(), false) as expired,
    o.body, o.id is null as missing, s.committed_at, s.run_id::text, s.agent
  from taken t join factotum.change_sets s on s.id = t.change_set
  left join factotum.outbox o on o.id = t.effect
  order by t.position`;

type ClaimedRow = {
  readonly effect: string;
  readonly key: string;
  readonly channel: string;
  readonly tries: number;
  readonly attempt: number;
  readonly change_set: string;
  readonly at: Date;
  readonly expired: boolean;
  readonly body: Json;
  readonly missing: boolean;
  readonly committed_at: Date;
  readonly run_id: string;
  readonly agent: string;
};

/**
 * Takes up to `limit` effects whose time has come, oldest first, each under a lease: no other deliverer has
 * or gets one of them while it runs. Of effects with one channel and order key only the first that is not yet
 * through can be taken.
 *
 * @param holder this deliverer's own uuid
 */
export async function claim(
  db: Sender,
  channels: readonly string[],
  { holder, leaseMs, limit }: { readonly holder: string; readonly leaseMs: number; readonly limit: number },
): Promise<readonly Claimed[]> {
  const { rows } = await db.query<ClaimedRow>(CLAIM, [channels, limit, holder, leaseMs]);
  return rows.map(({ tries, expired, missing, ...row }) => ({
    ...{ tries, expired, missing },
    delivery: {
      ...{ effect: row.effect as EffectId, key: row.key, channel: row.channel, body: row.body },
      ...{ attempt: row.attempt, at: row.at, committedAt: row.committed_at, agent: row.agent },
      ...{ changeSet: row.change_set as ChangeSetId, runId: row.run_id as RunId },
    },
  }));
}

/**
 * Prolongs the leases of the given effects that have not run out. One that was claimed by a statement whose
 * answer was lost is not among them, and comes free.
 */
export async function renew(
  db: Sender,
  effects: readonly EffectId[],
  { holder, leaseMs }: { readonly holder: string; readonly leaseMs: number },
): Promise<void> {
  await db.query(
    `update factotum.deliveries set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
     where effect = any($1::bigint[]) and holder = $2 and state = 'delivering'
       and lease_until > clock_timestamp()`,
    [effects, holder, leaseMs],
  );
}

/** Whether anything can be delivered now, or is being delivered by somebody alive. */
export async function anyDue(db: Sender, channels: readonly string[]): Promise<boolean> {
  const { rows } = await db.query<{ any: boolean }>(
    `select exists (select from factotum.deliveries d where ${DUE})
       or exists (select from factotum.deliveries d
       where d.channel = any($1) and d.state = 'delivering' and d.lease_until > clock_timestamp()) as any`,
    [channels],
  );
  return rows[0]?.any ?? false;
}
