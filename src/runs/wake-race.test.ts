import * as fc from "fast-check";
import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { type Drive, getRun, startRun, startWorker, wake } from "./index.ts";

async function ticks(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await new Promise(setImmediate);
}

test("a wake-up is never lost, however it falls between reading, deciding and parking", async () => {
  const db = await throwawayDatabase();
  await db.query("create table letter (id int, run_id bigint, read_at timestamptz)");
  let pause = 0;
  /**
   * Reads outside its turn, as a careless agent may, so that a letter can come between reading and parking.
   */
  const drive: Drive = async (lease) => {
    let { run } = lease;
    while (run.status === "ready") {
      const unread = await db.query<{ id: number }>(
        "select id from letter where run_id = $1 and read_at is null",
        [run.id],
      );
      await ticks(pause);
      run = await lease.turn(async (tx) => {
        await ticks(pause);
        await tx.query("update letter set read_at = now() where id = any ($1)", [
          unread.rows.map((row) => row.id),
        ]);
        return unread.rowCount > 0 ? { kind: "continue", state: null } : { kind: "park", state: null };
      });
    }
  };
  const worker = startWorker({ db, drive });
  const schedule = fc.record({
    pause: fc.nat(6),
    gaps: fc.array(fc.nat(12), { minLength: 5, maxLength: 20 }),
  });
  await fc.assert(
    fc.asyncProperty(schedule, async ({ pause: next, gaps }) => {
      pause = next;
      await db.query("delete from letter");
      const order = { agent: "reader", agentVersion: 1, input: null };
      const { run } = await db.transaction(async (tx) => await startRun(tx, order));
      for (const [id, gap] of gaps.entries()) {
        await ticks(gap);
        await db.transaction(async (tx) => {
          await tx.query("insert into letter (id, run_id) values ($1, $2)", [id, run.id]);
          await wake(tx, run.id);
        });
      }
      await worker.drained();
      const unread = await db.query("select id from letter where read_at is null");
      expect(unread.rows).toEqual([]);
      expect((await getRun(db, run.id)).status).toBe("waiting");
    }),
    { numRuns: 25 },
  );
  await worker.stop();
});
