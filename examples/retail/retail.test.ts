import fc from "fast-check";
import { peek } from "factotum/changes";
import type { Json, JsonObject } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { beforeAll, expect, test } from "vitest";
import { evaluate } from "./calculate.ts";
import type { Dialect } from "./dialect.ts";
import { attempt, type Attempt, openShop } from "./sample-shop.ts";
import { retailTables, retailTools } from "./tools.ts";

let db: Database;
beforeAll(async () => {
  db = await openShop();
});

const desk = (dialect: Dialect): Attempt => attempt(db, retailTables, retailTools(dialect));
const swapBoth = {
  ...{ order_id: "#W1", item_ids: ["l1", "c1"], new_item_ids: ["l2", "c2"] },
  payment_method_id: "credit_card_1",
};

test("each dialect refuses and leaves out in its own way", async () => {
  const missing = { order_id: "#W9" };
  await expect(desk(1).call("get_order_details", missing)).rejects.toThrow("order not found");
  await expect(desk(2).call("get_order_details", missing)).rejects.toThrow("Order not found");
  expect(await desk(1).call("get_order_details", { order_id: "#W1" })).not.toHaveProperty("cancel_reason");
  expect(await desk(2).call("get_order_details", { order_id: "#W1" })).toHaveProperty("cancel_reason", null);
});

test("a cancelled order is refunded to its gift card at once, and nobody else sees it", async () => {
  const work = desk(2);
  const order = await work.call("cancel_pending_order", { order_id: "#W1", reason: "no longer needed" });
  expect(order).toMatchObject({
    status: "cancelled",
    payment_history: [{ transaction_type: "payment" }, { transaction_type: "refund", amount: 60.1 }],
  });
  const user = await work.call("get_user_details", { user_id: "ida" });
  expect(user).toMatchObject({ payment_methods: { gift_card_1: { balance: 90.1 } } });
  expect(await desk(2).call("get_order_details", { order_id: "#W1" })).toMatchObject({ status: "pending" });
});

test("dialect 2 prices every changed line like the last; ours and dialect 1 each like its own", async () => {
  const prices = async (dialect: Dialect): Promise<readonly Json[]> => {
    const order = (await desk(dialect).call("modify_pending_order_items", swapBoth)) as JsonObject;
    return (order["items"] as readonly JsonObject[]).map((item) => item["price"] ?? null);
  };
  expect(await prices(1)).toEqual([12.4, 45.55]);
  expect(await prices(2)).toEqual([45.55, 45.55]);
  expect(await prices("own")).toEqual([12.4, 45.55]);
});

test("an exchange keeps its pairs with us, and loses them in the benchmarks", async () => {
  const input = {
    ...{ order_id: "#W2", item_ids: ["l2", "c1"], new_item_ids: ["l1", "c2"] },
    payment_method_id: "credit_card_1",
  };
  const pairs = { exchange_items: ["l2", "c1"], exchange_new_items: ["l1", "c2"] };
  expect(await desk("own").call("exchange_delivered_order_items", input)).toMatchObject(pairs);
  const sorted = { exchange_items: ["c1", "l2"], exchange_new_items: ["c2", "l1"] };
  expect(await desk(2).call("exchange_delivered_order_items", input)).toMatchObject(sorted);
});

test("what the business does not do is refused", async () => {
  const refused = async (name: string, input: Json, because: string): Promise<void> => {
    const work = desk("own");
    await expect(work.call(name, input)).rejects.toThrow(because);
    expect(work.changes().rows).toEqual([]);
  };
  await refused("cancel_pending_order", { order_id: "#W2", reason: "no longer needed" }, "Non-pending");
  await refused("cancel_pending_order", { order_id: "#W1", reason: "bored" }, "Invalid reason");
  await refused(
    "modify_pending_order_items",
    { ...swapBoth, new_item_ids: ["l3", "c2"] },
    "l3 not found or available",
  );
  await refused(
    "modify_pending_order_items",
    { ...swapBoth, new_item_ids: ["c1", "c2"] },
    "not found or available",
  );
  await refused("modify_pending_order_items", { ...swapBoth, new_item_ids: ["l2"] }, "should match");
  await refused(
    "modify_pending_order_items",
    { ...swapBoth, payment_method_id: "paypal_1" },
    "Payment method not found",
  );
  await refused(
    "modify_pending_order_payment",
    { order_id: "#W1", payment_method_id: "gift_card_1" },
    "different from the current one",
  );
});

