import { afterAll, expect, test } from "vitest";
import { microUsd, type ModelId, must, type RunId } from "../kernel/index.ts";
import { auditBudgets, type BudgetId, listBudgets, openTeller, putBudget } from "../ledger/index.ts";
import { makeModels, type ModelCall, type ModelCard } from "../models/index.ts";
import { cut, fakeClock, reply, scriptedProvider, throwawayDatabase } from "../testing/index.ts";
import { admit, type CallOutcome, getCall, intend, reconcile, send, settle } from "./index.ts";

const db = await throwawayDatabase();
const teller = await openTeller(db, { name: "test" });
const provider = await scriptedProvider();
afterAll(() => provider.close());

const card: ModelCard = {
  ...{ id: "openai/gpt-4o-mini" as ModelId, provider: "openai", model: "gpt-4o-mini" },
  ...{ baseUrl: provider.url, outputTokensMax: 1000 },
};
const models = makeModels({ cards: [card], keys: { openai: "sk-test-0123456789" } });
const call: ModelCall = {
  ...{ model: card.id, messages: [{ role: "user", text: "what is due?" }], tools: [], outputTokensMax: 200 },
};

let runs = 0;
async function intended(budget: BudgetId) {
  runs += 1;
  const runId = String(runs) as RunId;
  const id = await db.transaction((tx) => intend(tx, { runId, attempt: 1, call, card, budget }));
  return { runId, id, hold: must(await getCall(db, id), "call").hold };
}
async function sent(id: Awaited<ReturnType<typeof intended>>["id"]): Promise<CallOutcome> {
  return send(models, id, call, {
    ...{ signal: new AbortController().signal, clock: fakeClock(), sleep: async () => {} },
    admit: (one) => admit(db, teller, one),
  });
}
const budget = (name: string, cap: bigint) =>
  db.transaction((tx) => putBudget(tx, name, { cap: microUsd(cap) }));
async function standing(name: string) {
  const { held, spent } = must((await listBudgets(db, name))[0], name);
  return { held, spent };
}

test("a call holds its worst case while it is out, and spends what it came to", async () => {
  const leaf = await budget("one", 1_000_000n);
  const { id, hold } = await intended(leaf);
  provider.script(reply("on Monday", { input: 1000, cachedInput: 0, output: 100 }));
  const outcome = await sent(id);
  expect(await standing("one")).toEqual({ held: hold, spent: 0n });
  const { cost } = await db.transaction((tx) => settle(tx, id, outcome));
  await teller.sweep();
  expect(cost).toBeGreaterThan(0n);
  expect(await standing("one")).toEqual({ held: 0n, spent: cost });
});

test("a call that does not fit its budget is not sent, and says which budget and what is left", async () => {
  const before = provider.requests.length;
  const { id, hold } = await intended(await budget("two", 5n));
  const outcome = await sent(id);
  expect(hold).toBeGreaterThan(5n);
  expect(outcome).toMatchObject({
    kind: "failed",
    error: { code: "over-budget", retry: "later" },
    tries: [],
  });
  expect(outcome.kind === "failed" && outcome.error.message).toContain("budget two has $0.000005 left");
  await db.transaction((tx) => settle(tx, id, outcome));
  await teller.sweep();
  expect(provider.requests).toHaveLength(before);
  expect(await standing("two")).toEqual({ held: 0n, spent: 0n });
});

test("a call counts in its model's budget beside its own, and alone where it has none", async () => {
  const leaf = await budget("four", 1_000_000n);
  const openai = await budget("models/openai", 5n);
  const refused = await sent((await intended(leaf)).id);
  expect(refused.kind === "failed" && refused.error.message).toContain("budget models/openai has $0.000005");
  await budget("models/openai", 1_000_000n);
  provider.script(reply("on Monday", { input: 1000, cachedInput: 0, output: 100 }));
  const { id } = await intended(leaf);
  const { cost } = await db.transaction(async (tx) => settle(tx, id, await sent(id)));
  const alone = await db.transaction((tx) => intend(tx, { runId: "77" as RunId, attempt: 1, call, card }));
  const { rows } = await db.query("select budget from factotum.calls where id = $1", [alone]);
  expect(rows).toEqual([{ budget: openai }]);
  provider.script(reply("on Tuesday", { input: 1000, cachedInput: 0, output: 100 }));
  const second = await db.transaction(async (tx) => settle(tx, alone, await sent(alone)));
  await teller.sweep();
  expect(await standing("four")).toEqual({ held: 0n, spent: cost });
  expect(await standing("models")).toEqual({ held: 0n, spent: microUsd(cost + second.cost) });
  expect(await auditBudgets(db)).toEqual([]);
  await db.transaction((tx) => putBudget(tx, "models/openai", { cap: null }));
});

test("a cut stream and a crash both spend the worst case from the budget", async () => {
  const leaf = await budget("three", 1_000_000n);
  const broken = await intended(leaf);
  provider.script(cut({ afterChunks: 2 }), cut({ afterChunks: 2 }));
  const outcome = await sent(broken.id);
  await db.transaction((tx) => settle(tx, broken.id, outcome));
  const lost = await intended(leaf);
  expect(await admit(db, teller, lost.id)).toBeUndefined();
  await db.transaction((tx) => reconcile(tx, lost.runId));
  await teller.sweep();
  expect(await standing("three")).toEqual({ held: 0n, spent: broken.hold + lost.hold });
  expect(await auditBudgets(db)).toEqual([]);
});
