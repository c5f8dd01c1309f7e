/** What budgets do to an agent's model calls: refuse, cut short, warn, degrade, and go on once raised. */
import { judge, listAttempts } from "factotum/agents";
import { answer } from "factotum/inbox";
import { microUsd, must } from "factotum/kernel";
import { auditBudgets, listBudgets, putBudget, totals } from "factotum/ledger";
import { reply, type ScriptedProvider, scriptedProvider } from "factotum/testing";
import { afterAll, expect, test } from "vitest";
import { clerk, exactRung, openShop, type Shop } from "./shop.ts";

const opened: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(opened.map((close) => close())));

type Place = { readonly shop: Shop; readonly cheap: ScriptedProvider; readonly strong: ScriptedProvider };

async function place(more: Parameters<typeof clerk>[0] = {}): Promise<Place> {
  const [cheap, strong] = [await scriptedProvider(), await scriptedProvider()];
  const shop = await openShop(clerk(more), [cheap.url, strong.url]);
  opened.push(async () => void (await Promise.all([shop.close(), cheap.close(), strong.close()])));
  return { shop, cheap, strong };
}
const cap = (shop: Shop, name: string, usd: bigint, terms: Parameters<typeof putBudget>[2] = {}) =>
  shop.db.transaction((tx) => putBudget(tx, name, { cap: microUsd(usd), ...terms }));
const orders = (product = "lamp") => [
  reply([{ name: "place_order", arguments: { product, quantity: 2 } }], { input: 1_000, output: 100 }),
  reply([{ name: "finish", arguments: { unsure: [] } }], { input: 1_100, output: 50 }),
];
const unknown = { product: "the thing with a shade", quantity: 2 };

test("every call of a run is spent from its agent's budget, to the last micro-dollar", async () => {
  const { shop, cheap } = await place();
  await cap(shop, "company", 1_000_000n);
  cheap.script(...orders());
  const run = await shop.order(unknown);
  expect(run.outcome).toBe("resolved");
  const { cost, loss } = await totals(shop.db, { runId: run.id });
  await expect.poll(async () => (await listBudgets(shop.db))[0]?.held, { timeout: 30_000 }).toBe(0n);
  const spent = (await listBudgets(shop.db)).map((one) => [one.name, one.spent]);
  expect(cost).toBeGreaterThan(0n);
  expect(spent).toEqual(
    ["company", "company/default", "company/default/clerk"].map((name) => [name, cost + loss]),
  );
  expect(await auditBudgets(shop.db)).toEqual([]);
});

test("a run over budget sends nothing, tells a person what to raise, and goes on when it is", async () => {
  const { shop, cheap, strong } = await place();
  await cap(shop, "company", 1_000n);
  const run = await shop.order(unknown);
  const question = must((await shop.questions())[0], "card");
  expect([cheap.requests.length, strong.requests.length]).toEqual([0, 0]);
  expect(question.card.because.join("; ")).toMatch(
    /budget company has \$0\.001000 left of \$0\.001000.*factotum budget set company 0\.\d\d/,
  );
  expect(question.card.choices.map((one) => one.id)).toEqual(["retry", "correct", "discard"]);
  expect((await totals(shop.db, { runId: run.id })).cost).toBe(0n);
  await cap(shop, "company", 1_000_000n);
  cheap.script(...orders());
  await shop.db.transaction((tx) => answer(tx, question.id, { choice: "retry", by: "ann" }));
  expect((await shop.settle(run.id)).outcome).toBe("resolved");
});

test("where a shorter answer fits the budget, that is what is asked for and held", async () => {
  const { shop, cheap } = await place();
  // The prompt's bytes at $1 and 1,000 tokens of answer at $2 a million, twice, come to a little more.
  await cap(shop, "company", 20_500n);
  cheap.script(...orders());
  await shop.order(unknown);
  const asked = must(cheap.requests[0], "request").body as { max_tokens?: number };
  const held = await shop.db.query<{ hold: string; most: string }>(
    `select hold_micro_usd as hold, output_tokens_max as most from factotum.calls
     order by intended_at limit 1`,
  );
  const first = must(held.rows[0], "call");
  expect(Number(first.most)).toBeLessThan(1_000);
  expect(Number(first.most)).toBeGreaterThanOrEqual(512);
  expect(JSON.stringify(asked)).toContain(`:${first.most}`);
  expect(BigInt(first.hold)).toBeLessThanOrEqual(20_500n);
});

