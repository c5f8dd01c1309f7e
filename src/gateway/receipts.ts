import { createHmac } from "node:crypto";
import type { CallId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import type { KeyRecord } from "./keys.ts";

/** A call's place under its idempotency key. */
export type Receipt = {
  /**
   * Says what came of the call, then calls `told`. One that was not billed leaves its place to the next.
   * With Postgres away the place stays taken: rather an answer refused than one billed twice.
   */
  end(state: "answered" | "failed" | "unbilled", told: () => void): void;
};

/** Whether a call may be made. */
export type Claim =
  | { readonly kind: "claimed"; readonly receipt: Receipt }
  | { readonly kind: "taken"; readonly first: FirstCall };

/** What is told of the call that was first under an idempotency key: nothing of its content. */
export type FirstCall = {
  readonly call: string;
  /** `unknown`: its replica was lost, and it may have been answered. */
  readonly state: "running" | "answered" | "failed" | "unknown";
  readonly begun_at: string;
  readonly ended_at: string | null;
  readonly attempts: readonly {
    readonly model: string;
    readonly label: string;
    readonly micro_usd: string;
  }[];
};

/** A key longer than this is no key. */
export const IDEMPOTENCY_CHARS_MAX = 255;
const KEPT = "1 day";
/** No call lasts longer. */
const RUNNING_MAX = "65 minutes";
const FORGET_MAX = 1_000;

/**
 * Claims the place of an idempotency key for a call. Only a hash of it is kept, keyed by a secret of the
 * caller's own key. Writes factotum.gateway_receipts.
 */
export async function claim(
  db: Database,
  key: KeyRecord,
  id: CallId,
  idempotencyKey: string,
  say: (line: string) => void,
): Promise<Claim> {
  const hash = createHmac("sha256", key.receiptSalt).update(idempotencyKey).digest();
  const claimed = await db.query(
    `insert into factotum.gateway_receipts as r (hash, key, call_id, state) values ($1, $2, $3, 'running')
     on conflict on constraint gateway_receipts_pkey do update set call_id = excluded.call_id,
       key = excluded.key, state = 'running', begun_at = clock_timestamp(), ended_at = null
     where r.begun_at < clock_timestamp() - $4::interval`,
    [hash, key.id, id, KEPT],
  );
  if (claimed.rowCount === 1) return { kind: "claimed", receipt: receiptOf(db, hash, id, say) };
  const first = await firstOf(db, hash);
  // It ended unbilled between the two questions.
  return first === null ? claim(db, key, id, idempotencyKey, say) : { kind: "taken", first };
}

function receiptOf(db: Database, hash: Buffer, id: CallId, say: (line: string) => void): Receipt {
  return {
    end(state, told) {
      const written =
        state === "unbilled"
          ? db.query("delete from factotum.gateway_receipts where hash = $1 and call_id = $2", [hash, id])
          : db.query(
              `update factotum.gateway_receipts set state = $3, ended_at = clock_timestamp()
               where hash = $1 and call_id = $2`,
              [hash, id, state],
            );
      written
        .catch((error: unknown) => say(`the receipt of ${id} could not be written: ${String(error)}`))
        .finally(told);
    },
  };
}

async function firstOf(db: Database, hash: Buffer): Promise<FirstCall | null> {
  const { rows } = await db.query<FirstCall>(
    `select r.call_id as call, r.begun_at::text, r.ended_at::text,
       case when r.state = 'running' and r.begun_at < clock_timestamp() - $2::interval then 'unknown'
         else r.state end as state,
       (select coalesce(json_agg(json_build_object('model', a.model, 'label', a.label,
          'micro_usd', a.amount_micro_usd::text) order by a.try), '[]')
        from factotum.gateway_attempts a where a.call_id = r.call_id) as attempts
     from factotum.gateway_receipts r where r.hash = $1`,
    [hash, RUNNING_MAX],
  );
  return rows[0] ?? null;
}

/** Forgets what is old. Writes factotum.gateway_receipts. */
export async function forgetReceipts(db: Database): Promise<void> {
  await db.query(
    `delete from factotum.gateway_receipts where hash in (
       select hash from factotum.gateway_receipts where begun_at < clock_timestamp() - $1::interval
       limit ${FORGET_MAX})`,
    [KEPT],
  );
}
