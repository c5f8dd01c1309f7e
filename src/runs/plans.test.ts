import { expect, test } from "vitest";
import { type Database, openDatabase } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { appendStep, countRuns, type Drive, startRuns, startWorker } from "./index.ts";

const TURNS = 6;
const AT_ONCE = 8;
const OTHERS = 2_000;

/** Turns of steps alone, which are written together, and an end. */
const advance: Drive = async (lease) => {
  let { run } = lease;
  while (run.status === "ready") {
    run = await lease.turn(async (tx, now) => {
      const n = Number(now.state ?? 0) + 1;
      await appendStep(tx, now.id, { kind: "turn", attempt: null, data: n });
      return n < TURNS ? { kind: "continue", state: n } : { kind: "done", state: n, outcome: "worked" };
    });
  }
};

async function start(db: Database, agent: string, count: number): Promise<void> {
  const orders = Array.from({ length: count }, () => ({ agent, agentVersion: 1, input: null }));
  await db.transaction((tx) => startRuns(tx, orders));
}

async function drive(db: Database): Promise<void> {
  const worker = startWorker({ db, drive: advance, concurrency: AT_ONCE, agents: ["counter"] });
  await worker.drained();
  await worker.stop();
}

/** Rows of the runs' table that were read because it was read whole. */
async function readWhole(db: Database): Promise<number> {
  const { rows } = await db.query<{ read: string }>(
    `select pg_stat_force_next_flush(), seq_tup_read as read from pg_stat_user_tables
     where schemaname = 'factotum' and relname = 'runs'`,
  );
  return Number(rows[0]?.read);
}

test("turns find their runs among many, though their plans were made when there were none", async () => {
  const real = await throwawayDatabase();
  const db = await openDatabase({ kind: "url", url: real.url });
  const named = "select current_setting('application_name') as name";
  const { rows } = await db.query<{ name: string }>(named);
  await start(real, "counter", 4 * AT_ONCE);
  await drive(db);
  await start(real, "other", OTHERS);
  await start(real, "counter", 2 * AT_ONCE);
  await readWhole(real);
  const before = await readWhole(real);
  await drive(db);
  await db.close();
  // What a connection has counted is told as it ends.
  const theirs = "select from pg_stat_activity where application_name = $1";
  while ((await real.query(theirs, [rows[0]?.name])).rowCount > 0);
  expect((await readWhole(real)) - before).toBeLessThan(OTHERS);
  expect(await countRuns(real)).toMatchObject({ done: 6 * AT_ONCE, ready: OTHERS });
});
