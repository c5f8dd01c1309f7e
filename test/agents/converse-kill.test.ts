/** A conversation whose worker dies between any two of its acts, and is taken up by another. */
import { type Agent, listSaid, makeDriver, say } from "factotum/agents";
import { attach } from "factotum/changes";
import { listCalls } from "factotum/calls";
import { type ModelId, type RunId, systemClock } from "factotum/kernel";
import { makeModels } from "factotum/models";
import { invariant } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { getRun, startRun, startWorker, type Worker } from "factotum/runs";
import { reply, type ScriptedProvider, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { type Order, SCHEMA } from "./shop.ts";
import { succession } from "./succession.ts";
import { done, order, talker } from "./talk.ts";

/** Acts of a worker that holds this conversation undisturbed, at the least. */
const ACTS_MIN = 40;
/** How often the mortal looks for what nobody told it of. */
const MORTAL_SWEEP_MS = 400;
/** Far more acts than the conversation takes, so that idling ends the test too. */
const ACTS_MAX = 400;
/** Every act would take minutes; a stride with no factor in common with a turn's acts meets each kind. */
const STRIDE = 31;

const agent = talker({ greeting: "Hello" }, { checks: [invariant<Order>("fine", () => [])] }) as Agent;
const WORDS = ["A chair, please", "One", "That is all"];
const TALK = ["Hello", WORDS[0], "How many?", WORDS[1], "Anything else?", WORDS[2]];

/** Answers by what it is asked alone, as a model does, however often it is asked. */
async function model(): Promise<ScriptedProvider> {
  const answers = [reply("How many?"), order("chair"), reply("Anything else?"), done];
  const provider = await scriptedProvider();
  provider.otherwise(({ body }) => {
    const { messages } = body as { readonly messages: readonly { readonly role: string }[] };
    const own = messages.filter((message) => message.role === "assistant").length - 1;
    return answers[own] ?? reply("?");
  });
  return provider;
}

function work(db: Database, provider: ScriptedProvider, sweepMs: number): Worker {
  const id = "local/tiny" as ModelId;
  const card = { id, provider: "openai-compatible" as const, model: "tiny", outputTokensMax: 100 };
  const cards = [{ ...card, baseUrl: provider.url, price: { kind: "local" as const } }];
  const models = makeModels({ cards, keys: {} });
  const parts = { db, agents: [agent], models, ladder: [id], clock: systemClock, sleep: async () => {} };
  return startWorker({ db, drive: makeDriver(parts), sweepMs });
}

/** Holds a conversation with a worker that dies at its n-th act, if it lives so long. */
async function hold(db: Database, provider: ScriptedProvider, atAct: number): Promise<"died" | "lived"> {
  const begun = { agent: agent.name, agentVersion: 1, input: { product: "?", quantity: 1 } };
  const { run } = await db.transaction((tx) => startRun(tx, begun));
  const begin = (on: Database, sweepMs: number): Worker => work(on, provider, sweepMs);
  const { settle, stop } = succession(db, atAct, begin, MORTAL_SWEEP_MS);
  for (const [at, text] of WORDS.entries()) {
    await settle();
    await db.transaction((tx) => say(tx, run.id, { by: "ida", text, key: String(at) }));
  }
  await settle();
  const end = await stop();
  await expectOnce(db, run.id, `killed at act ${atAct}`);
  return end;
}

async function expectOnce(db: Database, id: RunId, story: string): Promise<void> {
  const said = await listSaid(db, id);
  const { rows } = await db.query("select from factotum.change_sets where run_id = $1", [id]);
  const calls = await listCalls(db, id);
  const answered = calls.filter((call) => call.state === "answered").map((call) => call.digest);
  expect({
    ...{ story, outcome: (await getRun(db, id)).outcome, talk: said.map((one) => one.text) },
    ...{ commits: rows.length, answered: answered.length, different: new Set(answered).size },
  }).toEqual({
    ...{ story, outcome: "resolved", talk: TALK, commits: 1, answered: 4, different: 4 },
  });
}

test(
  "wherever its worker dies, every word is said and heard once and the work is committed once",
  { timeout: 60_000 },
  async () => {
    const db = await throwawayDatabase();
    await db.query(SCHEMA);
    await db.transaction((tx) => attach(tx, ["shop.products", "shop.orders"]));
    const provider = await model();
    let held = 0;
    for (let act = 2; act < ACTS_MAX; act += STRIDE) {
      held += 1;
      if ((await hold(db, provider, act)) === "lived") break;
    }
    const { rows } = await db.query<{ orders: number }>("select count(*)::int as orders from shop.orders");
    expect(rows[0]?.orders).toBe(held);
    expect(held * STRIDE).toBeGreaterThan(ACTS_MIN);
    await provider.close();
  },
);
