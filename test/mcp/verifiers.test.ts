/** Work from outside for an agent whose verifiers cost something: a person stands in for them. */
import { judge } from "factotum/agents";
import { type Factotum, openFactotum, serveHttp } from "factotum/server";
import { scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, onTestFinished, test } from "vitest";
import project from "../mcp-project/factotum.config.ts";
import { begin, call, httpClient, stock } from "./kit.ts";

const careful = {
  ...project,
  agents: project.agents.map((agent) => ({
    ...agent,
    verifiers: [judge({ name: "reader", model: "cheap", instructions: "Read it." })],
  })),
};

async function open(modelUrl: string): Promise<{ readonly factotum: Factotum; readonly url: string }> {
  const db = await throwawayDatabase();
  const env = { DATABASE_URL: db.url, OPENAI_BASE_URL: modelUrl, FACTOTUM_MODELS: "openai-compatible/tiny" };
  const factotum = await openFactotum(careful, { env, directory: ".", say: () => {} });
  await factotum.prepare();
  const http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await http.close();
    await factotum.close();
    await db.close();
  });
  return { factotum, url: http.url.replace(/\/api$/, "/mcp") };
}

test("no model is asked, nothing is committed unseen, and the person's yes commits it once", async () => {
  const provider = await scriptedProvider();
  onTestFinished(() => provider.close());
  const { factotum, url } = await open(provider.url);
  const client = await httpClient(url);
  const attempt = await begin(client);
  await call(client, "place_order", { attempt, product: "lamp", quantity: 1 });
  const asked = await call(client, "commit", { attempt });
  expect(asked.value).toMatchObject({ kind: "asked" });
  expect(String(asked.value["because"])).toContain("reader: not asked about work that is done from outside");
  expect(await stock(factotum.db, "lamp")).toBe(10);
  await factotum.answer(asked.value["question"] as never, { choice: "commit", by: "Ada" });
  const worker = factotum.work();
  await worker.drained();
  await worker.stop();
  expect((await call(client, "status", { attempt })).value).toMatchObject({
    kind: "committed",
    by: "person",
  });
  expect(await stock(factotum.db, "lamp")).toBe(9);
  expect(provider.requests).toEqual([]);
  await client.close();
});

test("what a check refuses is refused first: a person is not asked about it", async () => {
  const provider = await scriptedProvider();
  onTestFinished(() => provider.close());
  const { factotum, url } = await open(provider.url);
  const client = await httpClient(url);
  const attempt = await begin(client);
  await call(client, "place_order", { attempt, product: "lamp", quantity: 3 });
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "refused" });
  expect(await factotum.inbox()).toEqual([]);
  await client.close();
});
