/** Work from outside for an agent whose verifiers cost something: a worker asks them, the client is told. */
import type { Client } from "@modelcontextprotocol/client";
import { type Agent, agreement, judge } from "factotum/agents";
import { must } from "factotum/kernel";
import { type Factotum, openFactotum, serveHttp } from "factotum/server";
import { hang, reply, scriptedProvider, type ScriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, onTestFinished, test } from "vitest";
import project from "../mcp-project/factotum.config.ts";
import { begin, call, httpClient, stock } from "./kit.ts";

const reader = judge({ name: "reader", model: "cheap", instructions: "Read it." });
const says = (verdict: string, because: string) =>
  reply([{ name: "verdict", arguments: { verdict, because } }], { input: 1_000, output: 100 });

type Opened = {
  readonly factotum: Factotum;
  readonly client: Client;
  readonly provider: ScriptedProvider;
};

async function open(verifiers: Agent["verifiers"] & {}, hasModel = true): Promise<Opened> {
  const provider = await scriptedProvider();
  const model = {
    ...{ id: "small/tiny", provider: "openai-compatible" as const, model: "tiny", baseUrl: provider.url },
    ...{ outputTokensMax: 1_000, price: { inputUsdPerMtok: "1", outputUsdPerMtok: "10" } },
  };
  const careful = {
    ...project,
    models: hasModel ? [model] : [],
    agents: project.agents.map((agent) => ({ ...agent, verifiers })),
  };
  const db = await throwawayDatabase();
  const env = { DATABASE_URL: db.url };
  const factotum = await openFactotum(careful, { env, directory: ".", say: () => {} });
  await factotum.prepare();
  const http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  const client = await httpClient(http.url.replace(/\/api$/, "/mcp"));
  onTestFinished(async () => {
    await client.close();
    await http.close();
    await factotum.close();
    await db.close();
    await provider.close();
  });
  return { factotum, client, provider };
}

function working(factotum: Factotum): void {
  const worker = factotum.work();
  onTestFinished(() => worker.stop());
}

async function lampOrdered(client: Client): Promise<string> {
  const attempt = await begin(client);
  await call(client, "place_order", { attempt, product: "lamp", quantity: 1 });
  return attempt;
}

test("a judge's yes commits once, is recorded with its cost, and is not asked for again", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.script(says("pass", "one lamp, as asked"));
  working(factotum);
  const attempt = await lampOrdered(client);
  const both = await Promise.all([1, 2].map(() => call(client, "commit", { attempt })));
  both.push(await call(client, "commit", { attempt }));
  for (const { value } of both) expect(value).toMatchObject({ kind: "committed", by: "client" });
  expect(await stock(factotum.db, "lamp")).toBe(9);
  expect(provider.requests).toHaveLength(1);
  const { rows } = await factotum.db.query<{ verdicts: readonly object[] }>(
    "select verdicts from factotum.attempts",
  );
  expect(rows).toHaveLength(1);
  // 1,000 tokens in at 1 dollar a million, and 100 out at 10.
  expect(rows[0]?.verdicts.at(-1)).toMatchObject({
    ...{ check: "reader", kind: "pass", because: "one lamp, as asked", costMicroUsd: "2000" },
  });
});

test("a judge's no is told to the client, who mends the attempt and commits it", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.script(says("fail", "a chair was asked for too"), says("pass", "both are there"));
  working(factotum);
  const attempt = await lampOrdered(client);
  const refused = await call(client, "commit", { attempt });
  expect(refused.value).toMatchObject({ kind: "refused", refusalsLeft: 4 });
  expect(String(refused.value["findings"])).toContain("a chair was asked for too");
  expect(await stock(factotum.db, "lamp")).toBe(10);
  expect((await call(client, "status", { attempt })).value).toMatchObject({ kind: "open" });
  await call(client, "place_order", { attempt, product: "chair", quantity: 1 });
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  expect([await stock(factotum.db, "lamp"), await stock(factotum.db, "chair")]).toEqual([9, 499]);
  expect(await factotum.inbox()).toEqual([]);
});

test("what is said while the judge looks is told to the client before anything is committed", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.script(hang(), says("pass", "both are there"));
  working(factotum);
  const attempt = await lampOrdered(client);
  const committing = call(client, "commit", { attempt });
  await provider.arrived(1);
  const [run] = await factotum.listRuns({ limit: 1 });
  await factotum.nudge(must(run, "the run").id, { text: "A chair, too", by: "bo", interrupt: true });
  const told = (await committing).value;
  expect(told).toMatchObject({ kind: "refused", refusalsLeft: 5 });
  expect(String(told["findings"])).toContain("bo says about this piece of work: A chair, too");
  await call(client, "place_order", { attempt, product: "chair", quantity: 1 });
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  expect([await stock(factotum.db, "lamp"), await stock(factotum.db, "chair")]).toEqual([9, 499]);
});

