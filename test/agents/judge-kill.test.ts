/** A judged attempt whose worker dies between any two of its acts, and is taken up by another. */
import { agreement, judge, listAttempts, makeDriver } from "factotum/agents";
import { listCalls } from "factotum/calls";
import { attach } from "factotum/changes";
import { type ModelId, must, type RunId, systemClock } from "factotum/kernel";
import { totals } from "factotum/ledger";
import { makeModels } from "factotum/models";
import type { Database } from "factotum/postgres";
import { getRun, startRun, startWorker, type Worker } from "factotum/runs";
import { reply, type ScriptedProvider, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { clerk, exactRung, type Order, SCHEMA } from "./shop.ts";
import { succession } from "./succession.ts";

/** Acts of a worker that does this undisturbed, at the least. */
const ACTS_MIN = 20;
/** Far more acts than it takes, so that idling ends the test too. */
const ACTS_MAX = 300;
/** A stride with no factor in common with a turn's acts meets each kind of them. */
const STRIDE = 5;

const agent = clerk({
  cascade: [exactRung],
  verifiers: [agreement(), judge<Order>({ name: "reader", model: "cheap", instructions: "" })],
});
const verdict = reply([{ name: "verdict", arguments: { verdict: "pass", because: "fine" } }], {
  ...{ input: 1_000, output: 100 },
});

function work(db: Database, provider: ScriptedProvider, sweepMs: number): Worker {
  const id = "local/tiny" as ModelId;
  const price = { kind: "stated", inputUsdPerMtok: "1", outputUsdPerMtok: "2" } as const;
  const card = { id, provider: "openai-compatible", model: "tiny", outputTokensMax: 100, price } as const;
  const models = makeModels({ cards: [{ ...card, baseUrl: provider.url }], keys: {} });
  const parts = { db, agents: [agent], models, ladder: [id], clock: systemClock, sleep: async () => {} };
  return startWorker({ db, drive: makeDriver(parts), sweepMs });
}

/** Works one order off with a worker that dies at its n-th act, if it lives so long. */
async function workOff(db: Database, provider: ScriptedProvider, atAct: number): Promise<"died" | "lived"> {
  const begun = { agent: agent.name, agentVersion: 1, input: { product: "chair", quantity: 1 } };
  const { run } = await db.transaction((tx) => startRun(tx, begun));
  const workers = succession(db, atAct, (on, sweepMs) => work(on, provider, sweepMs));
  await workers.settle();
  const end = await workers.stop();
  await expectOnce(db, run.id, `killed at act ${atAct}`);
  return end;
}

async function expectOnce(db: Database, id: RunId, story: string): Promise<void> {
  const { rows } = await db.query("select from factotum.change_sets where run_id = $1", [id]);
  const calls = await listCalls(db, id);
  const answered = calls.filter((call) => call.state === "answered").length;
  const attempts = await listAttempts(db, id);
  const first = must(attempts[0], "the first attempt");
  const judged = first.verdicts.filter((one) => one.by === "judge" || one.by === "agreement");
  const booked = await totals(db, { runId: id });
  const unknown = calls.filter((call) => call.state === "unknown");
  expect({
    ...{ story, outcome: (await getRun(db, id)).outcome, commits: rows.length, answered },
    ...{ left: calls.filter((call) => call.state === "intended").length, cost: booked.cost },
    ...{ loss: booked.loss, statuses: attempts.map((one) => one.status) },
    judged: judged.map((one) => [one.by, one.kind, one.costMicroUsd]),
  }).toEqual({
    ...{ story, outcome: "resolved", commits: 1, answered: 1, left: 0, cost: 1_200n },
    // What was sent and never heard of is our loss at its worst case, once each.
    loss: unknown.reduce((sum, call) => sum + call.hold, 0n),
    statuses: ["committed", "compared"],
    judged: [
      ["agreement", "pass", "0"],
      ["judge", "pass", "1200"],
    ],
  });
}

test(
  "wherever its worker dies, an attempt is judged once, at one price, and committed once",
  { timeout: 180_000 },
  async () => {
    const db = await throwawayDatabase();
    await db.query(SCHEMA);
    await db.transaction((tx) => attach(tx, ["shop.products", "shop.orders"]));
    const provider = await scriptedProvider();
    provider.otherwise(verdict);
    let died = 0;
    for (let act = 2; act < ACTS_MAX; act += STRIDE) {
      if ((await workOff(db, provider, act)) === "lived") break;
      died += 1;
    }
    expect(died * STRIDE).toBeGreaterThan(ACTS_MIN);
    await provider.close();
    await db.close();
  },
);
