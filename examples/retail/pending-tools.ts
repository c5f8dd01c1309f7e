/** What may be done to an order before it ships: cancel, another address, another way to pay. */
import { tool, type Tool } from "factotum/agents";
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal } from "./dialect.ts";
import { appendPayment, cents, draw, fallsShort, paymentMethod } from "./money.ts";
import { Order, readOrder, readUser, User } from "./views.ts";

const ADDRESS_INPUT = {
  address1: z.string(),
  address2: z.string(),
  city: z.string(),
  state: z.string(),
  country: z.string(),
  zip: z.string(),
};
const ADDRESS_SET = "address1 = $2, address2 = $3, city = $4, state = $5, country = $6, zip = $7";
type Address = { readonly [field in keyof typeof ADDRESS_INPUT]: string };

/** Tools on pending orders and on the customer's own address, in a dialect. */
export function pendingTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "cancel_pending_order",
      description:
        "Stages the cancellation of a pending order and its refund. Needs the customer's explicit yes and " +
        "a reason: 'no longer needed' or 'ordered by mistake'.",
      effect: "write",
      input: z.strictObject({ order_id: z.string(), reason: z.string() }),
      output: Order,
      run: (tx, { order_id, reason }) => cancel(tx, dialect, order_id, reason),
    }),
    tool({
      name: "modify_pending_order_address",
      description: "Stages another shipping address for a pending order. Needs the customer's explicit yes.",
      effect: "write",
      input: z.strictObject({ order_id: z.string(), ...ADDRESS_INPUT }),
      output: Order,
      run: async (tx, { order_id, ...address }) => {
        const order = await readOrder(tx, dialect, order_id);
        requirePending(dialect, order);
        await tx.query(`update retail.orders set ${ADDRESS_SET} where order_id = $1`, [
          order_id,
          ...inOrder(address),
        ]);
        return readOrder(tx, dialect, order_id);
      },
    }),
    tool({
      name: "modify_pending_order_payment",
      description:
        "Stages another way to pay for a pending order: the whole amount is charged to it, and refunded to " +
        "the first. Needs the customer's explicit yes.",
      effect: "write",
      input: z.strictObject({ order_id: z.string(), payment_method_id: z.string() }),
      output: Order,
      run: (tx, { order_id, payment_method_id }) => repay(tx, dialect, order_id, payment_method_id),
    }),
    tool({
      name: "modify_user_address",
      description: "Stages another default address for a customer. Needs the customer's explicit yes.",
      effect: "write",
      input: z.strictObject({ user_id: z.string(), ...ADDRESS_INPUT }),
      output: User,
      run: async (tx, { user_id, ...address }) => {
        await tx.query(`update retail.users set ${ADDRESS_SET} where user_id = $1`, [
          user_id,
          ...inOrder(address),
        ]);
        return readUser(tx, dialect, user_id);
      },
    }),
  ];
}

async function cancel(tx: Transaction, dialect: Dialect, orderId: string, reason: string): Promise<Order> {
  const order = await readOrder(tx, dialect, orderId);
  if (order.status !== "pending") throw refusal(dialect, "Non-pending order cannot be cancelled");
  if (!["no longer needed", "ordered by mistake"].includes(reason)) throw refusal(dialect, "Invalid reason");
  for (const { methodId, amount } of dueBack(dialect, order)) {
    await draw(tx, await paymentMethod(tx, dialect, order.user_id, methodId), -amount);
    await appendPayment(tx, orderId, { kind: "refund", amount, methodId });
  }
  await tx.query("update retail.orders set status = 'cancelled', cancel_reason = $2 where order_id = $1", [
    orderId,
    reason,
  ]);
  return readOrder(tx, dialect, orderId);
}

type Refund = { readonly methodId: string; readonly amount: bigint };

/** What each method paid and was not given back yet. */
function dueBack(dialect: Dialect, order: Order): readonly Refund[] {
  const entries = order.payment_history.map(({ payment_method_id, amount, transaction_type }) => ({
    methodId: payment_method_id,
    amount: cents(amount),
    back: transaction_type === "refund",
  }));
  // Slip of both benchmarks: every entry of the ledger is refunded, a refund once more.
  if (dialect !== "own") return entries;
  const net = new Map<string, bigint>();
  for (const { methodId, amount, back } of entries) {
    net.set(methodId, (net.get(methodId) ?? 0n) + (back ? -amount : amount));
  }
  return [...net].map(([methodId, amount]) => ({ methodId, amount })).filter((due) => due.amount > 0n);
}

async function repay(tx: Transaction, dialect: Dialect, orderId: string, methodId: string): Promise<Order> {
  const order = await readOrder(tx, dialect, orderId);
  requirePending(dialect, order);
  const method = await paymentMethod(tx, dialect, order.user_id, methodId);
  const first = order.payment_history[0];
  if (order.payment_history.length !== 1 || first?.transaction_type !== "payment") {
    throw refusal(dialect, "There should be exactly one payment for a pending order");
  }
  if (first.payment_method_id === methodId) {
    throw refusal(dialect, "The new payment method should be different from the current one");
  }
  const amount = cents(first.amount);
  if (fallsShort(method, amount)) {
    throw refusal(dialect, "Insufficient gift card balance to pay for the order");
  }
  const before = await paymentMethod(tx, dialect, order.user_id, first.payment_method_id);
  await appendPayment(tx, orderId, { kind: "payment", amount, methodId });
  await appendPayment(tx, orderId, { kind: "refund", amount, methodId: before.id });
  await draw(tx, method, amount);
  await draw(tx, before, -amount);
  return readOrder(tx, dialect, orderId);
}

/** Dialect 2 takes `pending (item modified)` for pending here, as its recordings show. */
function requirePending(dialect: Dialect, order: Order): void {
  const pending = dialect === 2 ? order.status.includes("pending") : order.status === "pending";
  if (!pending) throw refusal(dialect, "Non-pending order cannot be modified");
}

function inOrder(address: Address): readonly string[] {
  const { address1, address2, city, state, country, zip } = address;
  return [address1, address2, city, state, country, zip];
}
