import { expect, test } from "vitest";
import { FactotumError, type RunId } from "../kernel/index.ts";
import { type Database, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  appendStep,
  cancel,
  countRuns,
  type Drive,
  endRun,
  FencedError,
  getRun,
  type Lease,
  listRuns,
  listSteps,
  nudge,
  retryFailed,
  startRun,
  startWorker,
  takeNudges,
  wake,
} from "./index.ts";

const quick = { delayMsBase: 1, delayMsMax: 1 };

async function start(db: Database, order: { key?: string; priority?: number } = {}): Promise<RunId> {
  const whole = { agent: "counter", agentVersion: 1, input: { to: 3 }, ...order };
  const { run } = await db.transaction(async (tx) => await startRun(tx, whole));
  return run.id;
}

async function count(lease: Lease): Promise<void> {
  let { run } = lease;
  while (run.status === "ready") {
    run = await lease.turn(async (tx, now) => {
      const n = Number(now.state ?? 0) + 1;
      await appendStep(tx, now.id, { kind: "count", attempt: null, data: n });
      return n < 3 ? { kind: "continue", state: n } : { kind: "done", state: n, outcome: "counted" };
    });
  }
}

async function failAfterOneTurn(lease: Lease): Promise<void> {
  if (lease.run.state === null) await lease.turn(async () => ({ kind: "continue", state: 1 }));
  throw new FactotumError({ code: "hopeless", retry: "never", message: "no such carrier \0" });
}

async function listen(lease: Lease): Promise<void> {
  await lease.turn(async (tx, run) => {
    const nudges = await takeNudges(tx, run.id);
    const state = [...((run.state as string[] | null) ?? []), ...nudges.map((one) => one.body as string)];
    return state.includes("stop") ? { kind: "done", state, outcome: "told" } : { kind: "park", state };
  });
}

/** Drives everything that is ready, then stops. */
async function driveAll(db: Database, drive: Drive): Promise<string[]> {
  const said: string[] = [];
  const worker = startWorker({ db, drive, retry: quick, say: (line) => said.push(line) });
  await worker.drained();
  await worker.stop();
  return said;
}

test("a started run is driven turn by turn to its end, each step written once, in order", async () => {
  const db = await throwawayDatabase();
  const id = await start(db);
  await driveAll(db, count);
  const run = await getRun(db, id);
  expect(run).toMatchObject({ status: "done", outcome: "counted", state: 3, version: 3n, steps: 3n });
  const steps = await listSteps(db, id);
  expect(steps.map((step) => [step.seq, step.data])).toEqual([
    [1n, 1],
    [2n, 2],
    [3n, 3],
  ]);
  expect((await listSteps(db, id, { after: 1n, limit: 1 })).map((step) => step.seq)).toEqual([2n]);
});

