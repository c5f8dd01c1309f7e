/** Runs that ask and are nudged, whose worker dies between two of its acts and is followed by another. */
import { makeDriver, steer } from "factotum/agents";
import { listCalls } from "factotum/calls";
import { attach } from "factotum/changes";
import { answer, questionsOf } from "factotum/inbox";
import { type ModelId, must, type RunId, systemClock } from "factotum/kernel";
import { makeModels } from "factotum/models";
import type { Database } from "factotum/postgres";
import { getRun, listSteps, startRun, startWorker, type Worker } from "factotum/runs";
import {
  reply,
  scriptedProvider,
  type ScriptedProvider,
  type ScriptedRequest,
  throwawayDatabase,
} from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clerk, SCHEMA } from "../agents/shop.ts";
import { succession } from "../agents/succession.ts";
import { askingRung, whichLamp } from "./kit.ts";

/** Acts of a worker that does this undisturbed, at the least; and far more than it takes. */
const ACTS_MIN = 30;
const ACTS_MAX = 400;
/** A stride with no factor in common with a turn's acts meets each kind of them. */
const STRIDE = 19;
/** How often the mortal looks for what nobody told it of. */
const MORTAL_SWEEP_MS = 400;

const WORDS = "Deliver before Friday";
const byCode = clerk({ name: "by-code", cascade: [askingRung(() => whichLamp())], learn: async () => [] });
const byModel = clerk({
  ...{ name: "by-model", asks: {}, learn: async () => [] },
  cascade: [{ kind: "model", name: "cheap", model: "cheap" }],
});
const agents = [byCode, byModel];

let provider: ScriptedProvider;
let db: Database;
beforeAll(async () => {
  provider = await scriptedProvider();
  provider.otherwise(sayNext);
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.query("update shop.products set stock = 1000");
  await db.transaction((tx) => attach(tx, ["shop.products", "shop.orders"]));
});
afterAll(async () => {
  await provider.close();
  await db.close();
});

/** A model that forgets nothing: what it answers follows from the conversation alone. */
function sayNext({ body }: ScriptedRequest) {
  const said = (JSON.stringify(body).match(/"role":"assistant"/g) ?? []).length;
  const { question, choices } = whichLamp();
  if (said === 0) return reply([{ name: "place_order", arguments: { product: "lamp", quantity: 1 } }]);
  if (said === 1) return reply([{ name: "ask_person", arguments: { question, choices } }]);
  return reply([{ name: "finish", arguments: { unsure: [] } }]);
}

function work(on: Database, sweepMs: number): Worker {
  const id = "local/tiny" as ModelId;
  const card = { id, provider: "openai-compatible" as const, model: "tiny", outputTokensMax: 100 };
  const cards = [{ ...card, baseUrl: provider.url, price: { kind: "local" as const } }];
  const models = makeModels({ cards, keys: {} });
  const parts = { db: on, agents, models, ladder: [id], clock: systemClock, sleep: async () => {} };
  return startWorker({ db: on, drive: makeDriver(parts), sweepMs });
}

async function stock(): Promise<number> {
  const { rows } = await db.query<{ stock: number }>("select stock from shop.products where id = 1");
  return must(rows[0], "the lamp").stock;
}

/** An order that asks, is nudged and answered; its worker dies at its n-th act, if it lives so long. */
async function order(agent: string, atAct: number): Promise<"died" | "lived"> {
  const before = await stock();
  const begun = { agent, agentVersion: 1, input: { product: "lamp", quantity: 1 } };
  const { run } = await db.transaction((tx) => startRun(tx, begun));
  const { settle, stop } = succession(db, atAct, work, MORTAL_SWEEP_MS);
  await settle();
  await db.transaction((tx) => steer(tx, run.id, { text: WORDS, by: "bo" }), { retries: 5 });
  await settle();
  const [question] = await questionsOf(db, run.id);
  const { id } = must(question, "the question");
  await db.transaction((tx) => answer(tx, id, { choice: "lamp", by: "ann" }), { retries: 5 });
  await settle();
  const end = await stop();
  expect(await stock(), `${agent} killed at act ${atAct}`).toBe(before - 1);
  await expectOnce(run.id, `${agent} killed at act ${atAct}`);
  return end;
}

async function expectOnce(id: RunId, story: string): Promise<void> {
  const kinds = (await listSteps(db, id)).map((step) => step.kind);
  const count = (kind: string): number => kinds.filter((one) => one === kind).length;
  const { rows } = await db.query("select from factotum.change_sets where run_id = $1", [id]);
  const calls = await listCalls(db, id);
  const answered = calls.filter((call) => call.state === "answered").map((call) => call.digest);
  const questions = await questionsOf(db, id);
  expect({
    ...{ story, outcome: (await getRun(db, id)).outcome, commits: rows.length },
    ...{ asked: count("asked"), nudged: count("nudged"), committed: count("committed") },
    questions: questions.map((one) => [one.status, one.answer?.choice]),
    twice: answered.length - new Set(answered).size,
    left: calls.filter((call) => call.state === "intended").length,
  }).toEqual({
    ...{ story, outcome: "resolved", commits: 1, asked: 1, nudged: 1, committed: 1, twice: 0, left: 0 },
    questions: [["answered", "lamp"]],
  });
}

test.each(["by-code", "by-model"])(
  "wherever its worker dies, what %s asks, hears and does happens once",
  { timeout: 180_000 },
  async (agent) => {
    let reached = 0;
    for (let act = 2; act < ACTS_MAX; act += STRIDE) {
      reached = act;
      if ((await order(agent, act)) === "lived") break;
    }
    expect(reached).toBeGreaterThan(ACTS_MIN);
    const told = provider.requests.filter(({ body }) => JSON.stringify(body).includes(WORDS)).length;
    expect(told > 0).toBe(agent === "by-model");
  },
);
