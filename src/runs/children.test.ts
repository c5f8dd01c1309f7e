import { expect, test } from "vitest";
import { FactotumError, type Json, type RunId } from "../kernel/index.ts";
import { type Database, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  cancel,
  childrenOf,
  CHILDREN_MAX,
  type Drive,
  getJoin,
  getRun,
  kinshipOf,
  type Lease,
  listSteps,
  nudge,
  overdueRuns,
  pauseRun,
  resumeRun,
  type Run,
  startChildren,
  startRun,
  startWorker,
  takeNudges,
  type Until,
  wake,
} from "./index.ts";

let opened: Promise<Database> | undefined;
/** One database for the file: no test looks at another's runs. */
const shared = (): Promise<Database> => (opened ??= throwawayDatabase());
const quick = { delayMsBase: 1, delayMsMax: 1 };

async function start(db: Database, input: Json, agent = "parent"): Promise<RunId> {
  return (await db.transaction((tx) => startRun(tx, { agent, agentVersion: 1, input }))).run.id;
}

/** A family: parents start the children of their input, and children do as theirs says. */
const family =
  (until?: Until): Drive =>
  async (lease) => {
    await lease.turn(async (tx, run) => {
      if (run.agent === "child") return child(run);
      const join = await getJoin(tx, run.id, 1);
      if (join === undefined) {
        const orders = (run.input as Json[]).map((input) => ({ agent: "child", agentVersion: 1, input }));
        await startChildren(tx, run, orders, until);
        return { kind: "park", state: "parked" };
      }
      if (!join.met) return { kind: "park", state: "woken early" };
      const results = (await childrenOf(tx, run.id, 1)).map(({ status, outcome }) => outcome ?? status);
      return { kind: "done", state: results, outcome: `${join.done} done, ${join.failed} failed` };
    });
  };

function child(run: Run): Awaited<ReturnType<Parameters<Lease["turn"]>[0]>> {
  if (run.input === "die") throw new FactotumError({ code: "dead", retry: "never", message: "it died" });
  if (run.input === "wait") return { kind: "park", state: null };
  return { kind: "done", state: null, outcome: run.input as string };
}

async function drive(db: Database, how: Drive): Promise<void> {
  const worker = startWorker({ db, drive: how, retry: quick });
  await worker.drained();
  await worker.stop();
}

test("a run waits for all that it started, whatever becomes of them, and reads their results", async () => {
  const db = await shared();
  const many = Array.from({ length: 30 }, (_, n) => (n === 7 ? "die" : `n${n}`));
  const id = await start(db, many);
  const workers = [1, 2, 3].map(() => startWorker({ db, drive: family(), retry: quick }));
  await Promise.all(workers.map((one) => one.drained()));
  await Promise.all(workers.map((one) => one.stop()));
  const run = await getRun(db, id);
  expect([run.status, run.outcome]).toEqual(["done", "29 done, 1 failed"]);
  expect(run.state).toEqual(many.map((one) => (one === "die" ? "failed" : one)));
  const { children } = await kinshipOf(db, id);
  expect(await kinshipOf(db, children[3] as RunId)).toMatchObject({ parentId: id, children: [] });
});

test("it goes on with the first that are done, or as soon as one fails", async () => {
  const db = await shared();
  const first = await start(db, ["wait", "a", "wait", "b"]);
  await drive(db, family({ kind: "first", count: 2 }));
  expect(await getRun(db, first)).toMatchObject({ status: "done", outcome: "2 done, 0 failed" });
  const failed = await start(db, ["wait", "die", "wait"]);
  await drive(db, family({ kind: "any-failed" }));
  expect(await getRun(db, failed)).toMatchObject({ status: "done", outcome: "0 done, 1 failed" });
  // Fewer can be done than it waits for: it is woken when all are over.
  const hopeless = await start(db, ["die", "die", "a"]);
  await drive(db, family({ kind: "first", count: 2 }));
  expect(await getRun(db, hopeless)).toMatchObject({ status: "done", outcome: "1 done, 2 failed" });
});

test("a cancelled child counts as failed, and one that is retried counts anew", async () => {
  const db = await shared();
  const id = await start(db, ["wait", "wait"]);
  await drive(db, family());
  const [one, other] = (await kinshipOf(db, id)).children;
  await db.transaction((tx) => cancel(tx, one as RunId, "not needed"));
  expect(await getJoin(db, id, 1)).toMatchObject({ done: 0, failed: 1, met: false });
  await db.transaction((tx) => cancel(tx, other as RunId, "not needed"));
  await drive(db, family());
  expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "0 done, 2 failed" });
});

test("children whose parent's turn was not kept are not there", async () => {
  const db = await shared();
  const id = await start(db, ["a"]);
  let tries = 0;
  await drive(db, async (lease) => {
    await lease.turn(async (tx, run) => {
      const orders = [{ agent: "child", agentVersion: 1, input: "a", key: "same" }];
      await startChildren(tx, run, orders);
      tries += 1;
      if (tries < 3) throw new Error("not this time");
      return { kind: "done", state: null, outcome: "started" };
    });
  }).catch(() => undefined);
  expect(await childrenOf(db, id)).toHaveLength(1);
});