test("an agent's cap for a run holds for that run alone", async () => {
  const { shop, cheap } = await place({ runCap: microUsd(40_000) });
  cheap.script(...orders(), ...orders("chair"));
  const runs = [await shop.order(unknown), await shop.order({ ...unknown, product: "the seat" })];
  const names = (await listBudgets(shop.db)).filter((one) => one.cap !== null).map((one) => one.name);
  expect(runs.map((run) => run.outcome)).toEqual(["resolved", "resolved"]);
  expect(names).toEqual(runs.map((run) => `company/default/clerk/run-${run.id}`));
});

test("beyond a soft limit that degrades, the cheapest model stands in, and never twice", async () => {
  const strongOnly = { cascade: [exactRung, { kind: "model", name: "strong", model: "strong" }] } as const;
  const { shop, cheap, strong } = await place(strongOnly);
  await cap(shop, "company", 1_000_000n, { soft: microUsd(0), beyondSoft: "degrade" });
  strong.script(...orders());
  await shop.order(unknown);
  // Nothing was spent when the first began; the second finds the limit passed.
  const before = strong.requests.length;
  cheap.script(...orders());
  const second = await shop.order({ ...unknown, product: "the one with a bulb" });
  const attempts = await listAttempts(shop.db, second.id);
  expect(attempts.map((one) => one.model)).toEqual([null, "local0/tiny"]);
  expect([second.outcome, before, strong.requests.length]).toEqual(["resolved", 2, 2]);
  // Where the cheapest has tried already, a person is asked, and told why.
  const { shop: both, cheap: first, strong: never } = await place();
  await cap(both, "company", 1_000_000n, { soft: microUsd(0), beyondSoft: "degrade" });
  first.script(reply("I do not know.", { input: 1_000, output: 10 }));
  await both.order(unknown);
  expect((await both.questions())[0]?.card.because.join()).toContain("only local0/tiny may be called");
  expect(never.requests).toHaveLength(0);
  expect(shop.said.join("\n")).toContain("budget company is beyond its soft limit");
});

test("beyond a soft limit of one model alone, the cheapest stands in for it", async () => {
  const strongOnly = { cascade: [exactRung, { kind: "model", name: "strong", model: "strong" }] } as const;
  const { shop, cheap, strong } = await place(strongOnly);
  await cap(shop, "models/local1/tiny", 1_000_000n, { soft: microUsd(0), beyondSoft: "degrade" });
  strong.script(...orders());
  await shop.order(unknown);
  cheap.script(...orders());
  const second = await shop.order({ ...unknown, product: "the one with a bulb" });
  const attempts = await listAttempts(shop.db, second.id);
  expect(attempts.map((one) => one.model)).toEqual([null, "local0/tiny"]);
  expect((await listBudgets(shop.db, "models/local1/tiny"))[0]?.spent).toBeGreaterThan(0n);
});

test("a judge is paid from the budget, and what it cannot pay for is a person's to decide", async () => {
  const reader = judge<{ product: string; quantity: number }>({
    ...{ name: "reader", model: "cheap", instructions: "Look at the quantity." },
  });
  const { shop, cheap } = await place({ cascade: [exactRung], verifiers: [reader] });
  await cap(shop, "company", 10n);
  await shop.order({ product: "lamp", quantity: 3 });
  const [question] = await shop.questions();
  expect(cheap.requests).toHaveLength(0);
  expect(question?.card.because.join()).toContain("reader: it could not be asked: call");
  expect(question?.card.choices[0]?.id).toBe("commit");
});
