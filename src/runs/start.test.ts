import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { countRuns, listRuns, type RunOrder, startRun, startRuns } from "./index.ts";

const order = (key?: string): RunOrder => ({
  ...{ agent: "counter", agentVersion: 1, input: { key: key ?? null } },
  ...(key !== undefined && { key }),
});

test("many runs start in their order, once for each key, whoever else starts them too", async () => {
  const db = await throwawayDatabase();
  const { run: known } = await db.transaction((tx) => startRun(tx, order("b")));
  const keys = ["d", "b", undefined, "a", "d", undefined];
  const started = await db.transaction((tx) => startRuns(tx, keys.map(order)));
  expect(started.map(({ created }) => created)).toEqual([true, false, true, true, false, true]);
  expect(started.map(({ run }) => run.key)).toEqual(["d", "b", null, "a", "d", null]);
  expect(started[1]?.run.id).toBe(known.id);
  expect(started[4]?.run.id).toBe(started[0]?.run.id);
  const fresh = started.filter(({ created }) => created).map(({ run }) => BigInt(run.id));
  expect(fresh).toEqual(fresh.toSorted((a, b) => Number(a - b)));
  // More than one statement takes; then at most so many, in opposite orders: nobody waits in a circle.
  const many = Array.from({ length: 1_200 }, (_, n) => `many/${n}`);
  const few = Array.from({ length: 300 }, (_, n) => `few/${n}`);
  for (const [one, other] of [
    [many, many],
    [few, few.toReversed()],
  ] as const) {
    const begin = (some: readonly string[]) => db.transaction((tx) => startRuns(tx, some.map(order)));
    const both = (await Promise.all([begin(one), begin(other)])).flat();
    expect(both.filter(({ created }) => created)).toHaveLength(one.length);
  }
  expect((await countRuns(db)).ready).toBe(many.length + few.length + 5);
});

test("of many runs none is started where one cannot be, nor without the commit", async () => {
  const db = await throwawayDatabase();
  const bad = { ...order("two"), state: "\0" };
  await expect(db.transaction((tx) => startRuns(tx, [order("one"), bad]))).rejects.toThrow("NUL");
  const left = db.transaction(async (tx) => {
    await startRuns(tx, [order("one"), order("two")]);
    throw new Error("left");
  });
  await expect(left).rejects.toThrow("left");
  expect(await db.transaction((tx) => startRuns(tx, []))).toEqual([]);
  expect((await listRuns(db, {})).length).toBe(0);
});
