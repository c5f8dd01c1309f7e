/** Guards: rules on a tool call, asked before the tool runs. */
import fc from "fast-check";
import { listAttempts } from "factotum/agents";
import { answer } from "factotum/inbox";
import type { Finding, Guard, StagedView } from "factotum/policy";
import { listSteps } from "factotum/runs";
import { reply, scriptedProvider } from "factotum/testing";
import { expect, test } from "vitest";
import { clerk, type Order, openShop } from "./shop.ts";

const quantityOf = (input: unknown): number => (input as { readonly quantity: number }).quantity;

/** At most five of a thing an order. */
const atMostFive: Guard<Order> = {
  name: "at most five",
  tools: ["place_order"],
  run: async ({ call }) =>
    quantityOf(call.input) > 5 ? [{ kind: "fail", because: `${quantityOf(call.input)} are too many` }] : [],
};

const order = (quantity: number) =>
  reply([{ name: "place_order", arguments: { product: "lamp", quantity } }]);
const finish = reply([{ name: "finish", arguments: { unsure: [] } }]);
const fuzzy: Order = { product: "la lampe", quantity: 2 };

test("a refused call stages nothing, the model is told why, and may mend its ways", async () => {
  const provider = await scriptedProvider(order(9), order(2), finish);
  const shop = await openShop(clerk({ guards: [atMostFive] }), [provider.url]);
  const run = await shop.order(fuzzy);
  expect([run.outcome, await shop.stock("lamp"), await shop.orders()]).toEqual(["resolved", 8, 1]);
  expect(JSON.stringify(provider.requests[1]?.body)).toContain("refused by at most five: 9 are too many");
  const attempt = (await listAttempts(shop.db, run.id)).at(-1);
  expect(attempt?.refusals).toEqual([
    {
      ...{ tool: "place_order", input: { product: "lamp", quantity: 9 } },
      ...{ guard: "at most five", because: "9 are too many" },
    },
  ]);
  expect(attempt?.calls.map((call) => quantityOf(call.input))).toEqual([2]);
  const kinds = (await listSteps(shop.db, run.id)).map((step) => step.kind);
  expect(kinds.filter((kind) => kind === "refused-call")).toHaveLength(1);
  await shop.close();
  await provider.close();
});

test("a code rung whose call is refused gets a typed error, and the refusal is kept", async () => {
  let caught: unknown;
  const agent = clerk({
    guards: [atMostFive],
    cascade: [
      {
        kind: "code",
        name: "greedy",
        run: async (work) => {
          await work.call("place_order", { product: "lamp", quantity: 9 }).catch((error: unknown) => {
            caught = error;
          });
          await work.call("place_order", { product: "lamp", quantity: work.input.quantity });
          return { kind: "finished", doubts: [] };
        },
      },
    ],
  });
  const shop = await openShop(agent);
  const run = await shop.order({ product: "lamp", quantity: 3 });
  expect(caught).toMatchObject({ code: "call-refused", retry: "never", refusal: { guard: "at most five" } });
  const [attempt] = await listAttempts(shop.db, run.id);
  expect([run.outcome, attempt?.refusals.length, await shop.stock("lamp")]).toEqual(["resolved", 1, 7]);
  await shop.close();
});

test("what a guard asks or doubts is staged and ruled on at the end", async () => {
  const agent = clerk({
    guards: [{ name: "shy", run: async () => [{ kind: "ask", because: "I would rather ask" }] }],
  });
  const shop = await openShop(agent);
  const run = await shop.order({ product: "lamp", quantity: 3 });
  const [question] = await shop.questions();
  expect([run.status, question?.card.because]).toEqual(["waiting", ["shy: I would rather ask"]]);
  await shop.db.transaction((tx) => answer(tx, question?.id ?? fail(), { choice: "commit", by: "ann" }));
  expect([(await shop.settle(run.id)).outcome, await shop.stock("lamp")]).toEqual(["answered", 7]);
  await shop.close();
});

