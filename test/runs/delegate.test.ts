/** Work is started for tenants and by priority, and handed on to runs of its own, each once. */
import type { Agent, ChildRun, Rung } from "factotum/agents";
import type { RunId, TenantId } from "factotum/kernel";
import { type Database, setClock } from "factotum/postgres";
import { childrenOf, countRuns, getRun, listSteps } from "factotum/runs";
import { serveHttp } from "factotum/server";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { clerk, type Order } from "../agents/shop.ts";
import { openProject, type Project, shopConfig } from "./project.ts";

/** So many the clerk does not order: a person is asked. */
const UNLUCKY = 13;
const MORNING = new Date("2026-03-02T09:00:00Z");
const seen: (readonly ChildRun[])[] = [];
let times = 0;

/** Hands one and thirteen on to the clerk, who cannot order thirteen, and orders the rest itself. */
const hands: Rung<Order> = {
  kind: "code",
  name: "hands on",
  async run({ input: { product, quantity }, delegate, call }) {
    times += 1;
    const counts = product === "lamp" ? [1, UNLUCKY] : [1, 2];
    const shares = counts.map((count) => ({ agent: "clerk", input: { product, quantity: count } }));
    const first = quantity === 1;
    seen.push(await delegate(shares, first ? { kind: "first", count: 1 } : { kind: "all" }));
    await call("place_order", { product, quantity });
    return { kind: "finished", doubts: [] };
  },
};
const manager = clerk({ name: "manager", cascade: [hands] }) as Agent;
const careful = clerk({
  cascade: [
    {
      kind: "code",
      name: "orders",
      async run({ input, call }) {
        if (input.quantity === UNLUCKY) throw new Error("nobody wants thirteen");
        await call("place_order", input);
        return { kind: "finished", doubts: [] };
      },
    },
  ],
});
const config = shopConfig({ agents: [manager, careful] });
let project: Project;
let db: Database;
let orders = 0;
beforeAll(async () => {
  project = await openProject(config);
  ({ db } = project);
});
afterAll(() => project.close());
beforeEach(async () => {
  await setClock(db, { at: MORNING, rate: 0 });
  seen.length = 0;
  times = 0;
});

async function start(agent: string, product: string, quantity: number, more = {}): Promise<RunId> {
  const input = { product, quantity };
  const { run } = await project.factotum.start({ agent, key: `k${(orders += 1)}`, input, ...more });
  await project.settle();
  return run.id;
}

const ends = () => seen.map((all) => all.map((one) => `${one.status} ${one.disposition}`));
const waiting = async (id: RunId) => (await childrenOf(db, id)).find((one) => one.status === "waiting");

test("a run hands work on, waits as a row, and goes on once with what came of it", async () => {
  const id = await start("manager", "chair", 3, { tenant: "acme" as TenantId });
  expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "resolved", tenant: "acme" });
  expect([times, ends()]).toEqual([2, [["done resolved", "done resolved"]]]);
  expect((await project.orders()).toSorted()).toEqual(["chair 1", "chair 2", "chair 3"]);
  const children = await childrenOf(db, id);
  expect(children.map((child) => child.tenant)).toEqual(["acme", "acme"]);
  const runs = children.map((child) => child.id);
  expect((await listSteps(db, id))[0]).toMatchObject({ kind: "delegated", data: { join: 1, runs } });
  const story = await project.factotum.showRun(id);
  expect(story.run).toMatchObject({ tenant: "acme", parentId: null, children: runs });
  // Gone through once more, it starts nothing: what was handed on is done.
  const { total } = await countRuns(db);
  const fork = await project.factotum.fork(id, { at: 0, by: "ann" });
  await project.settle();
  expect((await getRun(db, fork.id)).outcome).toBe("rehearsed");
  expect([(await countRuns(db)).total - total, ends().length]).toEqual([1, 2]);
});

test("a child that is cancelled lets its parent go on, as does the first that is done", async () => {
  const all = await start("manager", "lamp", 2);
  await project.factotum.nudge(all, { text: "hurry", by: "ann" });
  await project.settle();
  expect([(await getRun(db, all)).status, ends()]).toEqual(["waiting", []]);
  const stuck = await waiting(all);
  await project.factotum.cancel(stuck?.id ?? ("0" as RunId), { by: "ann", because: "out of stock" });
  await project.settle();
  expect((await getRun(db, all)).status).toBe("done");
  expect(seen[0]).toMatchObject([{ status: "done" }, { status: "cancelled", because: "out of stock" }]);
  const first = await start("manager", "lamp", 1);
  expect([(await getRun(db, first)).status, ends()[1]]).toEqual(["done", ["done resolved", "waiting null"]]);
});

test("a run that is cancelled ends what it handed on, and takes back what was committed for it", async () => {
  const before = await project.orders();
  const id = await start("manager", "lamp", 5);
  expect((await project.orders()).length).toBe(before.length + 1);
  const cancelled = await project.factotum.cancel(id, { by: "ann" });
  expect(cancelled.map(({ ended, undone }) => [ended, undone.length])).toEqual([
    ...[
      [true, 0],
      [false, 1],
      [true, 0],
    ],
  ]);
  expect([await project.orders(), (await project.factotum.inbox()).length]).toEqual([before, 1]);
});

test("a run that is skipped ends what it handed on, and what was committed for it stays", async () => {
  const [made, open] = [(await project.orders()).length, (await project.factotum.inbox()).length];
  const id = await start("manager", "lamp", 6);
  await project.factotum.nudge(id, { skip: true, by: "ann" });
  await project.settle();
  expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "discarded" });
  expect((await childrenOf(db, id)).map((child) => child.status)).toEqual(["done", "cancelled"]);
  expect((await project.factotum.showRun(id)).run.wakeAt).toBeNull();
  expect([(await project.orders()).length, (await project.factotum.inbox()).length]).toEqual([
    ...[made + 1, open],
  ]);
});

test("work is started for a tenant and by priority, and what cannot be is named", async () => {
  const http = await serveHttp(project.factotum, { host: "127.0.0.1", port: 0 });
  const input = { product: "chair", quantity: 1 };
  const body = JSON.stringify({ agent: "clerk", input, tenant: "zeta", priority: 7 });
  const headers = { "content-type": "application/json" };
  const reply = await fetch(`${http.url}/runs`, { method: "POST", headers, body });
  const { id } = (await reply.json()) as { id: RunId };
  expect(await getRun(db, id)).toMatchObject({ tenant: "zeta", priority: 7 });
  const listed = await (await fetch(`${http.url}/runs?tenant=zeta`)).json();
  expect(listed).toMatchObject({ runs: [{ id, tenant: "zeta" }] });
  await http.close();
  const problems = [
    { at: new Date(Number.NaN) },
    { tenant: " " as TenantId },
    { priority: 1.5 },
    { at: MORNING, deadline: MORNING },
  ];
  for (const more of problems) {
    await expect(start("clerk", "chair", 1, more)).rejects.toMatchObject({ code: "order-invalid" });
  }
});
