/** Agreement: further tries of a rung that must stage the same change; no proof, and no commit by itself. */
import { agreement, judge, listAttempts, type Verifier } from "factotum/agents";
import { answer } from "factotum/inbox";
import { totals } from "factotum/ledger";
import { reply, type ScriptedProvider, scriptedProvider } from "factotum/testing";
import { afterAll, expect, test } from "vitest";
import { clerk, exactRung, type Order, openShop, type Shop } from "./shop.ts";

const usage = { input: 1_000, output: 100 };
const order = (quantity: number) =>
  reply([{ name: "place_order", arguments: { product: "lamp", quantity } }], usage);
const finish = reply([{ name: "finish", arguments: { unsure: [] } }], usage);
const lamps: Order = { product: "la lampe", quantity: 2 };
const cheap = { kind: "model", name: "cheap", model: "cheap" } as const;

const opened: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(opened.map((close) => close())));

async function agreeing(
  scripts: readonly (readonly ReturnType<typeof reply>[])[],
  verifiers: readonly Verifier<Order>[],
  more: Parameters<typeof clerk>[0] = {},
): Promise<{ readonly shop: Shop; readonly providers: readonly ScriptedProvider[] }> {
  const providers = await Promise.all(scripts.map((script) => scriptedProvider(...script)));
  const agent = clerk({ cascade: [cheap], verifiers, ...more });
  const shop = await openShop(
    agent,
    providers.map((provider) => provider.url),
  );
  opened.push(async () => void (await Promise.all([shop.close(), ...providers.map((one) => one.close())])));
  return { shop, providers };
}

const because = async (shop: Shop): Promise<string> =>
  (await shop.questions())[0]?.card.because.join("; ") ?? "nobody is asked";

test("two tries that stage the same pass; the first is committed, at the price of both", async () => {
  const { shop } = await agreeing([[order(2), finish, order(2), finish]], [agreement()]);
  const run = await shop.order(lamps);
  expect([run.outcome, await shop.stock("lamp"), await shop.orders()]).toEqual(["resolved", 8, 1]);
  const attempts = await listAttempts(shop.db, run.id);
  expect(attempts.map((one) => [one.number, one.status, one.diff.length])).toEqual([
    [1, "committed", 2],
    [2, "compared", 2],
  ]);
  expect(attempts[0]?.verdicts.at(-1)).toEqual({
    ...{ check: "further tries stage the same change", by: "agreement", kind: "pass", costMicroUsd: "2400" },
  });
  expect((await totals(shop.db)).cost).toBe(4_800n);
});

test("two tries that differ are unsure, by name of what differs; a person may take the first", async () => {
  const { shop } = await agreeing([[order(2), finish, order(5), finish]], [agreement()]);
  const run = await shop.order(lamps);
  const why = await because(shop);
  expect(why).toContain('only the first: insert shop.orders id=<given>, product_id="1", quantity="2"');
  expect(why).toContain('only the further one: insert shop.orders id=<given>, product_id="1", quantity="5"');
  const [question] = await shop.questions();
  await shop.db.transaction((tx) => answer(tx, question?.id ?? fail(), { choice: "commit", by: "ann" }));
  expect([(await shop.settle(run.id)).outcome, await shop.stock("lamp")]).toEqual(["answered", 8]);
});

test("agreement alone commits nothing: with no other check a person is asked", async () => {
  const { shop } = await agreeing([[order(2), finish, order(2), finish]], [agreement()], { checks: [] });
  await shop.order(lamps);
  expect([await because(shop), await shop.orders()]).toEqual(["no check has looked at this change", 0]);
});

test("a further try may be another model's, and starts clean: it is not shown the first", async () => {
  const scripts = [
    [order(2), finish],
    [order(2), finish],
  ];
  const { shop, providers } = await agreeing(scripts, [agreement({ model: "strong" })]);
  const run = await shop.order(lamps);
  expect([run.outcome, providers.map((one) => one.left)]).toEqual(["resolved", [0, 0]]);
  expect((await listAttempts(shop.db, run.id)).map((one) => one.model)).toEqual([
    "local0/tiny",
    "local1/tiny",
  ]);
  expect(JSON.stringify(providers[1]?.requests[0]?.body)).not.toContain('place_order","arguments');
});

test("three must all agree, and the first that does not is the last that is paid", async () => {
  const three = [order(2), finish, order(2), finish];
  const all = await agreeing([[...three, order(2), finish]], [agreement({ times: 3 })]);
  expect((await all.shop.order(lamps)).outcome).toBe("resolved");
  const { shop, providers } = await agreeing(
    [[order(2), finish, order(3), finish]],
    [agreement({ times: 3 })],
  );
  await shop.order(lamps);
  expect([providers[0]?.requests.length, await shop.orders()]).toEqual([4, 0]);
});

test("a further try that gives up is a doubt", async () => {
  const gives = reply([{ name: "give_up", arguments: { because: "too hard" } }]);
  const { shop } = await agreeing([[order(2), finish, gives]], [agreement()]);
  await shop.order(lamps);
  expect(await because(shop)).toContain("the further try did not finish: too hard");
});

test("code agrees with itself for nothing, and a judge after it is asked about the first try", async () => {
  const judged = judge<Order>({ name: "reader", model: "cheap", instructions: "" });
  const verdict = reply([{ name: "verdict", arguments: { verdict: "pass", because: "fine" } }], usage);
  const { shop } = await agreeing([[verdict]], [agreement(), judged], { cascade: [exactRung] });
  const run = await shop.order({ product: "lamp", quantity: 2 });
  const [first] = await listAttempts(shop.db, run.id);
  expect(first?.verdicts.slice(-2).map((one) => [one.by, one.kind, one.costMicroUsd])).toEqual([
    ["agreement", "pass", "0"],
    ["judge", "pass", "1200"],
  ]);
  expect([run.outcome, await shop.orders()]).toEqual(["resolved", 1]);
});

test("work that is not worth it is not made twice", async () => {
  const big = agreement<Order>({ when: ({ input }) => input.quantity > 5 });
  const { shop, providers } = await agreeing([[order(2), finish]], [big]);
  expect([(await shop.order(lamps)).outcome, providers[0]?.left]).toEqual(["resolved", 0]);
});

test("an agreement of one, or of a hundred, is refused where the agent is defined", () => {
  for (const times of [1, 2.5, 100]) {
    expect(() => clerk({ verifiers: [agreement({ times })] })).toThrow("needs 2 to 5 tries");
  }
});

function fail(): never {
  throw new Error("there is no question");
}
