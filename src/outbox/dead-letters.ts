import { OUTBOX_CHANNEL } from "../changes/index.ts";
import { type EffectId, InputError } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type CommittedEffect, getEffect } from "./list.ts";

/**
 * Sends a dead effect again: at once, with all its tries before it, the same key, and no expiry.
 *
 * @param by the person, for the record
 * @throws {InputError} `effect-unknown`; `effect-not-dead`
 */
export async function resend(tx: Transaction, id: EffectId, by: string): Promise<CommittedEffect> {
  await change(
    tx,
    id,
    by,
    `state = 'waiting', tries_before = tries, retry_at = null, expires_at = null, settled_at = null`,
  );
  await tx.query("select pg_notify($1, '')::text", [OUTBOX_CHANNEL]);
  return await getEffect(tx, id);
}

/**
 * Gives a dead effect up for good; those of the same channel and order key that it held back go on.
 *
 * @throws {InputError} `effect-unknown`; `effect-not-dead`
 */
export async function drop(tx: Transaction, id: EffectId, by: string): Promise<CommittedEffect> {
  await change(tx, id, by, `state = 'dropped', settled_at = factotum.now()`);
  await tx.query("select pg_notify($1, '')::text", [OUTBOX_CHANNEL]);
  return await getEffect(tx, id);
}

async function change(tx: Transaction, id: EffectId, by: string, set: string): Promise<void> {
  const { rowCount } = await tx.query(
    `update factotum.deliveries set ${set}, settled_by = $2 where effect = $1 and state = 'dead'`,
    [id, by],
  );
  if (rowCount === 1) return;
  const { state } = await getEffect(tx, id);
  throw new InputError({
    code: "effect-not-dead",
    message: `effect ${id} is ${state}; only one that is dead can be resent or dropped`,
  });
}
