import { type ChangeSetId, type EffectId, InputError, type Json, type RunId } from "../kernel/index.ts";
import type { Sender } from "./claim.ts";

/** How the delivery of an effect stands. */
export type EffectState = "waiting" | "delivering" | "delivered" | "dead" | "dropped" | "withdrawn";

/** Every state there is. */
export const effectStates: readonly EffectState[] = [
  ...(["waiting", "delivering", "delivered", "dead", "dropped", "withdrawn"] as const),
];

/** A committed effect, and how its delivery stands. */
export type CommittedEffect = {
  readonly id: EffectId;
  readonly channel: string;
  readonly state: EffectState;
  /** Null where an undo took it away. */
  readonly body: Json;
  readonly key: string;
  readonly orderKey: string | null;
  readonly changeSet: ChangeSetId;
  readonly runId: RunId;
  readonly agent: string;
  /** Business time. */
  readonly committedAt: Date;
  /** Business time of the first try. */
  readonly dueAt: Date;
  readonly expiresAt: Date | null;
  readonly tries: number;
  /** Real time of the next try, of one that failed. */
  readonly retryAt: Date | null;
  /** The effect of the same channel and order key that must be through first. */
  readonly behind: EffectId | null;
  /** Whether the receiver may have got it in a try that had no answer. */
  readonly inDoubt: boolean;
  readonly lastError: string | null;
  /** What the receiver said. */
  readonly note: string | null;
  /** Business time at which it was delivered, given up, dropped or withdrawn. */
  readonly settledAt: Date | null;
  /** Who resent or dropped it last. */
  readonly settledBy: string | null;
};

/** Which effects to list, newest first. */
export type EffectFilter = {
  readonly state?: EffectState;
  readonly channel?: string;
  readonly runId?: RunId;
  readonly limit: number;
};

const COLUMNS = `d.effect::text as id, d.channel, d.state, o.body, d.idempotency_key as key,
  d.order_key as "orderKey", d.change_set::text as "changeSet", s.run_id::text as "runId", s.agent,
  s.committed_at as "committedAt", d.due_at as "dueAt", d.expires_at as "expiresAt", d.tries,
  d.retry_at as "retryAt", d.in_doubt as "inDoubt", d.last_error as "lastError", d.note,
  d.settled_at as "settledAt", d.settled_by as "settledBy",
  case when d.order_key is not null and d.state = 'waiting' then
    (select e.effect::text from factotum.deliveries e
     where e.channel = d.channel and e.order_key = d.order_key and e.position < d.position
       and e.state in ('waiting', 'delivering', 'dead') order by e.position limit 1) end as behind`;
const FROM = `from factotum.deliveries d join factotum.change_sets s on s.id = d.change_set
  left join factotum.outbox o on o.id = d.effect`;

/** Committed effects, newest first. */
export async function listEffects(db: Sender, filter: EffectFilter): Promise<readonly CommittedEffect[]> {
  const { rows } = await db.query<CommittedEffect>(
    `select ${COLUMNS} ${FROM}
     where ($1::text is null or d.state = $1) and ($2::text is null or d.channel = $2)
       and ($3::bigint is null or s.run_id = $3)
     order by d.position desc limit $4`,
    [filter.state ?? null, filter.channel ?? null, filter.runId ?? null, filter.limit],
  );
  return rows;
}

/** One committed effect. @throws {InputError} `effect-unknown` */
export async function getEffect(db: Sender, id: EffectId): Promise<CommittedEffect> {
  const { rows } = await db.query<CommittedEffect>(`select ${COLUMNS} ${FROM} where d.effect = $1`, [id]);
  const found = rows[0];
  if (found !== undefined) return found;
  throw new InputError({
    code: "effect-unknown",
    message: `there is no committed effect ${id}; list them with: factotum outbox`,
  });
}

/** How many effects stand how. */
export type EffectCount = Readonly<Record<EffectState, number>>;

/** Counts the effects of an agent, or of all. */
export async function countEffects(db: Sender, agent?: string): Promise<EffectCount> {
  const { rows } = await db.query<{ state: EffectState; count: number }>(
    `select d.state, count(*)::integer as count ${FROM} where $1::text is null or s.agent = $1 group by 1`,
    [agent ?? null],
  );
  const count = (state: EffectState): number => rows.find((row) => row.state === state)?.count ?? 0;
  return {
    ...{ waiting: count("waiting"), delivering: count("delivering"), delivered: count("delivered") },
    ...{ dead: count("dead"), dropped: count("dropped"), withdrawn: count("withdrawn") },
  };
}

/** Channels that effects wait for, with how many. */
export async function channelsWaitedFor(db: Sender): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ channel: string; count: number }>(
    `select channel, count(*)::integer as count from factotum.deliveries
     where state in ('waiting', 'delivering') group by 1 order by 1`,
  );
  return new Map(rows.map((row) => [row.channel, row.count]));
}
