/** Clients of the Model Context Protocol over HTTP, each in its own staged change set. */
import type { Client } from "@modelcontextprotocol/client";
import { type Factotum, type HttpServer, serveHttp } from "factotum/server";
import type { Database } from "factotum/postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { begin, call, type Era, httpClient, openShop, stock } from "./kit.ts";

let db: Database;
let factotum: Factotum;
let http: HttpServer;
let url: string;

beforeAll(async () => {
  ({ db, factotum } = await openShop());
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  url = http.url.replace(/\/api$/, "/mcp");
});

afterAll(async () => {
  await http.close();
  await factotum.close();
  await db.close();
});

describe.each<Era>(["modern", "legacy"])("a %s client", (era) => {
  test("is told the way of working, the tools with their effects, the policy and the tables", async () => {
    const client = await httpClient(url, { era });
    expect(client.getInstructions()).toContain("staged change set");
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    expect(names).toEqual(
      expect.arrayContaining(["begin", "diff", "commit", "discard", "status", "place_order"]),
    );
    const place = tools.find((tool) => tool.name === "place_order");
    expect(place?.inputSchema.required).toEqual(["attempt", "product", "quantity"]);
    expect(place?.annotations).toMatchObject({ readOnlyHint: false, destructiveHint: false });
    expect(tools.find((tool) => tool.name === "find_orders")?.annotations?.readOnlyHint).toBe(true);
    expect(tools.find((tool) => tool.name === "commit")?.annotations?.destructiveHint).toBe(true);
    const { resources } = await client.listResources();
    expect(resources.map((one) => one.name)).toEqual(["policy", "tables", "questions"]);
    const tables = await client.readResource({ uri: "factotum://tables" });
    expect(JSON.stringify(tables)).toContain("product_id");
    const prompt = await client.getPrompt({ name: "work", arguments: { task: "sell a lamp" } });
    expect(JSON.stringify(prompt)).toContain("sell a lamp");
    await client.close();
  });

  test("stages, looks, commits; nobody sees it before, and it is a run like any other after", async () => {
    const client = await httpClient(url, { era, name: "desk/1" });
    const before = await stock(db, "chair");
    const attempt = await begin(client, "two chairs please");
    const placed = await call(client, "place_order", { attempt, product: "chair", quantity: 2 });
    expect(placed).toMatchObject({ failed: false });
    expect(await stock(db, "chair")).toBe(before);
    const diff = await call(client, "diff", { attempt });
    expect(diff.value["diff"]).toHaveLength(2);
    const done = await call(client, "commit", { attempt });
    expect(done.value).toMatchObject({ kind: "committed", by: "client" });
    expect(await stock(db, "chair")).toBe(before - 2);
    expect((await call(client, "commit", { attempt })).value).toMatchObject(done.value);
    const story = await factotum.showRun(done.value["run"] as never);
    expect(story.steps.map((step) => step.kind)).toEqual(["begun", "call", "committed"]);
    expect(story.attempts).toMatchObject([{ rung: expect.stringMatching(/^mcp:/), status: "committed" }]);
    expect(story.value).toBe(1_000_000n);
    const [blamed] = await factotum.blame("shop.products", ["2"]);
    expect(blamed?.because).toMatch(/^mcp:.*two chairs please$/);
    await factotum.undo(story.run.id, "test");
    expect(await stock(db, "chair")).toBe(before);
    expect((await call(client, "status", { attempt })).value).toMatchObject({ kind: "undone" });
    await client.close();
  });
});