test("a guard sees the staged state and the calls before its own, reading ones too", async () => {
  const seen: unknown[] = [];
  const provider = await scriptedProvider(
    reply([{ name: "find_products", arguments: { where: { name: "lamp" } } }]),
    order(2),
    finish,
  );
  const agent = clerk({
    guards: [
      {
        name: "looks",
        run: async ({ call, calls, view, input }) => {
          const { rows } = await view.query("select stock from shop.products where name = 'lamp'");
          seen.push([call.tool, calls.map((one) => one.tool), rows[0]?.["stock"], input.quantity]);
          return [];
        },
      },
    ],
  });
  const shop = await openShop(agent, [provider.url]);
  await shop.order(fuzzy);
  expect(seen).toEqual([
    ["find_products", [], 10, 2],
    ["place_order", ["find_products"], 10, 2],
  ]);
  await shop.close();
  await provider.close();
});

const find = async (view: StagedView, sql: string): Promise<readonly Finding[]> => {
  await view.query(sql);
  return [];
};

const faulty: readonly (readonly [string, Guard<Order>["run"]])[] = [
  ["throws", () => Promise.reject(new TypeError("oops"))],
  ["breaks its transaction", async ({ view }) => find(view, "select 1 / 0")],
  ["writes", async ({ view }) => find(view, "update shop.products set stock = 1")],
  [
    "writes behind our back",
    async ({ view }) => {
      await view.query("rollback to savepoint factotum_guard");
      await view.query("update shop.products set stock = 1");
      return [{ kind: "fail", because: "and refuses" }];
    },
  ],
];
test.each(faulty)("a guard that %s has refused, and the attempt goes on", async (_, run) => {
  const provider = await scriptedProvider(
    order(2),
    reply([{ name: "give_up", arguments: { because: "no" } }]),
  );
  const shop = await openShop(clerk({ guards: [{ name: "faulty", run }] }), [provider.url]);
  const worked = await shop.order(fuzzy);
  const attempt = (await listAttempts(shop.db, worked.id)).at(-1);
  expect(attempt?.refusals.map((one) => one.guard)).toEqual(["faulty"]);
  expect([attempt?.changeSet.rows, await shop.stock("lamp")]).toEqual([[], 10]);
  await shop.close();
  await provider.close();
});

test("what a person may overrule does not hold for their correction; the rest does", async () => {
  const shop = await openShop(clerk({ guards: [{ ...atMostFive, overrule: "person" }, noChairs] }));
  const run = await shop.order({ product: "lamp!", quantity: 7 });
  const correct = async (product: string) => {
    const [question] = await shop.questions();
    const calls = [{ tool: "place_order", input: { product, quantity: 7 } }];
    await shop.db.transaction((tx) =>
      answer(tx, question?.id ?? fail(), { choice: "correct", calls, by: "ann" }),
    );
    return await shop.settle(run.id);
  };
  expect((await correct("chair")).status).toBe("waiting");
  expect((await shop.questions())[0]?.card.because.join()).toContain("refused by no chairs");
  expect([(await correct("lamp")).outcome, await shop.stock("lamp")]).toEqual(["answered", 3]);
  await shop.close();
});

const noChairs: Guard<Order> = {
  name: "no chairs",
  run: async ({ call }) =>
    (call.input as Order).product === "chair" ? [{ kind: "fail", because: "they are sold out" }] : [],
};

test("whatever is called, only what no guard refused is staged", async () => {
  let wanted: readonly number[] = [];
  const agent = clerk({
    guards: [atMostFive],
    checks: [{ name: "as it comes", run: async () => [] }],
    cascade: [
      {
        kind: "code",
        name: "many",
        async run(work) {
          for (const quantity of wanted) {
            await work.call("place_order", { product: "chair", quantity }).catch(() => undefined);
          }
          return { kind: "finished", doubts: [] };
        },
      },
    ],
  });
  const shop = await openShop(agent);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }), async (quantities) => {
      wanted = quantities;
      const [stock, orders] = [await shop.stock("chair"), await shop.orders()];
      const run = await shop.order({ product: "chair", quantity: 1 });
      const allowed = quantities.filter((quantity) => quantity <= 5);
      const [attempt] = await listAttempts(shop.db, run.id);
      expect(attempt?.refusals).toHaveLength(quantities.length - allowed.length);
      expect(await shop.orders()).toBe(orders + allowed.length);
      expect(await shop.stock("chair")).toBe(stock - allowed.reduce((sum, one) => sum + one, 0));
    }),
    { numRuns: 12 },
  );
  await shop.close();
});

function fail(): never {
  throw new Error("there is no question");
}
