import { afterAll, expect, test } from "vitest";
import { type CallId, type ModelId, must, type RunId } from "../kernel/index.ts";
import { costOf, entriesOf, ratesOf, statementOf } from "../ledger/index.ts";
import { makeModels, type ModelCall, type ModelCard, noUsage } from "../models/index.ts";
import {
  cut,
  fakeClock,
  malformedToolArguments,
  notJson,
  reply,
  scriptedProvider,
  status,
  throwawayDatabase,
} from "../testing/index.ts";
import {
  BILLED_TRIES_MAX,
  type CallOutcome,
  digestOf,
  getCall,
  intend,
  listCalls,
  reconcile,
  send,
  settle,
  TRIES_MAX,
  WAIT_MS_MAX,
  worstCaseOf,
} from "./index.ts";

const db = await throwawayDatabase();
const provider = await scriptedProvider();
afterAll(() => provider.close());

const card: ModelCard = {
  id: "openai/gpt-4o-mini" as ModelId,
  provider: "openai",
  model: "gpt-4o-mini",
  baseUrl: provider.url,
  outputTokensMax: 1000,
};
const models = makeModels({ cards: [card], keys: { openai: "sk-test-0123456789" } });
const call: ModelCall = {
  model: card.id,
  messages: [{ role: "user", text: "what is due?" }],
  tools: [],
  outputTokensMax: 200,
};
const found = ratesOf(card, new Date());
const rates = must(found.kind === "known" ? found.rates : null, "rates");
const worst = worstCaseOf(call, card, rates);
let runs = 0;

type Sent = {
  readonly runId: RunId;
  readonly id: CallId;
  readonly outcome: CallOutcome;
  readonly waits: number[];
};

/** Intends and sends, with a sleep that moves the clock instead of waiting. */
async function sent(...script: Parameters<typeof provider.script>): Promise<Sent> {
  runs += 1;
  const runId = String(runs) as RunId;
  const id = await db.transaction((tx) => intend(tx, { runId, attempt: 1, call, card, agent: "desk" }));
  provider.script(...script);
  const clock = fakeClock();
  const waits: number[] = [];
  const sleep = async (milliseconds: number): Promise<void> => {
    waits.push(milliseconds);
    clock.advance(milliseconds);
  };
  const outcome = await send(models, id, call, { signal: new AbortController().signal, clock, sleep });
  return { runId, id, outcome, waits };
}
const settled = ({ id, outcome }: Sent): ReturnType<typeof settle> =>
  db.transaction((tx) => settle(tx, id, outcome));

test("an answered call is booked to the token and its reply kept", async () => {
  const done = await sent(reply("on Monday", { input: 1000, cachedInput: 400, output: 50, reasoning: 20 }));
  const settlement = await settled(done);
  const usage = { input: 600n, cachedInput: 400n, cacheWrite: 0n, output: 30n, reasoning: 20n };
  expect(settlement).toEqual({ cost: 150n, loss: 0n, usage });
  expect(await statementOf(db, done.runId)).toMatchObject({ cost: 150n, loss: 0n, usage, calls: 1 });
  const record = must(await getCall(db, done.id), "the call");
  expect(record).toMatchObject({ state: "answered", digest: digestOf(call) });
  expect(record.outcome).toEqual(done.outcome);
  expect(record.hold).toBe(worst.hold);
});

test("retries wait as the provider asks and carry one key; only what was counted is booked", async () => {
  const before = provider.requests.length;
  const done = await sent(
    status(429, { retryAfter: 7 }),
    status(500),
    status(529),
    reply("at last", { input: 100, output: 10 }),
  );
  expect(done.outcome.kind).toBe("answered");
  expect(done.waits).toHaveLength(3);
  expect(done.waits[0]).toBe(7000);
  expect(done.waits.slice(1).every((wait) => wait >= 500 && wait <= WAIT_MS_MAX)).toBe(true);
  const asked = provider.requests.slice(before);
  expect(asked.map((request) => request.headers["idempotency-key"])).toEqual(Array(4).fill(done.id));
  const settlement = await settled(done);
  expect(settlement).toMatchObject({ cost: 21n, loss: 0n });
  const entries = await entriesOf(db, done.runId);
  expect(entries.map((entry) => [entry.try, entry.because, entry.amount])).toEqual([
    [1, "rate-limited", 0n],
    [2, "overloaded", 0n],
    [3, "overloaded", 0n],
    [4, "answered", 21n],
  ]);
});

test("a cut try is booked at its worst case, and the try after it at what was counted", async () => {
  const done = await sent(cut({ afterChunks: 4 }), reply("whole", { input: 100, output: 10 }));
  expect(done.outcome.tries.map((each) => [each.code, each.billed])).toEqual([
    ["cut", "unknown"],
    [null, "counted"],
  ]);
  const settlement = await settled(done);
  expect(settlement).toMatchObject({ cost: 21n, loss: worst.holdPerTry });
  expect(settlement.cost + settlement.loss).toBeLessThanOrEqual(worst.hold);
});

test("tries that may be billed are fewer than tries that cost nothing", async () => {
  const cuts = await sent(...Array.from({ length: BILLED_TRIES_MAX }, () => cut({ afterChunks: 2 })));
  expect(cuts.outcome).toMatchObject({ kind: "failed", error: { code: "cut", retry: "later" } });
  expect(await settled(cuts)).toMatchObject({ cost: 0n, loss: worst.hold });
  const errors = await sent(...Array.from({ length: TRIES_MAX }, () => status(500)));
  expect(errors.outcome).toMatchObject({ kind: "failed", error: { code: "overloaded" } });
  expect(errors.outcome.tries).toHaveLength(TRIES_MAX);
  expect(await settled(errors)).toMatchObject({ cost: 0n, loss: 0n });
  expect(provider.left).toBe(0);
});

