/** Limits of a configuration and of people: at work in every process, by provider, too. */
import type { RunId } from "factotum/kernel";
import { defineConfig, openFactotum } from "factotum/server";
import { hang, reply, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { exactRung } from "../agents/shop.ts";
import { openOffice } from "../steering/kit.ts";
import { openProject, shopConfig } from "./project.ts";

const order = reply([{ name: "place_order", arguments: { product: "lamp", quantity: 1 } }]);
const done = reply([{ name: "finish", arguments: { unsure: [] } }]);
const cheap = { kind: "model", name: "cheap", model: "cheap" } as const;

test.each([
  ["from its first rung", [cheap]],
  ["once code has given up", [exactRung, cheap]],
])("a provider's limit holds for whoever calls it %s, and costs no call", async (_, cascade) => {
  const provider = await scriptedProvider(hang(), order, done);
  const models = [{ id: "local/clerk", baseUrl: provider.url, local: true as const }];
  const limits = { providers: { local: { atOnce: 1 } }, tenants: { "*": { atOnce: 9 } } };
  const project = await openProject(shopConfig({ models, limits, concurrency: 4 }, { cascade }));
  const ids: RunId[] = [];
  for (const key of ["a", "b"]) {
    const input = { product: "a light", quantity: 1 };
    ids.push((await project.factotum.start({ agent: "clerk", key, input })).run.id);
  }
  await provider.arrived(1);
  const sql = "select id, worker from factotum.runs where provider = 'local' order by worker is null";
  const named = async () => (await project.db.query<{ id: RunId; worker: string | null }>(sql)).rows;
  await expect
    .poll(async () => (await named()).map((one) => one.worker === null), { timeout: 60_000 })
    .toEqual([false, true]);
  const [busy] = await named();
  await project.factotum.nudge(busy?.id ?? ("" as RunId), { text: "", skip: true, by: "bo" });
  await project.settle();
  expect(provider.requests.length).toBe(3);
  const lines = await project.factotum.listRuns({ ids });
  expect(lines.map((line) => String(line.disposition)).toSorted()).toEqual(["discarded", "resolved"]);
  const { rows } = await project.db.query("select because from factotum.entries where kind = 'loss'");
  expect(rows.length).toBe(1);
  await project.close();
  await provider.close();
});

test("what a configuration declares comes and goes with it; what a person puts stays", async () => {
  const db = await throwawayDatabase();
  const first = { agents: { clerk: { atOnce: 3, perMinute: 60 } }, tenants: { "*": { atOnce: 5 } } };
  for (const [limits, wanted] of [
    [first, ["agent clerk shop", "provider local a person", "tenant * shop"]],
    [{ agents: { clerk: { atOnce: 4 } } }, ["agent clerk shop", "provider local a person"]],
  ] as const) {
    const project = await openProject(shopConfig({ limits }), db);
    await project.factotum.setLimit({ kind: "provider", name: "local", atOnce: 2 });
    const lines = await project.factotum.limits();
    expect(lines.map((line) => `${line.kind} ${line.name} ${line.declaredBy ?? "a person"}`)).toEqual(wanted);
    await project.close();
  }
  const broken = [
    { agents: { clark: { atOnce: 1 } } },
    { agents: { clerk: {} } },
    { tenants: { "*": { perMinute: 5 } } },
    { providers: { local: { atOnce: -1 } } },
    { people: { bo: { atOnce: 1 } } },
  ];
  for (const limits of broken) {
    const config = defineConfig({ ...shopConfig(), limits });
    const opened = openFactotum(config, { env: { DATABASE_URL: db.url }, directory: "/", say: () => {} });
    await expect(opened).rejects.toMatchObject({ code: "limit-invalid" });
  }
});

test("limits are put and lifted over HTTP, and a wrong one changes nothing", async () => {
  const office = await openOffice([]);
  const put = await office.post("/limits/agent/clerk", { atOnce: 2, perMinute: 30 }, "PUT");
  const line = { kind: "agent", name: "clerk", atOnce: 2, perMinute: 30, declaredBy: null };
  expect(put).toEqual({ status: 200, body: { limits: [line] } });
  const wrong = await Promise.all([
    office.post("/limits/agent/clerk", {}, "PUT"),
    office.post("/limits/agent/clerk", { atOnce: 1.5 }, "PUT"),
    office.post("/limits/team/clerk", { atOnce: 1 }, "PUT"),
  ]);
  expect(wrong.map((one) => one.status)).toEqual([422, 422, 400]);
  expect((await office.post("/limits", undefined, "GET")).body).toEqual({ limits: [line] });
  expect((await office.post("/limits/agent/clerk", undefined, "DELETE")).body).toEqual({ lifted: true });
  expect((await office.post("/limits/agent/clerk", undefined, "DELETE")).body).toEqual({ lifted: false });
  await office.close();
});
