/** Conflicts: what moved under an attempt has it made again on fresh data, told why, a few times. */
import { agreement, listAttempts, type Rung } from "factotum/agents";
import { listCalls } from "factotum/calls";
import { listSteps, type Run } from "factotum/runs";
import { reply, scriptedProvider } from "factotum/testing";
import { expect, test } from "vitest";
import { clerk, type Order, openShop, type Shop } from "./shop.ts";

const order = reply([{ name: "place_order", arguments: { product: "lamp", quantity: 2 } }]);
const find = reply([{ name: "find_products", arguments: { where: { name: "lamp" } } }]);
const finish = reply([{ name: "finish", arguments: { unsure: [] } }]);
const cheap: Rung<Order> = { kind: "model", name: "cheap", model: "cheap" };
const lamps: Order = { product: "lamp", quantity: 2 };

const sell = (shop: Shop): Promise<unknown> =>
  shop.db.query("update shop.products set stock = stock - 1 where name = 'lamp'");
const ends = async (shop: Shop, run: Run): Promise<readonly string[]> =>
  (await listSteps(shop.db, run.id)).map((step) => step.kind).filter((kind) => kind !== "message");

test("a row that moves in the middle of a model's attempt ends it; the next one is told why", async () => {
  const sold: Promise<unknown>[] = [];
  const provider = await scriptedProvider(
    order,
    () => {
      // A model is being asked, so no staging is open: this is ahead of the next one.
      sold.push(sell(shop));
      return find;
    },
    ...[order, finish],
  );
  const shop = await openShop(clerk({ cascade: [cheap] }), [provider.url]);
  const run = await shop.order(lamps);
  await Promise.all(sold);
  expect(await ends(shop, run)).toEqual(["conflict", "committed"]);
  expect([run.outcome, await shop.stock("lamp"), await shop.orders()]).toEqual(["resolved", 7, 1]);
  const told = JSON.stringify(provider.requests[2]?.body);
  expect(told).toContain("cheap: nothing was committed, because rows moved since they were read");
  expect((await listCalls(shop.db, run.id)).map((call) => [call.attempt, call.state])).toEqual([
    ...[
      [1, "answered"],
      [1, "answered"],
    ],
    ...[
      [2, "answered"],
      [2, "answered"],
    ],
  ]);
  const [first] = await listAttempts(shop.db, run.id);
  expect([first?.status, first?.because]).toEqual([
    "discarded",
    expect.stringContaining("shop.products (1): "),
  ]);
  await shop.close();
  await provider.close();
});

test("a further try that meets rows that moved is a doubt, and nothing is committed", async () => {
  const sold: Promise<unknown>[] = [];
  const provider = await scriptedProvider(order, finish, order, () => {
    sold.push(sell(shop));
    return find;
  });
  const shop = await openShop(clerk({ cascade: [cheap], verifiers: [agreement()] }), [provider.url]);
  const run = await shop.order(lamps);
  await Promise.all(sold);
  const [question] = await shop.questions();
  expect([run.status, await shop.orders()]).toEqual(["waiting", 0]);
  expect(question?.card.because.join()).toContain("the further try did not finish: nothing was committed");
  await shop.close();
  await provider.close();
});

test("code is told why its last attempt was thrown away, and the third conflict asks a person", async () => {
  const told: (readonly string[])[] = [];
  const sold: Promise<unknown>[] = [];
  const shop = await openShop(
    clerk({
      checks: [
        {
          name: "somebody else is always first",
          // Not awaited: it waits for the staged view to be rolled back, and is then ahead of the commit.
          run: async ({ view }) => {
            sold.push(sell(shop));
            await view.query("select pg_sleep(0.1)");
            return [];
          },
        },
      ],
      cascade: [
        {
          kind: "code",
          name: "stubborn",
          run: async (work) => {
            told.push(work.feedback);
            await work.call("place_order", work.input);
            return { kind: "finished", doubts: [] };
          },
        },
      ],
    }),
  );
  const run = await shop.order(lamps);
  await Promise.all(sold);
  expect(await ends(shop, run)).toEqual(["conflict", "conflict", "asked"]);
  expect(told.map((feedback) => feedback.length)).toEqual([0, 1, 2]);
  expect(told[1]?.[0]).toContain("stubborn: nothing was committed, because rows moved");
  const [question] = await shop.questions();
  expect(question?.card.because.join()).toContain("3 attempts met rows that had moved");
  await shop.close();
});