test("asked to wait too long, a call fails and says for how long", async () => {
  const done = await sent(status(429, { retryAfter: 3600 }));
  expect(done.waits).toEqual([]);
  expect(done.outcome).toMatchObject({
    kind: "failed",
    error: { code: "rate-limited", retry: "later", retryAfterMs: 3_600_000 },
  });
});

test("what trying again cannot mend is not tried again", async () => {
  const refusedKey = await sent(status(401));
  expect(refusedKey.outcome).toMatchObject({
    kind: "failed",
    error: { code: "unauthorised", retry: "elsewhere" },
  });
  expect(refusedKey.outcome.tries).toHaveLength(1);
  const page = await sent(notJson, notJson);
  expect(page.outcome).toMatchObject({ kind: "failed", error: { code: "bad-reply" } });
});

test("malformed tool arguments are an answer, booked like any other", async () => {
  const done = await sent(malformedToolArguments("look", "{oops", { input: 100, output: 10 }));
  expect(done.outcome).toMatchObject({ kind: "answered", reply: { toolCalls: [{ kind: "malformed" }] } });
  expect(await settled(done)).toMatchObject({ cost: 21n, loss: 0n });
});

test("a reply that was not counted is booked at its worst case", async () => {
  const done = await sent(reply("who knows", null));
  expect(await settled(done)).toMatchObject({ cost: 0n, loss: worst.holdPerTry });
});

test("settling twice changes nothing, settling differently is refused", async () => {
  const done = await sent(reply("once", { input: 100, output: 10 }));
  expect(await settled(done)).toEqual(await settled(done));
  expect(await statementOf(db, done.runId)).toMatchObject({ cost: 21n, calls: 1 });
  const other = await sent(status(401));
  await expect(settled({ ...other, id: done.id })).rejects.toMatchObject({ code: "call-settled" });
  await expect(settled({ ...done, id: "call_none" as CallId })).rejects.toMatchObject({
    code: "call-missing",
  });
});

test("a crash between intent and settling is our loss, once; settled calls are left alone", async () => {
  const done = await sent(reply("kept", { input: 100, output: 10 }));
  await settled(done);
  const { runId } = done;
  const lost = await db.transaction((tx) => intend(tx, { runId, attempt: 2, call, card }));
  expect(await db.transaction((tx) => reconcile(tx, runId))).toEqual([lost]);
  expect(await db.transaction((tx) => reconcile(tx, runId))).toEqual([]);
  expect(await statementOf(db, runId)).toMatchObject({ cost: 21n, loss: worst.hold, calls: 2 });
  const records = await listCalls(db, runId);
  expect(records.map((record) => record.state)).toEqual(["answered", "unknown"]);
  expect(records[1]?.outcome).toBeNull();
});

test("an outcome that arrives after it was given up replaces the loss by the truth", async () => {
  const done = await sent(reply("late", { input: 100, output: 10 }));
  await db.transaction((tx) => reconcile(tx, done.runId));
  expect(await statementOf(db, done.runId)).toMatchObject({ cost: 0n, loss: worst.hold });
  await settled(done);
  expect(await statementOf(db, done.runId)).toMatchObject({ cost: 21n, loss: 0n });
  expect((await getCall(db, done.id))?.state).toBe("answered");
});

test("a transaction that is rolled back leaves neither outcome nor entry", async () => {
  const done = await sent(reply("gone", { input: 100, output: 10 }));
  const crash = db.transaction(async (tx) => {
    await settle(tx, done.id, done.outcome);
    throw new Error("crash");
  });
  await expect(crash).rejects.toThrow("crash");
  expect((await getCall(db, done.id))?.state).toBe("intended");
  expect(await entriesOf(db, done.runId)).toEqual([]);
});

test("a model whose price is unknown is not called; saying that it is local is enough", async () => {
  const unknown: ModelCard = {
    ...card,
    id: "vllm/mystery" as ModelId,
    provider: "openai-compatible",
    model: "mystery",
  };
  const intent = { runId: "77" as RunId, attempt: 1, call };
  await expect(db.transaction((tx) => intend(tx, { ...intent, card: unknown }))).rejects.toMatchObject({
    code: "price-missing",
    retry: "elsewhere",
  });
  const local: ModelCard = { ...unknown, price: { kind: "local" } };
  const id = await db.transaction((tx) => intend(tx, { ...intent, card: local }));
  expect((await getCall(db, id))?.hold).toBe(0n);
});

test("what is counted never exceeds the hold, since a token is at least a byte", () => {
  const most = { ...noUsage, input: worst.inputTokensMax, output: worst.outputTokensMax };
  expect(costOf(most, rates)).toBeLessThanOrEqual(worst.holdPerTry);
  const long = "ü".repeat(500);
  const longer = worstCaseOf({ ...call, messages: [{ role: "user", text: long }] }, card, rates);
  expect(longer.inputTokensMax).toBeGreaterThan(1000n);
  expect(worstCaseOf({ ...call, outputTokensMax: 9_999 }, card, rates).outputTokensMax).toBe(1000n);
  expect(worstCaseOf(call, { ...card, contextTokens: 10 }, rates).inputTokensMax).toBe(10n);
});
