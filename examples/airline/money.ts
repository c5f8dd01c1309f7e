/** Payment methods of the airline's customers. */
import type { Transaction } from "factotum/postgres";
import { type Dialect, refusal } from "../retail/dialect.ts";

/** A customer's way to pay, if it has not been spent whole. */
export type PaymentMethod = {
  readonly id: string;
  readonly kind: "credit_card" | "gift_card" | "certificate";
  /** Dollars left; null for a credit card. */
  readonly amount: number | null;
};

/** The usable payment method of this customer, if there is one. */
export async function findMethod(
  tx: Transaction,
  userId: string,
  id: string,
): Promise<PaymentMethod | undefined> {
  const { rows } = await tx.query<{ kind: PaymentMethod["kind"]; amount: string | null }>(
    `select kind, amount from airline.payment_methods
     where user_id = $1 and payment_method_id = $2 and active`,
    [userId, id],
  );
  const [row] = rows;
  return row && { id, kind: row.kind, amount: row.amount === null ? null : Number(row.amount) };
}

/**
 * Charges a change of a reservation to one method and books it, where there is anything to book; a negative
 * amount is a refund.
 *
 * @throws {InputError} `business-refusal`
 */
export async function chargeChange(
  tx: Transaction,
  dialect: Dialect,
  reservation: { readonly reservation_id: string; readonly user_id: string },
  due: { readonly methodId: string; readonly amount: number },
): Promise<void> {
  const method = await findMethod(tx, reservation.user_id, due.methodId);
  if (method === undefined) throw refusal(dialect, "Payment method not found");
  if (method.kind === "certificate") {
    throw refusal(dialect, "Certificate cannot be used to update reservation");
  }
  if (method.kind === "gift_card" && (method.amount ?? 0) < due.amount) {
    throw refusal(dialect, "Gift card balance is not enough");
  }
  await spend(tx, dialect, reservation.user_id, { method, amount: due.amount });
  if (due.amount !== 0) await book(tx, reservation.reservation_id, due);
}

/** Takes dollars from a gift card; spends a certificate whole; a credit card is settled elsewhere. */
export async function spend(
  tx: Transaction,
  dialect: Dialect,
  userId: string,
  due: { readonly method: PaymentMethod; readonly amount: number },
): Promise<void> {
  const { method, amount } = due;
  if (method.kind === "certificate") await spendCertificate(tx, dialect, userId, method.id);
  if (method.kind !== "gift_card" || amount === 0) return;
  await tx.query(
    `update airline.payment_methods set amount = amount - $3
     where user_id = $1 and payment_method_id = $2`,
    [userId, method.id, amount],
  );
}

/** Slip of both benchmarks: a spent certificate vanishes, though the ledger names it; the rest move up. */
async function spendCertificate(
  tx: Transaction,
  dialect: Dialect,
  userId: string,
  id: string,
): Promise<void> {
  if (dialect === "own") {
    await tx.query(
      "update airline.payment_methods set active = false where user_id = $1 and payment_method_id = $2",
      [userId, id],
    );
    return;
  }
  const { rows } = await tx.query<{ seq: number }>(
    "delete from airline.payment_methods where user_id = $1 and payment_method_id = $2 returning seq",
    [userId, id],
  );
  await tx.query("update airline.payment_methods set seq = seq - 1 where user_id = $1 and seq > $2", [
    userId,
    rows[0]?.seq,
  ]);
}

/** Appends to a reservation's ledger. */
export async function book(
  tx: Transaction,
  reservationId: string,
  entry: { readonly methodId: string; readonly amount: number },
): Promise<void> {
  await tx.query(
    `insert into airline.reservation_payments (reservation_id, seq, payment_method_id, amount)
     select $1, coalesce(max(seq) + 1, 0), $2, $3
     from airline.reservation_payments where reservation_id = $1`,
    [reservationId, entry.methodId, entry.amount],
  );
}
