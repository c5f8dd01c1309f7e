/** What is staged and committed survives whatever befalls a worker, at each of its acts, exactly once. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { getRun, startRun, startWorker } from "factotum/runs";
import { reply, scriptedProvider, type ScriptedProvider, type ScriptedRequest } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mishap, withMishap } from "./mishap.ts";
import { clerk, clerkDriver, openTables, shopDatabase } from "./shop.ts";

/** Acts of a worker that takes an order by a code rung, and by a model that makes three calls. */
const CODE_ACTS_MIN = 25;
const MODEL_ACTS_MIN = 60;

let provider: ScriptedProvider;

/** A model that forgets nothing: what it answers follows from the conversation alone. */
function sayNext({ body }: ScriptedRequest) {
  const said = (JSON.stringify(body).match(/"role":"assistant"/g) ?? []).length;
  if (said === 0) return reply([{ name: "place_order", arguments: { product: "chair", quantity: 1 } }]);
  if (said === 1) return reply([{ name: "find_products", arguments: { where: { name: "chair" } } }]);
  return reply([{ name: "finish", arguments: { unsure: [] } }]);
}

beforeAll(async () => {
  provider = await scriptedProvider();
  provider.otherwise(sayNext);
});

afterAll(async () => {
  await provider.close();
});

const agent = clerk();

/** All that an order leaves, in numbers that an order more or less would show in. */
async function books(db: Database): Promise<Readonly<Record<string, number>>> {
  const { rows } = await db.query<Record<string, number>>(
    `select (select stock from shop.products where id = 2) as stock,
       (select count(*)::int from shop.orders) as orders,
       (select count(*)::int from factotum.change_sets) as sets,
       (select count(*)::int from factotum.change_rows) as rows,
       (select count(*)::int from factotum.entries where kind = 'value') as values,
       (select count(*)::int from factotum.captured) as captured,
       (select count(*)::int from factotum.staging) as staging`,
  );
  return rows[0] ?? {};
}

/** Takes one order in a worker with that mishap, and lets another end it; whether the mishap came to pass. */
async function order(db: Database, product: string, mishap: Mishap, atAct: number): Promise<boolean> {
  const before = await books(db);
  const input = { product, quantity: 1 };
  const wanted = { agent: agent.name, agentVersion: agent.version, input };
  const { run } = await db.transaction((tx) => startRun(tx, wanted));
  const { db: seen, struck } = withMishap(db, mishap, atAct);
  const worker = startWorker({ db: seen, drive: clerkDriver(seen, agent, [provider.url]), concurrency: 1 });
  const lived = worker.drained().then(
    () => "lived",
    () => "stopped",
  );
  const end = await Promise.race([struck.then(() => "struck"), lived]);
  // One whose connections were cut may go on with its work, or leave it.
  if (mishap !== "process") await lived;
  await worker.stop().catch(() => undefined);
  while ((await db.query("select from factotum.living_workers")).rowCount > 0);
  const heir = startWorker({ db, drive: clerkDriver(db, agent, [provider.url]), sweepMs: 20 });
  await heir.drained();
  await heir.stop();
  const story = `${product}, at act ${atAct}`;
  expect(await getRun(db, run.id), story).toMatchObject({ status: "done", outcome: "resolved" });
  const { stock = 0, orders = 0, sets = 0, rows = 0, values = 0 } = before;
  const once = { stock: stock - 1, orders: orders + 1, sets: sets + 1, rows: rows + 2, values: values + 1 };
  expect(await books(db), story).toEqual({ ...once, captured: 0, staging: 0 });
  return end === "struck";
}

/** Orders until no act is left that could come to grief; how many acts there were, about. */
async function campaign(product: string, mishap: Mishap, first: number, stride: number): Promise<number> {
  const db = await shopDatabase();
  let at = first;
  while (await order(db, product, mishap, at)) at += stride;
  await db.close();
  return at;
}

test("a worker may die at any act: an order by a code rung is committed once", async () => {
  expect(await campaign("chair", "process", 1, 1)).toBeGreaterThan(CODE_ACTS_MIN);
}, 180_000);

test.each([
  ["die", "process", 1],
  ["lose its connections", "backend", 2],
  ["lose them with an answer on the way", "answer", 3],
] as const)(
  "a worker may %s: an order by a model is committed once",
  async (_, mishap, first) => {
    expect(await campaign("la chaise", mishap, first, 7)).toBeGreaterThan(MODEL_ACTS_MIN);
  },
  180_000,
);

test("the server may be killed in the middle, and what is not logged is lost without harm", async () => {
  const directory = await mkdtemp(join(tmpdir(), "factotum-crash-"));
  const db = await openDatabase({ kind: "embedded", directory });
  await migrate(db);
  await openTables(db);
  const killServer = async (): Promise<void> => {
    const [pid] = (await readFile(join(directory, "data", "postmaster.pid"), "utf8")).split("\n");
    process.kill(Number(pid), "SIGKILL");
  };
  const ends = [];
  // In a staging, in a turn between two calls, and in the commit.
  for (const act of [14, 30, 52]) ends.push(await order(db, "la chaise", killServer, act));
  expect(ends).toEqual([true, true, true]);
  await db.close();
  await rm(directory, { recursive: true, force: true });
}, 180_000);
