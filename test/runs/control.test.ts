/** Runs start at a time, are held up, ended with what they did taken back, and finished by their version. */
import type { Agent, Follow } from "factotum/agents";
import type { RunId } from "factotum/kernel";
import { type Database, setClock } from "factotum/postgres";
import { getRun, listSteps, startRun } from "factotum/runs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { clerk, type Order } from "../agents/shop.ts";
import { openProject, type Project, shopConfig } from "./project.ts";

const HOUR_MS = 3_600_000;
const NINE = new Date("2026-03-02T09:00:00Z");
const at = (hours: number): Date => new Date(NINE.getTime() + hours * HOUR_MS);
const sent: unknown[] = [];

/** Of so many it cannot say what is to be sent. */
const UNLUCKY = 13;

/** Sleeps for ten hours after its commit. */
const sleeper: Follow<Order> = {
  checks: [],
  begin: async ({ at: now }) => ({
    ...{ kind: "wait", memo: null },
    until: new Date(now.getTime() + 10 * HOUR_MS),
  }),
  wake: async () => ({ kind: "done", outcome: "slept" }),
};
const channels = { mail: { deliver: async ({ body }: { body: unknown }) => void sent.push(body) } };
const mailing: Pick<Agent<Order>, "effects" | "compensate"> = {
  effects: ["mail"],
  compensate: ({ input, undone, stands }) => {
    if (input.quantity === UNLUCKY) throw new TypeError("the customer has no address");
    return [{ channel: "mail", body: { sorry: input.product, undone, stands: stands.length } }];
  },
};
const config = shopConfig({ channels }, { follow: sleeper, ...mailing });

let project: Project;
let db: Database;
let orders = 0;
beforeAll(async () => {
  project = await openProject(config);
  ({ db } = project);
});
afterAll(() => project.close());
beforeEach(async () => {
  await setClock(db, { at: NINE, rate: 0 });
  await db.query("delete from shop.orders");
  sent.length = 0;
});

async function order(quantity: number, times: { at?: Date; deadline?: Date } = {}): Promise<RunId> {
  orders += 1;
  const input = { product: "chair", quantity };
  const { run } = await project.factotum.start({ agent: "clerk", key: `o${orders}`, input, ...times });
  await project.settle();
  return run.id;
}

const kinds = async (id: RunId): Promise<readonly string[]> =>
  (await listSteps(db, id)).map((step) => step.kind);

test("a run that is to begin at a time sleeps until then as a row", async () => {
  const id = await order(1, { at: at(5) });
  expect([await getRun(db, id), await project.orders()]).toMatchObject([{ status: "waiting" }, []]);
  await setClock(db, { at: at(5), rate: 0 });
  await project.settle();
  expect(await project.orders()).toEqual(["chair 1"]);
});

test("a nudge does not begin a run before its time; it is told when it begins", async () => {
  const id = await order(1, { at: at(5) });
  await project.factotum.nudge(id, { text: "mind the step", by: "ann" });
  await project.settle();
  expect([await getRun(db, id), await project.orders()]).toMatchObject([{ status: "waiting" }, []]);
  await setClock(db, { at: at(5), rate: 0 });
  await project.settle();
  expect([await kinds(id), await project.orders()]).toEqual([["nudged", "committed"], ["chair 1"]]);
});

test("a cancelled run ends, what it committed is taken back, and its agent's word is sent", async () => {
  const id = await order(2);
  expect([(await getRun(db, id)).status, await project.orders()]).toEqual(["waiting", ["chair 2"]]);
  const [cancelled] = await project.factotum.cancel(id, { by: "ann", because: "wrong customer" });
  expect(cancelled).toMatchObject({ runId: id, ended: true, undone: [expect.any(String)], stands: [] });
  await project.settle();
  expect([await project.orders(), sent]).toEqual([[], [{ sorry: "chair", undone: 1, stands: 0 }]]);
  const run = await getRun(db, id);
  expect(run).toMatchObject({ status: "cancelled", because: "wrong customer" });
  expect(run.state).toMatchObject({ disposition: "cancelled" });
  expect((await kinds(id)).slice(-2)).toEqual(["cancelled", "compensated"]);
  expect((await project.factotum.showRun(id)).value).toBe(0n);
  await expect(project.factotum.cancel(id, { by: "ann" })).rejects.toMatchObject({ code: "run-over" });
});

test("what something later depends on stands, and is named", async () => {
  const first = await order(1);
  const second = await order(1);
  // Both took a chair off the same stock.
  const [cancelled] = await project.factotum.cancel(first, { by: "ann" });
  expect(cancelled?.undone).toEqual([]);
  expect(cancelled?.stands).toMatchObject([{ because: expect.stringMatching(`run ${second}`) }]);
  expect((await project.orders()).length).toBe(2);
  const [kept] = await project.factotum.cancel(second, { by: "ann", keep: true });
  expect(kept?.stands).toMatchObject([{ because: "it was to be kept" }]);
  await project.settle();
  expect(sent).toHaveLength(2);
});

test("a run past its deadline ends as overdue, with all that it did taken back", async () => {
  const id = await order(3, { deadline: at(4) });
  expect(await project.orders()).toEqual(["chair 3"]);
  await setClock(db, { at: at(4), rate: 0 });
  await project.settle();
  const run = await getRun(db, id);
  expect([run.status, run.state, await project.orders()]).toMatchObject([
    "cancelled",
    { disposition: "overdue" },
    [],
  ]);
  expect(run.because).toBe("its deadline, 2026-03-02T13:00:00.000Z, has passed");
});

