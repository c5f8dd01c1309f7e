/** People nudge a run under way: it is seen before the next step, by code and by models. */
import { microUsd, type RunId } from "factotum/kernel";
import { hang, reply, scriptedProvider } from "factotum/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agreement, judge, type Rung } from "factotum/agents";
import type { NewNudge } from "factotum/inbox";
import type { RunStory } from "factotum/server";
import { clerk, exactRung, type Order } from "../agents/shop.ts";
import { askingRung, clerkWith, openOffice, type Office, whichLamp } from "./kit.ts";

const done = reply([{ name: "finish", arguments: { unsure: [] } }]);
const order = reply([{ name: "place_order", arguments: { product: "lamp", quantity: 1 } }]);
const modelClerk = (name = "clerk") =>
  clerk({ name, checks: [{ name: "fine", run: async () => [] }], cascade: [model] });
const model = { kind: "model", name: "cheap", model: "cheap" } as const;

const steps = async (office: Office, id: RunId): Promise<readonly string[]> =>
  (await office.factotum.showRun(id)).steps.map((step) => step.kind);

/** The texts of a request's messages, in one. */
function asked(request: { readonly body: unknown } | undefined): string {
  const message = z.object({ content: z.string().nullish() });
  const { messages } = z.object({ messages: z.array(message) }).parse(request?.body);
  return messages.map((one) => one.content ?? "").join("\n");
}

test("a rung of code is told what was said, and a nudge to a run that is over is refused", async () => {
  const told: unknown[] = [];
  const asks = askingRung(() => whichLamp());
  const office = await openOffice(
    clerkWith({
      ...asks,
      kind: "code",
      run: async (work) => {
        told.push(work.said);
        return asks.kind === "code" ? asks.run(work) : { kind: "stuck", because: "" };
      },
    }),
  );
  const run = await office.order("light");
  const nudged = await office.post(`/runs/${run.id}/nudges`, { text: "Be quick", by: "bo" });
  expect([nudged.status, nudged.body["takenAt"], nudged.body["by"]]).toEqual([201, null, "bo"]);
  await office.settle();
  const [question] = await office.factotum.inbox();
  await office.factotum.answer(question?.id ?? fail(), { choice: "lamp", by: "ann" });
  await office.settle();
  expect(told).toEqual([[], [{ by: "bo", text: "Be quick" }]]);
  expect(await steps(office, run.id)).toEqual(["asked", "nudged", "committed"]);
  const late = await office.post(`/runs/${run.id}/nudges`, { text: "Stop!" });
  expect([late.status, late.body["error"]]).toMatchObject([409, { code: "run-over" }]);
  expect((await office.post(`/runs/${run.id}/nudges`, {})).body["error"]).toMatchObject({
    code: "nudge-empty",
  });
  await office.close();
});

test("a nudge that interrupts stops the call under way, it is booked, and the next one knows", async () => {
  const provider = await scriptedProvider(hang(), order, done);
  const office = await openOffice(modelClerk(), {}, provider.url);
  const working = office.order("lamp");
  await provider.arrived(1);
  const [run] = await office.factotum.listRuns({ limit: 1 });
  await office.factotum.nudge(run?.id ?? fail(), { text: "Only one lamp", by: "bo", interrupt: true });
  await working;
  expect(provider.requests.length).toBe(3);
  expect(asked(provider.requests[1])).toContain(
    "bo, whom you work for, says about this piece of work: Only one lamp",
  );
  const story = await office.factotum.showRun(run?.id ?? fail());
  expect([story.run.disposition, story.steps.filter((one) => one.kind === "interrupted").length]).toEqual([
    ...["resolved", 1],
  ]);
  const { rows } = await office.factotum.db.query<{ because: string }>(
    "select because from factotum.entries where kind = 'loss'",
  );
  expect(rows.map((row) => row.because)).toEqual([expect.stringContaining("stopped")]);
  await office.close();
  await provider.close();
});

test("a judge's call is interrupted like any other, booked, and made again", async () => {
  const pass = reply([{ name: "verdict", arguments: { verdict: "pass", because: "fine" } }]);
  const provider = await scriptedProvider(hang(), pass);
  const verifiers = [judge<Order>({ name: "judge", model: "cheap", instructions: "Look well." })];
  const fine = [{ name: "fine", run: async () => [] }];
  const office = await openOffice(clerk({ verifiers, checks: fine, cascade: [exactRung] }), {}, provider.url);
  const working = office.order("lamp");
  await provider.arrived(1);
  const [run] = await office.factotum.listRuns({ limit: 1 });
  await office.factotum.nudge(run?.id ?? fail(), { text: "Well?", by: "bo", interrupt: true });
  await working;
  const kinds = await steps(office, run?.id ?? fail());
  expect([provider.requests.length, kinds.filter((kind) => kind === "interrupted")]).toEqual([
    ...[2, ["interrupted"]],
  ]);
  expect(kinds.indexOf("interrupted")).toBeLessThan(kinds.indexOf("nudged"));
  await office.close();
  await provider.close();
});

