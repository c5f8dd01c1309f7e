/** A run lives on after its commit: it sleeps, wakes by the business clock, asks, acts, or ends. */
import { type Agent, type Follow, listAttempts, type RestingStep } from "factotum/agents";
import { answer } from "factotum/inbox";
import { setClock } from "factotum/postgres";
import { listSteps } from "factotum/runs";
import { expect, test } from "vitest";
import { clerk, type Order, openShop } from "./shop.ts";

const HOUR_MS = 3_600_000;
const START = new Date("2026-03-02T08:00:00Z");

const wait = (until: Date): RestingStep => ({ kind: "wait", until, memo: null });

/** Looks after an hour whether the order was cancelled; if not, asks, and reorders unless told otherwise. */
const chase: Follow<Order> = {
  checks: [{ name: "anything goes", run: async () => [] }],
  begin: async ({ at }) => wait(new Date(at.getTime() + HOUR_MS)),
  async wake({ at, view, choice, input }) {
    const { rows } = await view.query("select 1 from shop.orders");
    if (rows.length === 0) return { kind: "done", outcome: "it was cancelled" };
    if (choice === "reorder") {
      return {
        kind: "act",
        calls: [{ tool: "place_order", input }],
        next: { kind: "done", outcome: "reordered" },
      };
    }
    if (choice !== undefined) return { kind: "done", outcome: choice };
    if (at.getTime() < START.getTime() + HOUR_MS) return wait(new Date(START.getTime() + HOUR_MS));
    return {
      kind: "ask",
      card: {
        title: "Did it arrive?",
        about: "the order",
        because: ["an hour has passed"],
        choices: [
          { id: "arrived", label: "Yes" },
          { id: "reorder", label: "Order it again" },
        ],
      },
      defaultChoice: "reorder",
      dueAt: new Date(at.getTime() + HOUR_MS),
      memo: null,
    };
  },
};

const following = (): Agent<Order> => clerk({ follow: chase });

test("a run sleeps until its time, asks, and takes the answer", async () => {
  const shop = await openShop(following());
  await setClock(shop.db, { at: START, rate: 0 });
  const run = await shop.order({ product: "lamp", quantity: 1 });
  expect([run.status, run.wakeAt?.getTime(), (await shop.questions()).length]).toEqual([
    "waiting",
    START.getTime() + HOUR_MS,
    0,
  ]);
  await setClock(shop.db, { at: new Date(START.getTime() + HOUR_MS), rate: 0 });
  await shop.settle(run.id);
  const [question] = await shop.questions();
  expect(question?.card.title).toBe("Did it arrive?");
  await shop.db.transaction((tx) => answer(tx, question?.id ?? fail(), { choice: "arrived", by: "ann" }));
  const after = await shop.settle(run.id);
  expect([after.status, after.outcome, await shop.orders()]).toEqual(["done", "resolved", 1]);
  await shop.close();
});

test("a question nobody answers takes its default at the time-out, and acts on it", async () => {
  const shop = await openShop(following());
  await setClock(shop.db, { at: START, rate: 0 });
  const run = await shop.order({ product: "lamp", quantity: 2 });
  await setClock(shop.db, { at: new Date(START.getTime() + HOUR_MS), rate: 0 });
  await shop.settle(run.id);
  await setClock(shop.db, { at: new Date(START.getTime() + 3 * HOUR_MS), rate: 0 });
  const after = await shop.settle(run.id);
  expect([after.status, await shop.orders(), await shop.stock("lamp")]).toEqual(["done", 2, 6]);
  expect((await listAttempts(shop.db, run.id)).map((one) => one.rung)).toEqual(["exact", "follow-up"]);
  await shop.close();
});

test("a follower looks at the world when it wakes", async () => {
  const shop = await openShop(following());
  await setClock(shop.db, { at: START, rate: 0 });
  const run = await shop.order({ product: "lamp", quantity: 1 });
  await shop.db.query("delete from shop.orders");
  await setClock(shop.db, { at: new Date(START.getTime() + HOUR_MS), rate: 0 });
  const after = await shop.settle(run.id);
  const last = (await listSteps(shop.db, run.id)).at(-1);
  expect([after.status, last?.data]).toEqual(["done", { because: "it was cancelled" }]);
  await shop.close();
});

function fail(): never {
  throw new Error("there is no question");
}
