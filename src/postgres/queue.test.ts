import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { openQueue } from "./index.ts";

test("a job sent in a transaction that commits is handed out, one rolled back never", async () => {
  const db = await throwawayDatabase();
  const queue = await openQueue(db);
  const got: number[] = [];
  const done = Promise.withResolvers<void>();
  await queue.work<{ n: number }>("wake", { concurrency: 2 }, async (job) => {
    got.push(job.data.n);
    if (got.length === 10) done.resolve();
    return Promise.resolve();
  });
  await expect(
    db.transaction(async (tx) => {
      await queue.send(tx, "wake", { n: 99 });
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  await db.transaction(async (tx) => {
    for (let n = 0; n < 10; n += 1) await queue.send(tx, "wake", { n });
  });
  await done.promise;
  await queue.stop();
  const q2 = await openQueue(db);
  await q2.stop();
  expect(got.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