test("an attempt is made again where somebody speaks while a judge looks at it; a skip ends it", async () => {
  const pass = reply([{ name: "verdict", arguments: { verdict: "pass", because: "fine" } }]);
  const chair = reply([{ name: "place_order", arguments: { product: "chair", quantity: 1 } }]);
  const provider = await scriptedProvider(order, done, hang(), chair, done, pass, order, done, hang());
  const verifiers = [judge<Order>({ name: "judge", model: "cheap", instructions: "Look well." })];
  const office = await openOffice({ ...modelClerk(), verifiers }, {}, provider.url);
  const nudged = async (requests: number, nudge: NewNudge): Promise<RunStory> => {
    const working = office.order("lamp");
    await provider.arrived(requests);
    const [run] = await office.factotum.listRuns({ limit: 1 });
    await office.factotum.nudge(run?.id ?? fail(), { ...nudge, by: "bo" });
    await working;
    return office.factotum.showRun(run?.id ?? fail());
  };
  const spoken = await nudged(3, { text: "A chair instead", interrupt: true });
  expect(asked(provider.requests[3])).toContain("A chair instead");
  expect(spoken.attempts.map((one) => one.status)).toEqual(["discarded", "committed"]);
  expect(spoken.steps.map((step) => step.kind)).toEqual(
    expect.arrayContaining(["interrupted", "nudged", "reconsidered", "committed"]),
  );
  const skipped = await nudged(9, { skip: true });
  expect(skipped.attempts.map((one) => one.status)).toEqual(["discarded"]);
  expect([skipped.run.disposition, skipped.steps.at(-1)?.attempt]).toEqual(["discarded", 1]);
  const { rows } = await office.factotum.db.query("select stock from shop.products order by id");
  expect(rows).toEqual([{ stock: 10 }, { stock: 499 }]);
  await office.close();
  await provider.close();
});

test("what is said during a try made to be compared takes both tries back; a budget does not", async () => {
  const offices: Office[] = [];
  const says: NewNudge[] = [{ budget: microUsd(1_000_000) }, { text: "A chair instead" }];
  let tries = 0;
  const rung: Rung<Order> = {
    ...{ kind: "code", name: "obliging" },
    async run(work) {
      tries += 1;
      const nudge = tries % 2 === 0 ? says.shift() : undefined;
      const [run] = (await offices[0]?.factotum.listRuns({ limit: 1 })) ?? [];
      if (nudge !== undefined) await offices[0]?.factotum.nudge(run?.id ?? fail(), { ...nudge, by: "bo" });
      const product = work.said.length > 0 ? "chair" : "lamp";
      await work.call("place_order", { product, quantity: work.input.quantity });
      return { kind: "finished", doubts: [] };
    },
  };
  const fine = [{ name: "fine", run: async () => [] }];
  const office = await openOffice(clerkWith(rung, { checks: fine, verifiers: [agreement()] }));
  offices.push(office);
  const statuses = async (): Promise<readonly string[]> => {
    const { id } = await office.order("lamp");
    return (await office.factotum.showRun(id)).attempts.map((one) => one.status);
  };
  expect(await statuses()).toEqual(["committed", "compared"]);
  expect(await statuses()).toEqual(["discarded", "compared", "committed", "compared"]);
  const { rows } = await office.factotum.db.query("select stock from shop.products order by id");
  expect(rows).toEqual([{ stock: 9 }, { stock: 499 }]);
  await office.close();
});

test("what is said while a model thinks that it is done is seen before anything is committed", async () => {
  const offices: Office[] = [];
  let said = false;
  const check = {
    name: "somebody speaks",
    run: async () => {
      const [run] = said ? [] : ((await offices[0]?.factotum.listRuns({ limit: 1 })) ?? []);
      said = true;
      if (run !== undefined) await offices[0]?.factotum.nudge(run.id, { text: "A chair instead", by: "bo" });
      return [];
    },
  };
  const chair = reply([{ name: "place_order", arguments: { product: "chair", quantity: 1 } }]);
  const provider = await scriptedProvider(order, done, chair, done);
  const office = await openOffice(clerk({ checks: [check], cascade: [model] }), {}, provider.url);
  offices.push(office);
  const run = await office.order("lamp");
  expect(asked(provider.requests[2])).toContain("A chair instead");
  expect(await steps(office, run.id)).toEqual(
    expect.arrayContaining(["reconsidered", "nudged", "committed"]),
  );
  const { rows } = await office.factotum.db.query("select stock from shop.products order by id");
  expect(rows).toEqual([{ stock: 10 }, { stock: 499 }]);
  await office.close();
  await provider.close();
});