test("an unsure judge leaves it to a person", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.script(says("unsure", "who is the customer?"));
  working(factotum);
  const asked = await call(client, "commit", { attempt: await lampOrdered(client) });
  expect(asked.value).toMatchObject({ kind: "asked" });
  expect(String(asked.value["because"])).toContain("who is the customer?");
  expect(await stock(factotum.db, "lamp")).toBe(10);
});

test("a worker stopped while the judge thinks: the client asks later, and nothing is lost", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.otherwise(says("pass", "fine"));
  const attempt = await lampOrdered(client);
  const commit = call(client, "commit", { attempt });
  const first = factotum.work();
  await provider.arrived(1);
  await first.stop();
  expect((await call(client, "place_order", { attempt, product: "lamp", quantity: 1 })).failed).toBe(true);
  working(factotum);
  expect((await commit).value).toMatchObject({ kind: "committed" });
  expect(await stock(factotum.db, "lamp")).toBe(9);
  expect(provider.requests).toHaveLength(1);
});

test("rows that move while the judge thinks end the attempt; its client begins again", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.otherwise(says("pass", "fine"));
  const attempt = await lampOrdered(client);
  const commit = call(client, "commit", { attempt });
  const kind = async (): Promise<unknown> => (await call(client, "status", { attempt })).value["kind"];
  for (let now = await kind(); now !== "verifying"; now = await kind()) expect(now).toBe("open");
  await factotum.db.query("update shop.products set stock = 5 where name = 'lamp'");
  working(factotum);
  const answer = await commit;
  expect(answer).toMatchObject({ failed: true });
  expect(answer.text).toContain("begin again");
  const again = String((await call(client, "begin", { again: attempt })).value["attempt"]);
  await call(client, "place_order", { attempt: again, product: "lamp", quantity: 1 });
  expect((await call(client, "commit", { attempt: again })).value).toMatchObject({ kind: "committed" });
  expect(await stock(factotum.db, "lamp")).toBe(4);
});

test.each([
  ["tries that must agree", [agreement({ name: "twice", times: 2 })], true, "no second try"],
  ["a judge without a model", [reader], false, "no model is configured as cheap"],
] as const)(
  "%s: no model is asked, and a person's yes commits it once",
  async (_, verifiers, hasModel, because) => {
    const { factotum, client, provider } = await open([...verifiers], hasModel);
    const attempt = await lampOrdered(client);
    const asked = await call(client, "commit", { attempt });
    expect(asked.value).toMatchObject({ kind: "asked" });
    expect(String(asked.value["because"])).toContain(because);
    await factotum.answer(asked.value["question"] as never, { choice: "commit", by: "Ada" });
    const worker = factotum.work();
    await worker.drained();
    await worker.stop();
    const { value } = await call(client, "status", { attempt });
    expect(value).toMatchObject({ kind: "committed", by: "person" });
    expect(await stock(factotum.db, "lamp")).toBe(9);
    expect(provider.requests).toEqual([]);
  },
);

test("what a check refuses is refused first: neither a judge nor a person is asked about it", async () => {
  const { factotum, client, provider } = await open([reader]);
  const attempt = await begin(client);
  await call(client, "place_order", { attempt, product: "lamp", quantity: 3 });
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "refused" });
  expect(await factotum.inbox()).toEqual([]);
  expect(provider.requests).toEqual([]);
});

test("a client that asked for progress is told while it waits, and may leave", async () => {
  const { factotum, client, provider } = await open([reader]);
  provider.otherwise(says("pass", "fine"));
  const attempt = await lampOrdered(client);
  const told: { readonly progress: number; readonly total?: number | undefined }[] = [];
  const heard = Promise.withResolvers<void>();
  const onprogress = (progress: (typeof told)[number]): void => {
    if (told.push(progress) === 3) heard.resolve();
  };
  const gone = new AbortController();
  const request = { name: "commit", arguments: { attempt } };
  const left = client.callTool(request, { onprogress, signal: gone.signal }).catch(() => "left");
  await heard.promise;
  gone.abort();
  expect(await left).toBe("left");
  expect(told.slice(0, 3).map(({ progress, total }) => [progress, total])).toEqual([
    [0, 20_000],
    [200, 20_000],
    [400, 20_000],
  ]);
  expect((await call(client, "status", { attempt })).value).toMatchObject({ kind: "verifying" });
  working(factotum);
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
});
