/** Payment methods of the shop's customers. Money is exact: whole cents in TypeScript, numeric in SQL. */
import type { Transaction } from "factotum/postgres";
import { type Dialect, refusal } from "./dialect.ts";

/** A customer's way to pay. */
export type PaymentMethod = {
  readonly id: string;
  readonly kind: "credit_card" | "paypal" | "gift_card";
  /** Cents on a gift card; null for the others. */
  readonly balance: bigint | null;
};

/** Whole cents of a price that a document or a table gave. */
export function cents(amount: number | string): bigint {
  return BigInt(Math.round(Number(amount) * 100));
}

/** Cents as numeric text. */
export function decimal(amount: bigint): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(3, "0");
  return `${amount < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** A payment method of this customer. @throws {InputError} `business-refusal` */
export async function paymentMethod(
  tx: Transaction,
  dialect: Dialect,
  owner: string,
  id: string,
): Promise<PaymentMethod> {
  const { rows } = await tx.query<{ kind: PaymentMethod["kind"]; balance: string | null }>(
    "select kind, balance from retail.payment_methods where user_id = $1 and payment_method_id = $2",
    [owner, id],
  );
  const [row] = rows;
  if (row === undefined) throw refusal(dialect, "Payment method not found");
  return { id, kind: row.kind, balance: row.balance === null ? null : cents(row.balance) };
}

/** Whether a gift card holds less than an amount of cents; other methods always suffice. */
export function fallsShort(method: PaymentMethod, amount: bigint): boolean {
  return method.balance !== null && method.balance < amount;
}

/** Takes cents from a gift card, or gives them where negative; other methods are settled elsewhere. */
export async function draw(tx: Transaction, method: PaymentMethod, amount: bigint): Promise<void> {
  if (method.kind !== "gift_card" || amount === 0n) return;
  await tx.query("update retail.payment_methods set balance = balance - $2 where payment_method_id = $1", [
    method.id,
    decimal(amount),
  ]);
}

/** Appends to an order's ledger. */
export async function appendPayment(
  tx: Transaction,
  orderId: string,
  entry: { readonly kind: "payment" | "refund"; readonly amount: bigint; readonly methodId: string },
): Promise<void> {
  await tx.query(
    `insert into retail.order_payments (order_id, seq, kind, amount, payment_method_id)
     select $1, coalesce(max(seq) + 1, 0), $2, $3, $4 from retail.order_payments where order_id = $1`,
    [orderId, entry.kind, decimal(entry.amount), entry.methodId],
  );
}
