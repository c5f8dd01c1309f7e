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

const anyCall = fc.oneof(
  fc.record({
    name: fc.constant("modify_pending_order_items"),
    input: fc.record({
      order_id: fc.constant("#W1"),
      item_ids: fc.shuffledSubarray(["l1", "c1"], { minLength: 1 }),
      new_item_ids: fc.shuffledSubarray(["l2", "c2", "l1"], { minLength: 1, maxLength: 2 }),
      payment_method_id: fc.constantFrom("gift_card_1", "credit_card_1"),
    }),
  }),
  fc.record({
    name: fc.constant("cancel_pending_order"),
    input: fc.constant({ order_id: "#W1", reason: "no longer needed" }),
  }),
  fc.record({
    name: fc.constant("modify_pending_order_payment"),
    input: fc.record({
      order_id: fc.constant("#W1"),
      payment_method_id: fc.constantFrom("gift_card_1", "credit_card_1"),
    }),
  }),
);

test("whatever is called, money is neither made nor lost, and no gift card goes below nothing", async () => {
  let went = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyCall, { maxLength: 4 }), async (calls) => {
      const work = desk("own");
      for (const { name, input } of calls) {
        const done = await work.call(name, input).then(
          () => 1,
          () => 0,
        );
        went += done;
      }
      const { rows } = await peek(db, work.changes(), (tx) =>
        tx.query<{ balance: number; paid: number; worth: number }>(
          `select (select balance::float8 from retail.payment_methods where kind = 'gift_card') as balance,
             (select sum(case kind when 'payment' then amount else -amount end)::float8
                from retail.order_payments where order_id = '#W1') as paid,
             (select case o.status when 'cancelled' then 0 else sum(i.price)::float8 end
                from retail.orders o join retail.order_items i using (order_id)
                where order_id = '#W1' group by o.status) as worth`,
        ),
      );
      expect(rows[0]?.balance).toBeGreaterThanOrEqual(0);
      expect(rows[0]?.paid).toBeCloseTo(rows[0]?.worth ?? -1, 2);
    }),
    { numRuns: 40 },
  );
  expect(went).toBeGreaterThan(10);
});

test("sums follow the order of operations", () => {
  expect(evaluate("(6 - 4) + 2 * -3 / 4")).toBe(0.5);
  for (const wrong of ["1 / 0", "2 +", "(1", "2 3", ""])
    expect(() => evaluate(wrong)).toThrow("cannot be calculated");
});
