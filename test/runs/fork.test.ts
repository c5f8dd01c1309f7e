/** A run that is over is gone through once more, from a step on, in another way; both are compared. */
import type { Rung } from "factotum/agents";
import type { ModelId, RunId } from "factotum/kernel";
import { serveHttp } from "factotum/server";
import { reply, scriptedProvider, type ScriptedProvider } from "factotum/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Order } from "../agents/shop.ts";
import { whichLamp } from "../steering/kit.ts";
import { openProject, type Project, shopConfig } from "./project.ts";

const order = (quantity: number) =>
  reply([{ name: "place_order", arguments: { product: "lamp", quantity } }], { input: 100, output: 20 });
const done = reply([{ name: "finish", arguments: { unsure: [] } }]);
const ask = reply([
  {
    name: "ask_person",
    arguments: {
      question: "Which day?",
      choices: [
        { id: "today", label: "Today" },
        { id: "never", label: "Never" },
      ],
      default: "today",
    },
  },
]);
const OTHER = "other/clerk" as ModelId;
const by = "ann";

let providers: readonly ScriptedProvider[];
let project: Project;
let orders = 0;
beforeAll(async () => {
  providers = [await scriptedProvider(), await scriptedProvider()];
  const models = providers.map(({ url }, at) => ({
    ...{ id: at === 0 ? "local/clerk" : OTHER, baseUrl: url, local: true as const },
  }));
  const cascade = [{ kind: "model", name: "cheap", model: "cheap" }] as const;
  project = await openProject(shopConfig({ models }, { cascade, asks: {} }));
});
afterAll(async () => {
  await project.close();
  for (const provider of providers) await provider.close();
});
beforeEach(() => project.db.query("delete from shop.orders"));

async function begin(): Promise<RunId> {
  orders += 1;
  const input = { product: "a light", quantity: 1 };
  const { run } = await project.factotum.start({ agent: "clerk", key: `f${orders}`, input });
  await project.settle();
  return run.id;
}

const story = (id: RunId) => project.factotum.showRun(id);
const bodies = (at: number): string => JSON.stringify(providers[at]?.requests.at(-1)?.body);

test("a fork with another model and an instruction is verified, and repeats nothing committed", async () => {
  providers[0]?.script(order(1), done);
  const id = await begin();
  const before = await story(id);
  const tool = before.steps.find(({ data }) => (data as { role?: string }).role === "tool");
  const at = Number(tool?.seq);
  providers[1]?.script(done);
  const fork = await project.factotum.fork(id, { at, model: OTHER, instruction: "Be quick", by });
  await project.settle();
  const after = await story(fork.id);
  expect([after.run.status, after.run.disposition, await project.orders()]).toEqual([
    ...["done", "rehearsed", ["lamp 1"]],
  ]);
  expect(bodies(1)).toContain("ann, whom you work for, says about this piece of work: Be quick");
  expect(after.steps.slice(0, at).map((step) => step.kind)).toEqual(
    before.steps.slice(0, at).map((step) => step.kind),
  );
  expect(after.steps.find((step) => step.kind === "rehearsed")?.data).toMatchObject({ would: "commit" });
  // One call of its own, and nothing of what the other's cost or earned.
  expect([after.value, after.changeSets]).toEqual([0n, []]);
  const calls = await project.db.query("select model from factotum.calls where run_id = $1", [fork.id]);
  expect(calls.rows).toEqual([{ model: OTHER }]);
  const compared = await project.factotum.compare(id, fork.id);
  expect(compared).toMatchObject({
    runs: [
      { model: "local/clerk", disposition: "resolved", rows: 2 },
      { model: OTHER, disposition: "rehearsed", rows: 2 },
    ],
  });
  expect(compared.firstDifference).toBeGreaterThanOrEqual(at);
  expect(compared.changes.every((line) => line.includes("shop.products"))).toBe(true);
  expect((await story(id)).steps.at(-1)).toMatchObject({ kind: "forked to", data: { to: fork.id } });
});

