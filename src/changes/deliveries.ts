import type { ChangeSet } from "./change-set.ts";
import { OUTBOX } from "./emit.ts";
import type { Statement } from "./pipeline.ts";

/** Deliverers listen here for effects that were committed, or that a person sent again. */
export const OUTBOX_CHANNEL = "factotum_outbox";

/** Any number: tells these advisory locks from others of the same database. */
const ORDER_LOCKS = 7_316_507;

/**
 * Commits with the same channel and order key queue here to their end, so that positions become visible in
 * their own order.
 */
const LOCK = `select pg_catalog.pg_advisory_xact_lock(${ORDER_LOCKS}, k.hash)::text
  from (select distinct hashtext(o.channel || ' ' || o.order_key) as hash from factotum.outbox o
    where o.id = any($1::bigint[]) and o.order_key is not null order by 1 offset 0) k`;

const MAKE = `insert into factotum.deliveries (effect, change_set, channel, order_key, due_at, expires_at)
  select o.id, currval('factotum.change_sets_id_seq'), o.channel, o.order_key,
    factotum.now() + o.delay_seconds * interval '1 second', o.expires_at
  from factotum.outbox o where o.id = any($1::bigint[]) order by o.id`;

const TELL = `select pg_catalog.pg_notify('${OUTBOX_CHANNEL}', '')::text`;

/**
 * Statements that follow the one that writes a change set down: each effect in it gets its delivery, so that
 * there is none without a commit, and no commit without it.
 */
export function deliveryStatements(set: ChangeSet): readonly Statement[] {
  const made = set.rows.filter((row) => row.table === OUTBOX && row.before === null);
  if (made.length === 0) return [];
  const values = [made.map((row) => row.key.slice(1, -1))];
  return [{ text: LOCK, values }, { text: MAKE, values }, { text: TELL }];
}