test("a run starts so many, so deep, and none twice", async () => {
  const db = await shared();
  const id = await start(db, []);
  const begin = (parent: RunId, orders: readonly { input: Json; key?: string }[]) =>
    db.transaction(async (tx) => {
      const whole = orders.map((one) => ({ agent: "child", agentVersion: 1, ...one }));
      await startChildren(tx, await getRun(tx, parent), whole);
    });
  await expect(begin(id, [])).rejects.toMatchObject({ code: "children-none" });
  const many = Array.from({ length: CHILDREN_MAX + 1 }, () => ({ input: null }));
  await expect(begin(id, many)).rejects.toMatchObject({ code: "children-too-many", runId: id });
  const twice = [1, 2].map((input) => ({ input, key: "same" }));
  await expect(begin(id, twice)).rejects.toMatchObject({ code: "child-repeated" });
  let deepest = id;
  await expect(
    (async () => {
      for (;;) {
        await begin(deepest, [{ input: null }]);
        deepest = (await kinshipOf(db, deepest)).children[0] as RunId;
      }
    })(),
  ).rejects.toMatchObject({ code: "children-too-deep", message: expect.stringMatching(/at depth 8/) });
});

test("a paused run takes no turn, keeps what wakes it, and goes on when it is resumed", async () => {
  const db = await shared();
  const listen: Drive = async (lease) => {
    await lease.turn(async (tx, run) => {
      const heard = (await takeNudges(tx, run.id)).map((one) => one.body);
      const state = [...((run.state as Json[] | null) ?? []), ...heard];
      return { kind: "park", state };
    });
  };
  const id = await start(db, null);
  await drive(db, listen);
  await db.transaction((tx) => pauseRun(tx, id, "ann"));
  await expect(db.transaction((tx) => pauseRun(tx, id, "bob"))).rejects.toMatchObject({ code: "run-paused" });
  expect(await db.transaction((tx) => nudge(tx, id, { body: "psst", by: "ann" }))).toBe(true);
  await drive(db, listen);
  expect(await getRun(db, id)).toMatchObject({ status: "paused", state: [] });
  await db.transaction((tx) => resumeRun(tx, id, "ann"));
  await drive(db, listen);
  expect(await getRun(db, id)).toMatchObject({ status: "waiting", state: ["psst"] });
  expect((await listSteps(db, id)).map((step) => step.kind)).toEqual(["paused", "resumed"]);
  await expect(db.transaction((tx) => resumeRun(tx, id, "ann"))).rejects.toMatchObject({
    code: "run-not-paused",
  });
  await db.transaction((tx) => pauseRun(tx, id, "ann"));
  expect(await db.transaction((tx) => cancel(tx, id, "enough"))).toBe(true);
  expect(await getRun(db, id)).toMatchObject({ status: "cancelled" });
  await expect(db.transaction((tx) => pauseRun(tx, id, "ann"))).rejects.toMatchObject({ code: "run-over" });
});

test("a pause stops the turn under way, and nothing of it is kept", async () => {
  const db = await shared();
  const id = await start(db, null);
  const driving = Promise.withResolvers<void>();
  const worker = startWorker({
    db,
    drive: async (lease) => {
      await lease.turn(async () => ({ kind: "continue", state: 1 }));
      driving.resolve();
      await new Promise((resolve) => lease.signal.addEventListener("abort", resolve));
      await lease.turn(async () => ({ kind: "done", state: 2, outcome: "too late" }));
    },
  });
  await driving.promise;
  await db.transaction((tx) => pauseRun(tx, id, "ann"));
  await worker.drained();
  await worker.stop();
  expect(await getRun(db, id)).toMatchObject({ status: "paused", state: 1 });
});

test("deadlines are by the business clock, whatever a run does", async () => {
  const db = await shared();
  const noon = new Date("2026-03-02T12:00:00Z");
  await setClock(db, { at: new Date("2026-03-02T09:00:00Z"), rate: 0 });
  const order = { agent: "child", agentVersion: 1, input: "wait", deadline: noon };
  const { run } = await db.transaction((tx) => startRun(tx, order));
  await db.transaction((tx) => pauseRun(tx, run.id, "ann"));
  expect(await overdueRuns(db, 10)).toEqual([]);
  await setClock(db, { at: noon, rate: 0 });
  expect(await overdueRuns(db, 10)).toEqual([{ id: run.id, deadlineAt: noon }]);
});

test("a run that goes on in other hands says so in its timeline", async () => {
  const db = await shared();
  const id = await start(db, null);
  const holding = Promise.withResolvers<void>();
  const letGo = startWorker({
    ...{ db, name: "first" },
    drive: async (lease) => {
      await lease.turn(async () => ({ kind: "continue", state: 1 }));
      holding.resolve();
      while (!lease.shouldYield()) await new Promise((resolve) => setImmediate(resolve));
    },
  });
  await holding.promise;
  await letGo.stop();
  const second = startWorker({
    ...{ db, name: "second" },
    drive: async (lease) => void (await lease.turn(async () => ({ kind: "done", state: 2, outcome: "x" }))),
  });
  await second.drained();
  await second.stop();
  const [step, ...rest] = await listSteps(db, id);
  expect([step?.kind, step?.data, rest]).toEqual([
    "picked up",
    {
      ...{ by: expect.stringMatching(/^second \(\d+\)$/), from: expect.any(String) },
      ...{ afterStep: 0, version: expect.any(Number) },
    },
    [],
  ]);
  expect(await db.transaction((tx) => wake(tx, id))).toBe(false);
});
