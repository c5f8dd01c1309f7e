/** What may be done to the items of an order: other variants before it ships, exchange and return after. */
import { tool, type Tool } from "factotum/agents";
import { must } from "factotum/kernel";
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal } from "./dialect.ts";
import { appendPayment, cents, decimal, draw, fallsShort, paymentMethod } from "./money.ts";
import { Order, readOrder } from "./views.ts";

const SWAP = z.strictObject({
  order_id: z.string(),
  item_ids: z.array(z.string()),
  new_item_ids: z.array(z.string()),
  payment_method_id: z.string(),
});
const RETURN = SWAP.omit({ new_item_ids: true });

/** Tools on the items of an order, in a dialect. */
export function itemTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "modify_pending_order_items",
      description:
        "Stages other variants of the same products for items of a pending order; once per order, all " +
        "items in one call. Each new item id stands at the place of its old one. Needs the customer's yes.",
      effect: "write",
      input: SWAP,
      output: Order,
      run: (tx, input) => modify(tx, dialect, input),
    }),
    tool({
      name: "exchange_delivered_order_items",
      description:
        "Stages the exchange of items of a delivered order for variants of the same products; once per " +
        "order, all items in one call. Needs the customer's explicit yes.",
      effect: "write",
      input: SWAP,
      output: Order,
      run: (tx, input) => exchange(tx, dialect, input),
    }),
    tool({
      name: "return_delivered_order_items",
      description:
        "Stages the return of items of a delivered order; the refund goes to the original payment method " +
        "or a gift card. Needs the customer's explicit yes.",
      effect: "write",
      input: RETURN,
      output: Order,
      run: (tx, input) => giveBack(tx, dialect, input),
    }),
  ];
}

type Line = { readonly line: number; item: string };
type Bought = { readonly id: string; readonly price: bigint };

async function modify(tx: Transaction, dialect: Dialect, input: z.infer<typeof SWAP>): Promise<Order> {
  const order = await readOrder(tx, dialect, input.order_id);
  if (order.status !== "pending") throw refusal(dialect, "Non-pending order cannot be modified");
  requireItems(order, input.item_ids, (id) => refusal(dialect, `${id} not found`));
  requirePairs(dialect, input);
  if (dialect !== 1 && input.item_ids.some((id, at) => id === input.new_item_ids[at])) {
    throw refusal(dialect, "The new item id should be different from the old item id");
  }
  const { bought, difference } = await variants(tx, dialect, order, input);
  const method = await paymentMethod(tx, dialect, order.user_id, input.payment_method_id);
  if (fallsShort(method, difference)) {
    throw refusal(dialect, "Insufficient gift card balance to pay for the new item");
  }
  await appendPayment(tx, order.order_id, {
    kind: difference > 0n ? "payment" : "refund",
    amount: difference < 0n ? -difference : difference,
    methodId: method.id,
  });
  await draw(tx, method, difference);
  const lines: readonly Line[] = order.items.map((item, line) => ({ line, item: item.item_id }));
  for (const [at, old] of input.item_ids.entries()) {
    const found = must(
      lines.find((one) => one.item === old),
      `line of item ${old}`,
    );
    const next = must(bought[at], "new item");
    // Slip of dialect 2: every line gets the price and options of the last new variant.
    const priced = dialect === 2 ? must(bought.at(-1), "last new item") : next;
    found.item = next.id;
    await tx.query(
      `update retail.order_items i set item_id = $3, price = v.price, options = v.options
       from retail.variants v where v.item_id = $4 and i.order_id = $1 and i.line_no = $2`,
      [order.order_id, found.line, next.id, priced.id],
    );
  }
  await setStatus(tx, order.order_id, "pending (item modified)");
  return readOrder(tx, dialect, order.order_id);
}

