/** Clients that mean no good, or know no better. */
import type { Client } from "@modelcontextprotocol/client";
import fc from "fast-check";
import { type Factotum, type HttpServer, serveHttp } from "factotum/server";
import type { Database } from "factotum/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { begin, call, httpClient, openShop, stock } from "./kit.ts";

const TOKEN = "a-long-random-text";
let db: Database;
let factotum: Factotum;
let http: HttpServer;
let url: string;
let client: Client;

beforeAll(async () => {
  ({ db, factotum } = await openShop());
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0, token: TOKEN });
  url = http.url.replace(/\/api$/, "/mcp");
  client = await httpClient(url, { token: TOKEN });
});

afterAll(async () => {
  await client.close();
  await http.close();
  await factotum.close();
  await db.close();
});

const post = async (path: string, headers: Record<string, string>, body: string): Promise<number> =>
  (await fetch(path, { method: "POST", headers, body })).status;
const list = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
const json = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const authorization = `Bearer ${TOKEN}`;

test("the guards of the API stand before MCP too", async () => {
  expect(await post(url, json, list)).toBe(401);
  expect(await post(url, { ...json, authorization: "Bearer wrong" }, list)).toBe(401);
  expect(await post(url, { ...json, authorization, origin: "https://evil.example" }, list)).toBe(403);
  expect(await post(url, { ...json, authorization, "content-type": "text/plain" }, list)).toBe(415);
  expect(await post(url, { ...json, authorization }, list)).toBe(200);
  expect(await post(`${url}/nobody`, { ...json, authorization }, list)).toBe(404);
  expect(await post(url, { ...json, authorization }, `{"x":"${"y".repeat(1_100_000)}"}`)).toBe(413);
  expect(await post(url, { ...json, authorization }, "{")).toBe(400);
});

test("no handle but one's own opens an attempt", async () => {
  const mine = await begin(client);
  const [run, number, secret] = mine.split(".");
  const bad = [
    ...["", "x", "1", "1.1", `${run}.${number}`, `${run}.${number}.${"0".repeat(24)}`, `${run}.2.${secret}`],
    ...[`${run}.${number}.${secret}.1`, `${Number(run) + 1}.${number}.${secret}`, `${run}.0.${secret}`],
    ...["1' or 1=1 --.1.aaaaaaaaaaaaaaaaaaaa", "99999999999999999999.1.aaaaaaaaaaaaaaaaaaaa"],
  ];
  for (const attempt of bad) {
    for (const name of ["status", "diff", "commit", "discard", "find_orders"]) {
      const { failed, text } = await call(client, name, { attempt });
      expect([attempt, name, failed]).toEqual([attempt, name, true]);
      expect(text).toMatch(/opens no attempt|refused its input/);
    }
  }
  expect((await call(client, "status", { attempt: mine })).value).toMatchObject({ kind: "open" });
});

test("arguments of any shape are answered with a sentence, and leave nothing behind", async () => {
  const attempt = await begin(client);
  const tools = ["place_order", "find_orders", "begin", "commit", "discard", "diff", "status"] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...tools),
      fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }),
      fc.boolean(),
      async (name, args, named) => {
        const given = named && name !== "discard" && name !== "commit" ? { ...args, attempt } : args;
        const { failed, text } = await call(client, name, given);
        expect(text).not.toMatch(/at .*\.ts:\d+/);
        expect(failed || name !== "place_order").toBe(true);
      },
    ),
    { numRuns: 60 },
  );
  expect(await stock(db, "chair")).toBe(500);
});

test("SQL in an argument is a value", async () => {
  const attempt = await begin(client);
  for (const product of ["chair'; commit; drop table shop.orders; --", 'chair"; rollback; --', "\\", "%"]) {
    const { failed, text } = await call(client, "place_order", { attempt, product, quantity: 1 });
    expect([failed, text]).toEqual([true, expect.stringContaining("we do not sell")]);
    const found = await call(client, "find_products", { attempt, where: { name: product } });
    expect(found.value["rows"]).toEqual([]);
  }
});

test("unreadable work, a tool that is not there, and a key used twice are refused", async () => {
  expect((await call(client, "begin", { work: { nonsense: 1 } })).text).toContain(
    "clerk cannot read this work",
  );
  expect((await call(client, "begin", {})).text).toContain("either `work` or `again`");
  await expect(call(client, "drop_table", {})).rejects.toThrow("there is no tool drop_table");
  await call(client, "begin", { work: { note: "once" }, key: "mail-1" });
  expect((await call(client, "begin", { work: { note: "twice" }, key: "mail-1" })).text).toContain(
    "never worked twice",
  );
});

test("a tool that fails stages nothing, and what was staged before stays", async () => {
  const attempt = await begin(client);
  await call(client, "place_order", { attempt, product: "chair", quantity: 1 });
  const broken = await call(client, "place_order", { attempt, product: "lamp", quantity: 11 });
  expect(broken.text).toContain("products_stock_check");
  expect((await call(client, "status", { attempt })).value).toMatchObject({
    kind: "open",
    rows: 2,
    calls: 2,
  });
});

test("an attempt has only so many calls, and only so many refusals before a person is asked", async () => {
  const attempt = await begin(client);
  const [run] = attempt.split(".");
  await call(client, "place_order", { attempt, product: "lamp", quantity: 2 });
  for (let left = 4; left >= 0; left -= 1) {
    expect((await call(client, "commit", { attempt })).value).toMatchObject({
      kind: "refused",
      refusalsLeft: left,
    });
  }
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "asked" });
  const other = await begin(client);
  await db.query(
    `update factotum.runs set state = jsonb_set(state::jsonb, '{outside,calls}', '200')::json where id = $1`,
    [other.split(".")[0]],
  );
  expect((await call(client, "find_orders", { attempt: other })).text).toContain("200 calls");
  const card = (await factotum.inbox()).find((question) => question.runId === run);
  // A rule that no person may overrule: the card does not offer to commit as staged.
  expect(card?.card.choices.map((choice) => choice.id)).toEqual(["correct", "discard"]);
});