test("a start whose transaction rolls back starts nothing", async () => {
  const db = await throwawayDatabase();
  const order = { agent: "counter", agentVersion: 1, input: null };
  await expect(
    db.transaction(async (tx) => {
      await startRun(tx, order);
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect((await countRuns(db)).total).toBe(0);
});

test("of many orders with one key at once, one creates the run and all get it", async () => {
  const db = await throwawayDatabase();
  const order = { agent: "counter", agentVersion: 1, input: null, key: "same" };
  const orders = Array.from({ length: 20 }, async () => await db.transaction((tx) => startRun(tx, order)));
  const started = await Promise.all(orders);
  expect(started.filter((one) => one.created)).toHaveLength(1);
  expect(new Set(started.map((one) => one.run.id)).size).toBe(1);
  expect((await countRuns(db)).total).toBe(1);
});

test("a turn that throws keeps nothing, not even its steps and rows", async () => {
  const db = await throwawayDatabase();
  await db.query("create table thing (n int)");
  const id = await start(db);
  let tries = 0;
  await driveAll(db, async (lease) => {
    await lease.turn(async (tx, run) => {
      await tx.query("insert into thing values (1)");
      await appendStep(tx, run.id, { kind: "try", attempt: null, data: null });
      tries += 1;
      if (tries < 3) throw new TypeError("a bug");
      return { kind: "done", state: null, outcome: "third" };
    });
  });
  expect((await db.query("select * from thing")).rowCount).toBe(1);
  expect(await getRun(db, id)).toMatchObject({ status: "done", because: null, failures: 0 });
  expect((await listSteps(db, id)).map((step) => step.kind)).toEqual(["failure", "failure", "try"]);
});

test("an error that says never fails the run at once, and a retry lets it go on from its state", async () => {
  const db = await throwawayDatabase();
  const id = await start(db);
  const said = await driveAll(db, failAfterOneTurn);
  expect(said.join()).toContain("no such carrier");
  expect(await getRun(db, id)).toMatchObject({
    status: "failed",
    state: 1,
    because: "no such carrier \uFFFD",
  });
  expect(await listSteps(db, id)).toMatchObject([{ kind: "failure", data: { code: "hopeless" } }]);
  expect(await db.transaction(async (tx) => await retryFailed(tx, id))).toBe(true);
  await driveAll(db, count);
  expect(await getRun(db, id)).toMatchObject({ status: "done", because: null });
});

test("errors that say later, bugs and drivers that do nothing are tried only so often", async () => {
  const db = await throwawayDatabase();
  const ids = { later: await start(db), bug: await start(db), idle: await start(db) };
  const drives = new Map<RunId, number>();
  await driveAll(db, async ({ runId }) => {
    drives.set(runId, (drives.get(runId) ?? 0) + 1);
    if (runId === ids.later) throw new FactotumError({ code: "busy", retry: "later", message: "busy" });
    if (runId === ids.bug) throw new TypeError("undefined is not a function");
  });
  expect(drives).toEqual(
    new Map([
      [ids.later, 12],
      [ids.bug, 5],
      [ids.idle, 12],
    ]),
  );
  expect(await countRuns(db)).toMatchObject({ failed: 3, total: 3 });
  expect((await getRun(db, ids.idle)).because).toContain("without a turn");
});

test("a parked run goes on when the business clock reaches its time, even when it is set", async () => {
  const db = await throwawayDatabase();
  await setClock(db, { at: new Date("2026-03-01T00:00:00Z"), rate: 0 });
  const id = await start(db);
  const until = new Date("2026-03-08T12:00:00Z");
  const drive: Drive = async (lease) => {
    await lease.turn(async (_tx, run, now) =>
      run.wakeAt === null
        ? { kind: "park", state: null, until }
        : { kind: "done", state: (await now()).toISOString(), outcome: "woke" },
    );
  };
  const worker = startWorker({ db, drive });
  await worker.drained();
  expect(await getRun(db, id)).toMatchObject({ status: "waiting", wakeAt: until });
  await setClock(db, { at: until, rate: 0 });
  await worker.drained();
  expect(await getRun(db, id)).toMatchObject({ status: "done", state: until.toISOString() });
  await worker.stop();
});

test("a nudge wakes a parked run and is read once; one to a run that is over is refused", async () => {
  const db = await throwawayDatabase();
  const id = await start(db);
  for (const body of ["first", "second", "stop"]) {
    await driveAll(db, listen);
    expect(await db.transaction(async (tx) => await nudge(tx, id, { body, by: "ann" }))).toBe(true);
  }
  await driveAll(db, listen);
  expect(await getRun(db, id)).toMatchObject({ status: "done", state: ["first", "second", "stop"] });
  expect(await db.transaction(async (tx) => await nudge(tx, id, { body: "late", by: "ann" }))).toBe(false);
  expect((await db.query("select * from factotum.nudges")).rowCount).toBe(3);
});

test("a cancelled run's driver is told, and its next turn keeps nothing", async () => {
  const db = await throwawayDatabase();
  const id = await start(db);
  const driving = Promise.withResolvers<Lease>();
  const worker = startWorker({
    db,
    drive: async (lease) => {
      await lease.turn(async () => ({ kind: "continue", state: 1 }));
      driving.resolve(lease);
      await new Promise((resolve) => lease.signal.addEventListener("abort", resolve));
      await lease.turn(async () => ({ kind: "done", state: 2, outcome: "too late" }));
    },
  });
  const lease = await driving.promise;
  expect(await db.transaction(async (tx) => await cancel(tx, id, "not needed"))).toBe(true);
  await worker.drained();
  expect(lease.signal.reason).toBeInstanceOf(FencedError);
  expect(await getRun(db, id)).toMatchObject({ status: "cancelled", state: 1, because: "not needed" });
  expect((await listSteps(db, id)).map((step) => step.kind)).toEqual(["cancelled"]);
  expect(await db.transaction(async (tx) => await wake(tx, id))).toBe(false);
  await worker.stop();
});

test("runs are taken up by priority, then by age, and listed by filter and page", async () => {
  const db = await throwawayDatabase();
  const ids = [];
  for (const priority of [0, 5, 0, 9]) ids.push(await start(db, { priority }));
  const order: RunId[] = [];
  const drive: Drive = async (lease) => {
    order.push(lease.runId);
    await lease.turn(async () => ({
      kind: "done",
      state: null,
      outcome: lease.run.priority > 0 ? "hot" : "cold",
    }));
  };
  const worker = startWorker({ db, drive, concurrency: 1 });
  await worker.drained();
  await worker.stop();
  const [a, b, c, d] = ids;
  expect(order).toEqual([d, b, a, c]);
  expect(await countRuns(db)).toMatchObject({ done: 4, ready: 0, outcomes: { hot: 2, cold: 2 } });
  expect((await listRuns(db, { outcome: "hot" })).map((run) => run.id)).toEqual([d, b]);
  const page = await listRuns(db, { status: ["done"], order: "oldest", limit: 2, after: a as RunId });
  expect(page.map((run) => run.id)).toEqual([b, c]);
});

test("a done run is ended anew from outside, and an unknown one is named", async () => {
  const db = await throwawayDatabase();
  const id = await start(db);
  await driveAll(db, count);
  await db.transaction(async (tx) => {
    const run = await getRun(tx, id, { lock: true });
    await endRun(tx, id, { state: run.state, outcome: "undone" });
  });
  expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "undone", state: 3 });
  await expect(getRun(db, "404" as RunId)).rejects.toThrow("there is no run 404");
});

test("a turn that Postgres breaks off for another's sake is taken again, and counts once", async () => {
  const db = await throwawayDatabase();
  const id = await start(db);
  let tries = 0;
  await driveAll(db, async (lease) => {
    await lease.turn(async (tx, run) => {
      tries += 1;
      await appendStep(tx, run.id, { kind: "try", attempt: null, data: tries });
      const deadlock = "do $$ begin raise exception 'broken off' using errcode = '40P01'; end $$";
      if (tries < 3) await tx.query(deadlock);
      return { kind: "done", state: tries, outcome: "through" };
    });
  });
  const run = await getRun(db, id);
  expect([run.status, run.state, run.failures]).toEqual(["done", 3, 0]);
  expect((await listSteps(db, id)).map((step) => step.data)).toEqual([3]);
});