test("a budget given between check and commit is noted, and the attempt is not made again", async () => {
  const offices: Office[] = [];
  const check = {
    name: "somebody pays",
    run: async () => {
      const [run] = (await offices[0]?.factotum.listRuns({ limit: 1 })) ?? [];
      if (run !== undefined) {
        await offices[0]?.factotum.nudge(run.id, { budget: microUsd(1_000_000), by: "bo" });
      }
      return [];
    },
  };
  const provider = await scriptedProvider(order, done);
  const office = await openOffice(clerk({ checks: [check], cascade: [model] }), {}, provider.url);
  offices.push(office);
  const run = await office.order("lamp");
  const kinds = await steps(office, run.id);
  expect([provider.requests.length, kinds.slice(-2)]).toEqual([2, ["nudged", "committed"]]);
  const [nudge] = await office.factotum.nudges(run.id);
  expect(nudge).toMatchObject({ budget: 1_000_000n, takenAt: expect.any(Date) });
  await office.close();
  await provider.close();
});

test("skip ends the run with nothing committed, its question taken back; a budget caps calls", async () => {
  const office = await openOffice(clerkWith(askingRung(() => whichLamp())));
  const run = await office.order("light");
  const other = await office.order("light");
  await office.factotum.nudge(other.id, { budget: microUsd(1_000_000), by: "bo" });
  await office.factotum.nudge(run.id, { skip: true, text: "We closed", by: "bo" });
  await office.settle();
  const story = await office.factotum.showRun(run.id);
  expect([story.run.status, story.run.disposition, story.questions[0]?.status]).toEqual([
    ...["done", "discarded", "withdrawn"],
  ]);
  expect(story.steps.at(-1)?.data).toEqual({ because: "skipped by bo: We closed" });
  // The other run's question waited for this one's answer, and is now asked itself.
  expect((await office.factotum.inbox()).map((one) => [one.runId, one.mergedInto])).toEqual([
    [other.id, null],
  ]);
  const { rows } = await office.factotum.db.query(
    "select name, cap_micro_usd from factotum.budgets where name like '%/run-%'",
  );
  expect(rows).toEqual([{ name: `company/default/clerk/run-${other.id}`, cap_micro_usd: "1000000" }]);
  // What cannot be is told to whoever says it, and the run goes on as it was.
  for (let n = 0; n < 50; n += 1)
    await office.factotum.instruct({ agent: "clerk", tenant: other.tenant }, { text: `Rule ${n}`, by: "bo" });
  await expect(
    office.factotum.nudge(other.id, { text: "One more", always: true, by: "bo" }),
  ).rejects.toMatchObject({ code: "instructions-full" });
  expect((await office.factotum.nudges(other.id)).length).toBe(1);
  await office.close();
});

test("what is always to be done stands for later runs of that agent alone, until withdrawn", async () => {
  const provider = await scriptedProvider();
  provider.otherwise(done);
  const asks = askingRung(() => whichLamp());
  const office = await openOffice(
    [modelClerk(), clerk({ name: "asker", cascade: [asks] }), modelClerk("other")],
    {},
    provider.url,
  );
  const { run } = await office.factotum.start({
    agent: "asker",
    key: "1",
    input: { product: "x", quantity: 1 },
  });
  await office.settle();
  await office.factotum.nudge(run.id, { text: "Never on Fridays", always: true, by: "bo" });
  await office.factotum.instruct({ agent: "clerk", tenant: run.tenant }, { text: "Lamps first", by: "bo" });
  await office.settle();
  const listed = await office.factotum.instructions();
  expect(listed.map((one) => [one.agent, one.text, one.runId])).toEqual([
    ["asker", "Never on Fridays", run.id],
    ["clerk", "Lamps first", null],
  ]);
  const told = async (agent: string, key: string): Promise<readonly boolean[]> => {
    await office.factotum.start({ agent, key, input: { product: "lamp", quantity: 1 } });
    await office.settle();
    const text = asked(provider.requests.at(-1));
    return ["Lamps first", "Chairs first", "Fridays"].map((words) => text.includes(words));
  };
  expect(await told("clerk", "a")).toEqual([true, false, false]);
  expect(await told("other", "b")).toEqual([false, false, false]);
  const id = listed.find((one) => one.agent === "clerk")?.id ?? fail();
  const edited = await office.post(`/instructions/${id}`, { text: "Chairs first" }, "PUT");
  expect([edited.status, edited.body["replaces"]]).toEqual([200, id]);
  expect(await told("clerk", "c")).toEqual([false, true, false]);
  const gone = await office.post(`/instructions/${String(edited.body["id"])}`, {}, "DELETE");
  expect(gone.status).toBe(200);
  expect(await told("clerk", "d")).toEqual([false, false, false]);
  expect((await office.post(`/instructions/${id}`, {}, "DELETE")).status).toBe(404);
  await office.close();
  await provider.close();
});

function fail(): never {
  throw new Error("it is not there");
}