test("an agent that cannot say what is to be sent keeps no run from its end", async () => {
  const cancelled = await order(UNLUCKY);
  const [end] = await project.factotum.cancel(cancelled, { by: "ann" });
  expect(end).toMatchObject({ ended: true, effects: 0, unsent: "the customer has no address" });
  expect((await listSteps(db, cancelled)).at(-1)).toMatchObject({
    kind: "compensated",
    data: { undone: end?.undone, unsent: "the customer has no address" },
  });
  const ids = [await order(UNLUCKY, { deadline: at(1) }), await order(1, { deadline: at(2) })];
  await setClock(db, { at: at(3), rate: 0 });
  await project.settle();
  for (const id of ids) expect((await getRun(db, id)).status).toBe("cancelled");
  expect(sent).toHaveLength(1);
});

test("of a cancel and commits at once, one is first: nothing committed is left behind", async () => {
  const ids: RunId[] = [];
  for (let n = 0; n < 12; n += 1) {
    const { run } = await project.factotum.start({
      ...{ agent: "clerk", key: `race${n}` },
      input: { product: n % 2 === 0 ? "chair" : "lamp", quantity: 1 },
    });
    ids.push(run.id);
  }
  const ends = await Promise.allSettled(ids.map((id) => project.factotum.cancel(id, { by: "ann" })));
  await project.settle();
  expect(ends.filter((one) => one.status === "rejected")).toEqual([]);
  const stands = ends.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  const left = stands.reduce((sum, one) => sum + one.stands.length, 0);
  expect((await project.orders()).length).toBe(left);
  for (const id of ids) expect((await getRun(db, id)).status).toBe("cancelled");
});

test("a paused run sleeps over its time, and goes on when it is resumed", async () => {
  const id = await order(1);
  await project.factotum.pause(id, "ann");
  await setClock(db, { at: at(20), rate: 0 });
  await project.settle();
  expect((await getRun(db, id)).status).toBe("paused");
  await project.factotum.resume(id, "bob");
  await project.settle();
  expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "resolved" });
  expect((await kinds(id)).slice(-3)).toEqual(["paused", "resumed", "over"]);
});

test("a failed run goes on from where it stood, once what made it fail is mended", async () => {
  const whole = { agent: "clerk", agentVersion: 1, input: { item: "chair" } };
  const { run } = await db.transaction((tx) => startRun(tx, whole));
  await project.settle();
  expect(await getRun(db, run.id)).toMatchObject({ status: "failed" });
  await db.query("update factotum.runs set input = $2 where id = $1", [
    ...[run.id, JSON.stringify({ product: "chair", quantity: 4 })],
  ]);
  await project.factotum.retry(run.id, "ann");
  await project.settle();
  expect([await kinds(run.id), await project.orders()]).toEqual([
    ...[["failure", "retried", "committed"], ["chair 4"]],
  ]);
  await expect(project.factotum.retry(run.id, "ann")).rejects.toMatchObject({ code: "run-not-failed" });
});

test("an earlier version's run is finished by that version, migrated by a step, or waits", async () => {
  const begin = async (version: number): Promise<RunId> => {
    const input = version === 1 ? { item: "chair" } : { product: "chair", quantity: 2 };
    const whole = { agent: "clerk", agentVersion: version, input };
    return (await db.transaction((tx) => startRun(tx, whole))).run.id;
  };
  const id = await begin(7);
  await project.settle();
  const parked = await getRun(db, id);
  expect([parked.status, parked.failures]).toEqual(["waiting", 0]);
  const [finding] = await listSteps(db, id);
  expect(finding).toMatchObject({ kind: "version-missing", data: { code: "version-missing", version: 7 } });
  // Woken without a new version it waits on, and does not say it again.
  await project.factotum.pause(id, "ann");
  await project.factotum.resume(id, "ann");
  await project.settle();
  expect(await kinds(id)).toEqual(["version-missing", "paused", "resumed"]);

  const seventh = clerk({ version: 7 }) as Agent;
  const deployed = await openProject({ ...config, formerAgents: [seventh] }, db);
  const driven = async (run: RunId): Promise<readonly unknown[]> => {
    for (let n = 0; (await getRun(db, run)).status !== "done" && n < 50; n += 1) await deployed.settle();
    const { status, agentVersion } = await getRun(db, run);
    return [status, agentVersion];
  };
  expect(await driven(id)).toEqual(["done", 7]);
  await deployed.close();

  await project.close();
  const [old, dropped] = [await begin(1), await begin(1)];
  const migrating = clerk({
    version: 3,
    migrate: [
      {
        from: 1,
        to: 2,
        step: (state) => ({ ...state, feedback: ["from one"] }),
        input: (input) => ({ product: (input as { item: string }).item, quantity: 1 }),
      },
      { from: 2, to: 3, step: (state) => ({ ...state, feedback: [...state.feedback, "from two"] }) },
    ],
  }) as Agent;
  project = await openProject(shopConfig({ agents: [{ ...migrating, ...mailing }], channels }), db);
  const [gone] = await project.factotum.cancel(dropped, { by: "ann" });
  expect(gone).toMatchObject({ effects: 1, unsent: null });
  await project.settle();
  const run = await getRun(db, old);
  expect(run).toMatchObject({
    status: "done",
    agentVersion: 3,
    state: { feedback: ["from one", "from two"] },
  });
  expect(run.input).toEqual({ product: "chair", quantity: 1 });
  expect((await listSteps(db, old))[0]).toMatchObject({ kind: "migrated", data: { from: 1, to: 3 } });
});