describe("a change set", () => {
  let client: Client;
  beforeAll(async () => {
    client = await httpClient(url);
  });
  afterAll(() => client.close());

  test("of one client is not seen by another, and both commit where they touch different rows", async () => {
    const other = await httpClient(url, { name: "other" });
    const [a, b] = [await begin(client), await begin(other)];
    await call(client, "place_order", { attempt: a, product: "chair", quantity: 3 });
    const seen = await call(other, "find_orders", { attempt: b, where: { quantity: 3 } });
    expect(seen.value["rows"]).toEqual([]);
    const own = await call(client, "find_orders", { attempt: a, where: { quantity: 3 } });
    expect(own.value["rows"]).toHaveLength(1);
    await call(other, "place_order", { attempt: b, product: "lamp", quantity: 1 });
    expect((await call(client, "commit", { attempt: a })).value).toMatchObject({ kind: "committed" });
    expect((await call(other, "commit", { attempt: b })).value).toMatchObject({ kind: "committed" });
    await other.close();
  });

  test("whose rows moved conflicts, says which, and is begun again on fresh data", async () => {
    const [a, b] = [await begin(client, "first"), await begin(client, "second")];
    await call(client, "place_order", { attempt: a, product: "chair", quantity: 1 });
    await call(client, "place_order", { attempt: b, product: "chair", quantity: 1 });
    expect((await call(client, "commit", { attempt: a })).failed).toBe(false);
    const refused = await call(client, "commit", { attempt: b });
    expect(refused).toMatchObject({ failed: true });
    expect(refused.text).toContain("shop.products (2)");
    const late = await call(client, "find_orders", { attempt: b });
    expect(late.text).toContain(`{"again": "${b}"}`);
    const again = String((await call(client, "begin", { again: b })).value["attempt"]);
    expect(again).not.toBe(b);
    await call(client, "place_order", { attempt: again, product: "chair", quantity: 1 });
    expect((await call(client, "commit", { attempt: again })).value).toMatchObject({ kind: "committed" });
    const run = (await call(client, "status", { attempt: again })).value["run"];
    const { attempts } = await factotum.showRun(run as never);
    expect(attempts.map((one) => one.status)).toEqual(["discarded", "committed"]);
  });

  test("that checks refuse stays open with the findings, and is mended", async () => {
    const attempt = await begin(client, "three lamps");
    await call(client, "place_order", { attempt, product: "lamp", quantity: 3 });
    const refused = await call(client, "commit", { attempt });
    expect(refused.value).toMatchObject({
      kind: "refused",
      findings: ["a lamp comes alone: lamps are sold one at a time"],
    });
    expect((await call(client, "discard", { attempt, because: "not ours to sell" })).value).toMatchObject({
      kind: "discarded",
    });
    expect((await call(client, "commit", { attempt })).text).toContain("discarded");
  });

  test("that policy leaves to a person becomes a question, and their answer commits it", async () => {
    const attempt = await begin(client, "two hundred chairs");
    await call(client, "place_order", { attempt, product: "chair", quantity: 200 });
    const before = await stock(db, "chair");
    const asked = await call(client, "commit", { attempt });
    expect(asked.value).toMatchObject({ kind: "asked", question: expect.any(String) });
    expect((await call(client, "place_order", { attempt, product: "chair", quantity: 1 })).failed).toBe(true);
    const questions = await client.readResource({ uri: "factotum://questions" });
    expect(JSON.stringify(questions)).toContain("two hundred chairs");
    await factotum.answer(asked.value["question"] as never, { choice: "commit", by: "Ada" });
    const worker = factotum.work();
    await worker.drained();
    await worker.stop();
    expect((await call(client, "status", { attempt })).value).toMatchObject({
      kind: "committed",
      by: "person",
    });
    expect(await stock(db, "chair")).toBe(before - 200);
  });

  test("with nothing staged, or with doubts of its own client, is not committed unasked", async () => {
    const attempt = await begin(client, "a chair, I think");
    expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "refused" });
    await call(client, "place_order", { attempt, product: "chair", quantity: 1 });
    const asked = await call(client, "commit", { attempt, unsure: ["whether they meant a stool"] });
    expect(asked.value).toMatchObject({ kind: "asked" });
    expect(String(asked.value["because"])).toContain("stool");
  });

  test("that nobody comes back to expires, whether or not a worker is there", async () => {
    const worker = factotum.work();
    await worker.drained();
    await worker.stop();
    const [a, b] = [await begin(client, "left"), await begin(client, "left too")];
    await call(client, "place_order", { attempt: a, product: "chair", quantity: 1 });
    await db.query(
      `update factotum.runs set wake_at = factotum.now() - interval '1 s'
       where status = 'waiting' and state->>'phase' = 'outside'`,
    );
    expect((await call(client, "place_order", { attempt: a, product: "chair", quantity: 1 })).text).toContain(
      "expired",
    );
    const second = factotum.work();
    await second.drained();
    await second.stop();
    expect((await call(client, "status", { attempt: b })).value).toMatchObject({ kind: "expired" });
  });

  test("that is open is left alone by a worker, even when something wakes its run", async () => {
    const attempt = await begin(client, "mine");
    const run = String((await call(client, "status", { attempt })).value["run"]);
    await db.query("update factotum.runs set status = 'ready' where id = $1", [run]);
    const worker = factotum.work();
    await worker.drained();
    await worker.stop();
    await call(client, "place_order", { attempt, product: "chair", quantity: 1 });
    expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  });

  test("takes calls that come at once one after the other, and loses none", async () => {
    const attempt = await begin(client, "ten chairs, one by one");
    const before = await stock(db, "chair");
    const many = await Promise.all(
      Array.from({ length: 10 }, () =>
        call(client, "place_order", { attempt, product: "chair", quantity: 1 }),
      ),
    );
    expect(many.filter((one) => one.failed)).toEqual([]);
    await call(client, "commit", { attempt });
    expect(await stock(db, "chair")).toBe(before - 10);
  });
});
