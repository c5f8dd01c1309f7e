import { expect, test } from "vitest";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type Drive, getRun, startRun, startWorker } from "./index.ts";

/** So often it may be the machines. */
const IN_VAIN = 10;

/** A worker that takes the run up, and is gone once its drive is over. */
async function takeUp(db: Database, drive: Drive): Promise<void> {
  const taken = Promise.withResolvers<void>();
  const worker = startWorker({
    db,
    drive: async (lease) => {
      taken.resolve();
      await drive(lease);
    },
  });
  await taken.promise;
  await worker.stop();
}

const untilToldToStop: Drive = async (lease) => {
  while (!lease.shouldYield()) await new Promise((resolve) => setImmediate(resolve));
};

async function pauseOf(db: Database): Promise<number | null> {
  const { rows } = await db.query<{ s: number | null }>(
    "select extract(epoch from retry_at - clock_timestamp())::float8 as s from factotum.runs",
  );
  return rows[0]?.s ?? null;
}

test("a run whose workers go down before it has gone on is left alone for longer each time", async () => {
  const db = await throwawayDatabase();
  const { run } = await db.transaction((tx) => startRun(tx, { agent: "a", agentVersion: 1, input: null }));
  // The first picks it up from nobody.
  for (let count = 0; count < IN_VAIN; count += 1) await takeUp(db, untilToldToStop);
  await takeUp(db, async (lease) => {
    await lease.turn(async () => ({ kind: "continue", state: 1 }));
    await untilToldToStop(lease);
  });
  expect(await pauseOf(db)).toBeNull();
  for (let count = 0; count < IN_VAIN; count += 1) await takeUp(db, untilToldToStop);
  expect(await pauseOf(db)).toBeGreaterThan(0);
  await takeUp(db, async (lease) => {
    await lease.turn(async () => ({ kind: "done", state: 2, outcome: "worked" }));
  });
  expect(await getRun(db, run.id)).toMatchObject({ status: "done", failures: 0 });
});
