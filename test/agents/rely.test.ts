/** Reads a tool relied on: what appeared since makes the attempt be made again, on what is there now. */
import { tool } from "factotum/agents";
import { rely } from "factotum/changes";
import { listSteps } from "factotum/runs";
import { expect, test } from "vitest";
import { z } from "zod";
import { clerk, openShop } from "./shop.ts";

const ORDERS_MAX = 2;

/** Only inserts, so that no row of its change set can show that somebody was faster. */
const placeOneOf = tool({
  name: "place_order",
  description: "Stages an order while there are few.",
  effect: "write",
  input: z.strictObject({ product: z.string(), quantity: z.number().int().positive() }),
  output: z.strictObject({ before: z.number() }),
  run: async (tx, { quantity }, context) => {
    const [row] = await context.rely<{ n: number }>("select count(*)::integer as n from shop.orders");
    const before = row?.n ?? 0;
    if (before >= ORDERS_MAX) throw new Error("no more orders today");
    await tx.query("insert into shop.orders (product_id, quantity) values (1, $1)", [quantity]);
    return { before };
  },
});

/** A rival that orders while the clerk's order is being checked, once for each of `quantities`. */
async function workBesideRival(...quantities: number[]) {
  const shop = await openShop(
    clerk({
      tools: [placeOneOf],
      checks: [
        {
          name: "somebody else orders meanwhile",
          run: async () => {
            const quantity = quantities.shift();
            if (quantity === undefined) return [];
            await shop.db.query("insert into shop.orders (product_id, quantity) values (2, $1)", [quantity]);
            return [];
          },
        },
      ],
    }),
  );
  const run = await shop.order({ product: "lamp", quantity: 3 });
  const steps = await listSteps(shop.db, run.id);
  const found = { status: run.status, steps, orders: await shop.orders() };
  await shop.close();
  return found;
}

test("an order that appeared is a conflict naming the query, and the attempt is made again", async () => {
  const { status, steps, orders } = await workBesideRival(7);
  expect([status, orders]).toEqual(["done", 2]);
  expect(steps.map((step) => step.kind)).toEqual(["conflict", "committed"]);
  expect(JSON.stringify(steps[0]?.data)).toContain("select count(*)::integer as n from shop.orders");
});

test("the last place is not given twice: the next try finds it taken, and a person is asked", async () => {
  const { status, steps, orders } = await workBesideRival(7, 8);
  expect([status, orders]).toEqual(["waiting", ORDERS_MAX]);
  expect(steps.map((step) => step.kind)).toEqual(["conflict", "conflict", "asked"]);
});

test("what a check relied on is held to the commit, too", async () => {
  let rivals = 1;
  const shop = await openShop(
    clerk({
      checks: [
        {
          name: "few orders",
          run: async ({ view }) => {
            const sql = "select count(*)::integer as n from shop.orders where quantity > 0";
            const [row] = await rely<{ n: number }>(view, sql);
            if (rivals-- > 0) {
              await shop.db.query("insert into shop.orders (product_id, quantity) values (2, 1)");
            }
            return (row?.n ?? 0) > 1 ? [{ kind: "fail", because: "too many orders" }] : [];
          },
        },
      ],
    }),
  );
  const run = await shop.order({ product: "lamp", quantity: 3 });
  const steps = await listSteps(shop.db, run.id);
  expect(steps.map((step) => step.kind)[0]).toBe("conflict");
  expect(JSON.stringify(steps[0]?.data)).toContain("from shop.orders where quantity > 0");
  expect([run.status, await shop.orders(), await shop.stock("lamp")]).toEqual(["waiting", 1, 10]);
  await shop.close();
});