async function exchange(tx: Transaction, dialect: Dialect, input: z.infer<typeof SWAP>): Promise<Order> {
  const order = await readOrder(tx, dialect, input.order_id);
  if (order.status !== "delivered") throw refusal(dialect, "Non-delivered order cannot be exchanged");
  requireItems(order, input.item_ids, (id) =>
    refusal(dialect, dialect === 1 ? `${id} not found` : `Number of ${id} not found.`),
  );
  requirePairs(dialect, input, dialect === 1 ? "" : ".");
  const { difference } = await variants(tx, dialect, order, input);
  const method = await paymentMethod(tx, dialect, order.user_id, input.payment_method_id);
  if (fallsShort(method, difference)) {
    throw refusal(dialect, "Insufficient gift card balance to pay for the price difference");
  }
  await tx.query(
    `update retail.orders set status = 'exchange requested', exchange_payment_method_id = $2,
       exchange_price_difference = $3 where order_id = $1`,
    [order.order_id, method.id, decimal(difference)],
  );
  // Slip of both benchmarks: the two lists are sorted apart, so that which was exchanged for which is lost.
  const kept = (ids: readonly string[]): readonly string[] => (dialect === "own" ? ids : ids.toSorted());
  await noteItems(tx, order.order_id, "exchange_out", kept(input.item_ids));
  await noteItems(tx, order.order_id, "exchange_in", kept(input.new_item_ids));
  return readOrder(tx, dialect, order.order_id);
}

async function giveBack(tx: Transaction, dialect: Dialect, input: z.infer<typeof RETURN>): Promise<Order> {
  const order = await readOrder(tx, dialect, input.order_id);
  if (order.status !== "delivered") throw refusal(dialect, "Non-delivered order cannot be returned");
  const method = await paymentMethod(tx, dialect, order.user_id, input.payment_method_id);
  if (method.kind !== "gift_card" && method.id !== order.payment_history[0]?.payment_method_id) {
    const or =
      dialect === 1 ? "either the original payment method or a gift card" : "the original payment method";
    throw refusal(dialect, `Payment method should be ${or}`);
  }
  requireItems(order, input.item_ids, () => refusal(dialect, "Some item not found"));
  await tx.query(
    "update retail.orders set status = 'return requested', return_payment_method_id = $2 where order_id = $1",
    [order.order_id, method.id],
  );
  await noteItems(tx, order.order_id, "return", input.item_ids.toSorted());
  return readOrder(tx, dialect, order.order_id);
}

function requireItems(order: Order, ids: readonly string[], missing: (id: string) => Error): void {
  const count = (all: readonly string[], id: string): number => all.filter((one) => one === id).length;
  const held = order.items.map((item) => item.item_id);
  const lacking = ids.find((id) => count(ids, id) > count(held, id));
  if (lacking !== undefined) throw missing(lacking);
}

function requirePairs(dialect: Dialect, input: z.infer<typeof SWAP>, end = ""): void {
  if (input.item_ids.length === input.new_item_ids.length) return;
  throw refusal(dialect, `The number of items to be exchanged should match${end}`);
}

/** The new variants in order, and what the customer owes for them, in cents; negative is a refund. */
async function variants(
  tx: Transaction,
  dialect: Dialect,
  order: Order,
  input: z.infer<typeof SWAP>,
): Promise<{ readonly bought: readonly Bought[]; readonly difference: bigint }> {
  const bought: Bought[] = [];
  let difference = 0n;
  for (const [at, old] of input.item_ids.entries()) {
    const id = must(input.new_item_ids[at], "new item");
    const line = must(
      order.items.find((item) => item.item_id === old),
      `item ${old}`,
    );
    const { rows } = await tx.query<{ price: string; available: boolean }>(
      "select price, available from retail.variants where item_id = $1 and product_id = $2",
      [id, line.product_id],
    );
    if (rows[0] === undefined && dialect === 2) throw refusal(dialect, "Variant not found");
    if (rows[0]?.available !== true) throw refusal(dialect, `New item ${id} not found or available`);
    const price = cents(rows[0].price);
    bought.push({ id, price });
    difference += price - cents(line.price);
  }
  return { bought, difference };
}

async function noteItems(
  tx: Transaction,
  orderId: string,
  role: string,
  itemIds: readonly string[],
): Promise<void> {
  await tx.query(
    `insert into retail.order_change_items (order_id, role, seq, item_id)
     select $1, $2, seq - 1, item_id from unnest($3::text[]) with ordinality as given (item_id, seq)`,
    [orderId, role, itemIds],
  );
}

async function setStatus(tx: Transaction, orderId: string, status: string): Promise<void> {
  await tx.query("update retail.orders set status = $2 where order_id = $1", [orderId, status]);
}
