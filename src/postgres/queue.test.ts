import { expect, onTestFinished, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { type Database, openDatabase, openQueue, type Queue } from "./index.ts";

async function started(): Promise<{ db: Database; queue: Queue; said: string[] }> {
  const db = await throwawayDatabase();
  const said: string[] = [];
  const queue = await openQueue(db, { say: (line) => void said.push(line) });
  onTestFinished(async () => await queue.stop());
  return { db, queue, said };
}

/** Collects the jobs of a queue until `count` came. */
async function take(queue: Queue, name: string, count: number, concurrency = 2): Promise<number[]> {
  const got: number[] = [];
  const done = Promise.withResolvers<void>();
  await queue.work<{ n: number }>(name, { concurrency }, async (job) => {
    got.push(job.data.n);
    if (got.length === count) done.resolve();
    return Promise.resolve();
  });
  await done.promise;
  return got.toSorted((a, b) => a - b);
}

test("a job sent in a transaction that commits is handed out, one rolled back never", async () => {
  const { db, queue } = await started();
  const rolledBack = db.transaction(async (tx) => {
    await queue.send(tx, "wake", { n: 99 });
    throw new Error("no");
  });
  await expect(rolledBack).rejects.toThrow("no");
  await db.transaction(async (tx) => {
    for (let n = 0; n < 20; n += 1) await queue.send(tx, "wake", { n });
  });
  expect(await take(queue, "wake", 20)).toEqual([...Array(20).keys()]);
});

test("one key waits once, its delayed job is not in the way, and no key never collides", async () => {
  const { db, queue } = await started();
  const send = async (n: number, options = {}): Promise<boolean> =>
    await db.transaction(async (tx) => (await queue.send(tx, "wake", { n }, options)) !== null);
  expect(await send(1, { singletonKey: "run-1", startAfter: new Date("2999-01-01T00:00:00Z") })).toBe(true);
  expect(await send(2, { singletonKey: "run-1" })).toBe(true);
  expect(await send(3, { singletonKey: "run-1" })).toBe(false);
  expect(await send(4, { singletonKey: "run-2" })).toBe(true);
  expect([await send(5), await send(6)]).toEqual([true, true]);
  expect(await take(queue, "wake", 4)).toEqual([2, 4, 5, 6]);
});

test("higher priority goes first, and a handler that throws gets its job again", async () => {
  const { db, queue } = await started();
  await db.transaction(async (tx) => {
    for (const n of [1, 2, 3]) await queue.send(tx, "wake", { n }, { priority: n });
  });
  const order: number[] = [];
  const done = Promise.withResolvers<void>();
  await queue.work<{ n: number }>("wake", { concurrency: 1 }, async (job) => {
    order.push(job.data.n);
    if (order.length === 1) throw new Error("once");
    if (order.length === 4) done.resolve();
    return Promise.resolve();
  });
  await done.promise;
  expect(order).toEqual([3, 2, 1, 3]);
});

test("the queue goes on after its connections died, and says so without crashing", async () => {
  const { db, queue, said } = await started();
  const first = take(queue, "wake", 2);
  await db.transaction(async (tx) => await queue.send(tx, "wake", { n: 1 }));
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  );
  await db.transaction(async (tx) => await queue.send(tx, "wake", { n: 2 }));
  queue.poke("wake");
  expect(await first).toEqual([1, 2]);
  expect(said.every((line) => line.startsWith("queue: "))).toBe(true);
});

test("a second process finds the queue made, and a stopped one gives jobs to nobody", async () => {
  const { db, queue } = await started();
  const second = await openQueue(db);
  await second.stop();
  await second.stop();
  await db.transaction(async (tx) => await queue.send(tx, "wake", { n: 7 }));
  expect(await take(queue, "wake", 1)).toEqual([7]);
});

test("a role that may not make the queue's schema is told what to grant", async () => {
  const db = await throwawayDatabase();
  const url = new URL(db.url);
  const role = `queueless_${url.pathname.slice(1)}`;
  await db.query(`create role ${role} login password 'secret'`);
  [url.username, url.password] = [role, "secret"];
  const plain = await openDatabase({ kind: "url", url: url.href });
  await expect(openQueue(plain)).rejects.toMatchObject({
    code: "create-refused",
    message: expect.stringContaining(`to ${role}`) as string,
  });
  await plain.close();
  await db.query(`drop role ${role}`);
});
