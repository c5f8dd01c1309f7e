import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { TenantId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  countRuns,
  type Drive,
  liftLimit,
  type Limit,
  listLimits,
  type RunOrder,
  setLimit,
  startRun,
  startWorker,
  type Worker,
} from "./index.ts";

const base = { agentVersion: 1, input: null };

async function put(db: Database, ...limits: Limit[]): Promise<void> {
  await db.transaction(async (tx) => {
    for (const limit of limits) await setLimit(tx, limit);
  });
}

async function start(db: Database, orders: readonly Omit<RunOrder, "agentVersion" | "input">[]) {
  await db.transaction(async (tx) => {
    for (const order of orders) await startRun(tx, { ...base, ...order });
  });
}

/** Drives over all workers, counted by name, and the most there ever were at once. */
function counter() {
  const now = new Map<string, number>();
  const most = new Map<string, number>();
  const during = async (names: readonly string[], work: () => Promise<void>): Promise<void> => {
    for (const name of names) {
      const count = (now.get(name) ?? 0) + 1;
      now.set(name, count);
      most.set(name, Math.max(count, most.get(name) ?? 0));
    }
    try {
      await work();
    } finally {
      for (const name of names) now.set(name, (now.get(name) ?? 1) - 1);
    }
  };
  return { most, during };
}

const finish: Drive = async (lease) => {
  await lease.turn(async () => ({ kind: "continue", state: 1 }));
  await lease.turn(async () => ({ kind: "done", state: 2, outcome: "worked" }));
};

async function workTogether(db: Database, count: number, drive: Drive): Promise<void> {
  const workers: Worker[] = Array.from({ length: count }, () => startWorker({ db, drive, sweepMs: 50 }));
  await Promise.all(workers.map((worker) => worker.drained()));
  await Promise.all(workers.map((worker) => worker.stop()));
}

test("limits hold over all workers together, whatever they are, and everything gets done", async () => {
  const db = await throwawayDatabase();
  const some = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
  const order = fc.record({
    tenant: fc.constantFrom("a", "b", "c").map((name) => name as TenantId),
    agent: fc.constantFrom("x", "y"),
    provider: fc.constantFrom("p", "q"),
    priority: fc.integer({ min: 0, max: 2 }),
  });
  const limits = fc.record({ a: some, "*": some, x: some, p: some });
  const property = async (orders: readonly RunOrder[], given: Record<string, number | undefined>) => {
    await db.query("truncate factotum.limits; truncate factotum.runs cascade");
    const kinds = { a: "tenant", "*": "tenant", x: "agent", p: "provider" } as const;
    for (const [name, atOnce] of Object.entries(given)) {
      const kind = kinds[name as keyof typeof kinds];
      if (atOnce !== undefined) await put(db, { kind, name, atOnce });
    }
    await start(db, orders);
    const { most, during } = counter();
    const drive: Drive = async (lease) => {
      const { tenant, agent, provider } = lease.run;
      await during([tenant, agent, provider ?? ""], async () => await finish(lease));
    };
    await workTogether(db, 3, drive);
    expect((await countRuns(db)).done).toBe(orders.length);
    const each = given["*"] ?? Infinity;
    const most4 = { a: given["a"] ?? each, b: each, c: each, x: given["x"], p: given["p"] };
    for (const [name, atOnce] of Object.entries(most4)) {
      expect(most.get(name) ?? 0, name).toBeLessThanOrEqual(atOnce ?? Infinity);
    }
  };
  const runs = fc.array(order, { minLength: 5, maxLength: 30 }) as fc.Arbitrary<RunOrder[]>;
  await fc.assert(fc.asyncProperty(runs, limits, property), { numRuns: 8 });
});

test("a limit on one agent keeps nobody else waiting, however urgent its own runs are", async () => {
  const db = await throwawayDatabase();
  await put(db, { kind: "agent", name: "busy", atOnce: 0 });
  await start(db, [
    ...Array.from({ length: 30 }, () => ({ agent: "busy", priority: 9 })),
    ...Array.from({ length: 5 }, () => ({ agent: "idle" })),
  ]);
  const worker = startWorker({ db, drive: finish, sweepMs: 20 });
  while ((await countRuns(db)).done < 5);
  expect(await countRuns(db)).toMatchObject({ done: 5, ready: 30 });
  expect(await db.transaction((tx) => liftLimit(tx, { kind: "agent", name: "busy" }))).toBe(true);
  await worker.drained();
  expect(await listLimits(db)).toEqual([]);
  expect((await countRuns(db)).done).toBe(35);
  await worker.stop();
});

test("a rate is kept by all workers together: what goes beyond it waits", async () => {
  const db = await throwawayDatabase();
  await put(db, { kind: "tenant", name: "default", perMinute: 600 });
  await start(
    db,
    Array.from({ length: 25 }, () => ({ agent: "x" })),
  );
  const began = performance.now();
  await workTogether(db, 2, finish);
  // Ten at once, and ten a second.
  expect(performance.now() - began).toBeGreaterThan(1_400);
  expect((await countRuns(db)).done).toBe(25);
});

test("a run that comes to need a limited provider waits for its turn there", async () => {
  const db = await throwawayDatabase();
  await put(db, { kind: "provider", name: "p", atOnce: 1 });
  await start(
    db,
    Array.from({ length: 6 }, () => ({ agent: "x" })),
  );
  const { most, during } = counter();
  let letGo = 0;
  await workTogether(db, 2, async (lease) => {
    if (lease.run.provider === null) {
      const run = await lease.turn(async () => ({ kind: "continue", state: 1, provider: "p" }));
      if (run.status === "ready" && run.provider === "p" && lease.signal.aborted) letGo += 1;
      return;
    }
    await during(["p"], async () => await finish(lease));
  });
  expect([letGo, most.get("p"), (await countRuns(db)).done]).toEqual([6, 1, 6]);
});

test("a worker of some agents takes theirs alone, with limits and without", async () => {
  const db = await throwawayDatabase();
  for (const limits of [[], [{ kind: "agent", name: "*", atOnce: 1 }]] satisfies Limit[][]) {
    await put(db, ...limits);
    await start(db, [{ agent: "a" }, { agent: "b" }, { agent: "a" }]);
    const seen: string[] = [];
    const some = startWorker({
      ...{ db, sweepMs: 50, agents: ["a"] },
      drive: async (lease) => {
        seen.push(lease.run.agent);
        await finish(lease);
      },
    });
    await some.drained();
    expect([seen, (await countRuns(db)).ready]).toEqual([["a", "a"], 1]);
    await some.stop();
    await workTogether(db, 1, finish);
    expect((await countRuns(db)).ready).toBe(0);
  }
});