test("over HTTP a run is forked and compared, and what cannot be is refused with its reason", async () => {
  const http = await serveHttp(project.factotum, { host: "127.0.0.1", port: 0 });
  const at = async (path: string, body?: unknown) => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${http.url}/runs/${path}`, { ...init, headers });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  providers[0]?.script(order(1), done);
  const id = await begin();
  providers[1]?.script(order(2), done);
  const made = await at(`${id}/fork`, { at: 0, model: OTHER, instruction: "Two of them", by });
  expect([made.status, made.body]).toEqual([
    ...[201, { id: expect.any(String), from: id, at: 0, rehearses: true }],
  ]);
  await project.settle();
  const other = String(made.body["id"]);
  const compared = await at(`${id}/compare/${other}`);
  expect(compared.body).toMatchObject({
    runs: [
      { id, disposition: "resolved", rows: 2, costMicroUsd: expect.any(String) },
      { id: other, model: OTHER, disposition: "rehearsed", rows: 2 },
    ],
    firstDifference: expect.any(Number),
  });
  expect(bodies(1)).toContain("Two of them");
  const committing = await at(`${id}/fork`, { at: 0, commit: true });
  expect([committing.status, committing.body["error"]]).toMatchObject([
    ...[422, { code: "fork-refused", message: expect.stringContaining(`factotum undo ${id}`) }],
  ]);
  expect((await at(`${id}/fork`, { at: -1 })).status).toBe(400);
  expect((await at(`${id}/compare/999999`)).body["error"]).toMatchObject({ code: "run-unknown" });
  expect(await project.orders()).toEqual(["lamp 1"]);
  await http.close();
});

test("a fork commits only where nothing of the other's stands, and once", async () => {
  providers[0]?.script(order(1), done);
  const id = await begin();
  const again = { at: 0, commit: true, by };
  await expect(project.factotum.fork(id, again)).rejects.toMatchObject({
    ...{ code: "fork-refused", message: expect.stringContaining(`factotum undo ${id}`) },
  });
  await project.factotum.undo(id, by);
  providers[0]?.script(order(1), done);
  const fork = await project.factotum.fork(id, again);
  await project.settle();
  expect([(await story(fork.id)).run.disposition, await project.orders()]).toEqual(["resolved", ["lamp 1"]]);
});

test("a fork may answer a question otherwise; where it cannot begin, it says where it can", async () => {
  providers[0]?.script(ask, order(1), done);
  const id = await begin();
  const [question] = await project.factotum.inbox();
  await project.factotum.answer((question as NonNullable<typeof question>).id, { choice: "today", by });
  await project.settle();
  const asked = (await story(id)).steps.find((step) => step.kind === "asked");
  const at = Number(asked?.seq);
  providers[0]?.script(reply([{ name: "give_up", arguments: { because: "never" } }]));
  const fork = await project.factotum.fork(id, { at, answer: "never", by });
  await project.settle();
  expect(bodies(0)).toContain("never");
  expect((await story(fork.id)).run.disposition).toBe("rehearsed");
  for (const wrong of [
    { at },
    { at: 1, answer: "never" },
    { at, answer: "tomorrow" },
    { at: 10_000 },
    { at: -1 },
    { at, model: "no" as ModelId },
  ]) {
    const tried = project.factotum.fork(id, { ...wrong, by });
    await expect(tried).rejects.toMatchObject({
      code: expect.stringMatching(/^(fork-refused|model-unknown)$/),
    });
  }
});

test("a fork of a rung of code has the answers that the other had, but the one that it gives", async () => {
  const questions: string[] = [];
  const rung: Rung<Order> = {
    ...{ kind: "code", name: "asks twice" },
    async run({ input, call, ask: put }) {
      const which = (question: string) => whichLamp({ question });
      questions.push((await put(which("First?"))).choice);
      questions.push((await put(which("Second?"))).choice);
      await call("place_order", { product: "lamp", quantity: input.quantity });
      return { kind: "finished", doubts: [] };
    },
  };
  const asking = await openProject(shopConfig({}, { cascade: [rung] }));
  const answer = async (choice: string): Promise<void> => {
    const [question] = await asking.factotum.inbox();
    await asking.factotum.answer((question as NonNullable<typeof question>).id, { choice, by });
    await asking.settle();
  };
  const input = { product: "a light", quantity: 1 };
  const { run } = await asking.factotum.start({ agent: "clerk", key: "code", input });
  await asking.settle();
  await answer("lamp");
  await answer("chair");
  expect(questions.slice(-2)).toEqual(["lamp", "chair"]);
  const steps = await asking.factotum.steps(run.id);
  const at = Number(steps.findLast((step) => step.kind === "asked")?.seq);
  const wrong = { code: "fork-refused", message: expect.stringContaining("the choices lamp, chair") };
  await expect(asking.factotum.fork(run.id, { at, answer: "sofa", by })).rejects.toMatchObject(wrong);
  const fork = await asking.factotum.fork(run.id, { at, answer: "lamp", by });
  await asking.settle();
  expect(questions.slice(-2)).toEqual(["lamp", "lamp"]);
  expect([(await asking.factotum.showRun(fork.id)).run.disposition, await asking.factotum.inbox()]).toEqual([
    ...["rehearsed", []],
  ]);
  await asking.close();
});