const method = fc.constantFrom("gift_card_1", "credit_card_1");
const cancel = { order_id: "#W1", reason: "no longer needed" };
type Called = { readonly name: string; readonly input: Json };
const called = (name: string, input: fc.Arbitrary<Json>): fc.Arbitrary<Called> =>
  fc.record({ name: fc.constant(name), input });
const anyCall = fc.oneof(
  called("modify_pending_order_items", itemsOf("#W1", ["l1", "c1"], ["l2", "c2", "l1"])),
  called("exchange_delivered_order_items", itemsOf("#W2", ["l2", "c1"], ["a9", "c2", "l1"])),
  called("cancel_pending_order", fc.constant(cancel)),
  called(
    "modify_pending_order_payment",
    fc.record({ order_id: fc.constant("#W1"), payment_method_id: method }),
  ),
);

function itemsOf(order: string, old: readonly string[], others: readonly string[]): fc.Arbitrary<Json> {
  return fc.record({
    order_id: fc.constant(order),
    item_ids: fc.shuffledSubarray([...old], { minLength: 1 }),
    new_item_ids: fc.shuffledSubarray([...others], { minLength: 1, maxLength: 2 }),
    payment_method_id: method,
  });
}

const BROKEN = `
  select 'a gift card is below nothing' as because from retail.payment_methods where balance < 0
  union select 'an order is not paid for as it is' from retail.orders o where o.order_id = '#W1' and
    (select sum(case kind when 'payment' then amount else -amount end)
       from retail.order_payments p where p.order_id = o.order_id) <>
    case o.status when 'cancelled' then 0 else
      (select sum(price) from retail.order_items i where i.order_id = o.order_id) end
  union select 'an item is exchanged for one of another product'
    from retail.order_change_items gone join retail.order_change_items come using (order_id, seq)
    join retail.variants a on a.item_id = gone.item_id join retail.variants b on b.item_id = come.item_id
    where gone.role = 'exchange_out' and come.role = 'exchange_in' and a.product_id <> b.product_id`;

/** Makes the calls, and says after each what no longer holds. */
async function slips(dialect: Dialect, calls: readonly Called[]) {
  const work = desk(dialect);
  const broken = new Set<string>();
  let went = 0;
  for (const { name, input } of calls) {
    const done = await work.call(name, input).catch(() => undefined);
    if (done === undefined) continue;
    went += 1;
    const { rows } = await peek(db, work.changes(), (tx) => tx.query<{ because: string }>(BROKEN));
    for (const row of rows) broken.add(row.because);
  }
  return { went, broken: [...broken] };
}

test("whatever is called, money is neither made nor lost and an exchange keeps its pairs", async () => {
  let went = 0;
  const calls = fc.array(anyCall, { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(calls, async (some) => {
      const done = await slips("own", some);
      went += done.went;
      expect(done.broken).toEqual([]);
    }),
    { numRuns: 40 },
  );
  expect(went).toBeGreaterThan(10);
});

test("the same rule catches the benchmark's slips: prices of the last item, pairs sorted apart", async () => {
  const apart = {
    ...{ order_id: "#W2", item_ids: ["l2", "c1"], new_item_ids: ["a9", "c2"] },
    payment_method_id: "credit_card_1",
  };
  const calls = [
    { name: "modify_pending_order_items", input: swapBoth },
    { name: "exchange_delivered_order_items", input: apart },
  ];
  const caught = ["an item is exchanged for one of another product", "an order is not paid for as it is"];
  expect((await slips(2, calls)).broken.sort()).toEqual(caught);
  expect((await slips(1, calls)).broken).toEqual(caught.slice(0, 1));
  expect(await slips("own", calls)).toEqual({ went: 2, broken: [] });
});

test("sums follow the order of operations", () => {
  expect(evaluate("(6 - 4) + 2 * -3 / 4")).toBe(0.5);
  for (const wrong of ["1 / 0", "2 +", "(1", "2 3", ""])
    expect(() => evaluate(wrong)).toThrow("cannot be calculated");
});
