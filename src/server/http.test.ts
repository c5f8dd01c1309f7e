import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import shop from "../../test/cli-project/factotum.config.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type Factotum, type HttpServer, openFactotum, serveHttp } from "./index.ts";

type Reply = { readonly status: number; readonly body: unknown; readonly type: string | undefined };
type Headers = { readonly [name: string]: string };

let factotum: Factotum;
let http: HttpServer;

beforeAll(async () => {
  const db = await throwawayDatabase();
  factotum = await openFactotum(shop, { env: { DATABASE_URL: db.url }, directory: ".", say: () => {} });
  await factotum.prepare();
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  const worker = factotum.work();
  for (const [id, amount] of [
    ["a", 10],
    ["b", 5_000],
    ["c", 0],
  ] as const) {
    await factotum.start({ agent: "clerk", key: id, input: { id, customer: "Ada", amount } });
  }
  await worker.drained();
  await worker.stop();
});

afterAll(async () => {
  await http.close();
  await factotum.close();
});

/** A request with any headers, Host among them, which fetch() does not let one set. */
function send(url: string, method = "GET", headers: Headers = {}, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          body: text === "" ? null : JSON.parse(text),
          type: response.headers["content-type"],
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const get = (path: string, headers?: Headers): Promise<Reply> => send(`${http.url}${path}`, "GET", headers);
const post = (path: string, body: unknown, headers: Headers = {}): Promise<Reply> =>
  send(
    `${http.url}${path}`,
    "POST",
    { "content-type": "application/json", ...headers },
    JSON.stringify(body),
  );
const codeOf = ({ status, body }: Reply): readonly unknown[] => [
  status,
  (body as { error?: { code: string } }).error?.code,
];

describe("what the API tells", () => {
  test("health, summary and runs, with bigints as text and units in the names", async () => {
    expect(await get("/health")).toMatchObject({ status: 200, body: { ok: true, name: "shop" } });
    const { body } = await get("/summary");
    expect(body).toMatchObject({ runs: 3, resolved: 1, waiting: 1, refused: 1, rowsChanged: 1 });
    expect(body).toMatchObject({ costMicroUsd: "0", tokens: "0", valueMicroUsd: "2000000" });
    const { runs } = (await get("/runs?limit=2")).body as { runs: readonly { id: string; agent: string }[] };
    expect(runs).toHaveLength(2);
    expect((await get("/runs?status=waiting")).body).toMatchObject({
      runs: [{ key: "b", status: "waiting" }],
    });
  });

  test("a run's story has its attempts with verdicts and diff", async () => {
    const { runs } = (await get("/runs?status=done&agent=clerk")).body as {
      runs: { id: string; key: string }[];
    };
    const id = runs.find((run) => run.key === "a")?.id;
    const story = (await get(`/runs/${id}`)).body;
    expect(story).toMatchObject({ title: "order a", disposition: "resolved", attempts: [{ rung: "book" }] });
    expect(story).toMatchObject({ attempts: [{ diff: [{ kind: "insert", table: "shop.orders" }] }] });
    expect(JSON.stringify(story)).not.toContain('changeSet"');
  });

  test("who changed a row, why and at what cost; and what is wrong with a question for it", async () => {
    expect((await get("/blame?table=shop.orders&key=a")).body).toMatchObject({
      changes: [
        {
          ...{
            agent: "clerk",
            attempt: 1,
            because: "book: order a",
            model: null,
            costMicroUsd: "0",
            rows: 1,
          },
          ...{ undoes: null, undoneBy: null, change: { kind: "insert", before: null, key: { id: "a" } } },
        },
      ],
    });
    expect((await get("/blame?table=shop.orders&key=zzz")).body).toEqual({ changes: [] });
    expect(codeOf(await get("/blame?table=shop.orders"))).toEqual([400, "request-invalid"]);
    expect(codeOf(await get("/blame?table=shop.orders&key=a&key=b"))).toEqual([422, "key-unfit"]);
    expect(codeOf(await get("/blame?table=nothing&key=a"))).toEqual([404, "table-unknown"]);
  });

  test("an agent's tools, with what they want", async () => {
    expect((await get("/tools?agent=clerk")).body).toMatchObject({
      tools: [{ name: "book_order", effect: "write", inputSchema: { type: "object" } }],
    });
    expect(codeOf(await get("/tools?agent=nobody"))).toEqual([422, "agent-unknown"]);
  });

  test("what is not there is 404, whatever the form of the id", async () => {
    for (const path of [
      "/runs/999999",
      "/runs/abc",
      "/runs/99999999999999999999",
      "/questions/0",
      "/nothing",
    ]) {
      const reply = await get(path);
      expect([path, reply.status, reply.type]).toEqual([path, 404, "application/json"]);
    }
    expect(codeOf(await get("/runs?status=odd"))).toEqual([400, "request-invalid"]);
  });
});

describe("what the API does", () => {
  test("work is started once for a key, and an unfit input is refused", async () => {
    const order = { agent: "clerk", key: "d", input: { id: "d", customer: "Bo", amount: 3 } };
    const first = await post("/runs", order);
    const second = await post("/runs", order);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect((second.body as { id: string }).id).toBe((first.body as { id: string }).id);
    expect(codeOf(await post("/runs", { agent: "clerk", input: 1 }))).toEqual([422, "input-invalid"]);
    expect(codeOf(await post("/runs", { agent: "nobody", input: 1 }))).toEqual([422, "agent-unknown"]);
    expect(codeOf(await post("/runs", { agent: "clerk" }))).toEqual([400, "request-invalid"]);
  });

  test("a question is answered once; a run without a commit has nothing to undo", async () => {
    const { questions } = (await get("/questions")).body as { questions: { id: string; runId: string }[] };
    expect(questions).toHaveLength(1);
    const [{ id, runId } = { id: "", runId: "" }] = questions;
    expect(codeOf(await post(`/questions/${id}/answer`, { choice: "sing" }))).toEqual([
      422,
      "choice-unknown",
    ]);
    expect((await post(`/questions/${id}/answer`, { choice: "commit" })).body).toMatchObject({
      ...{ status: "answered", by: "http", answer: { choice: "commit" } },
    });
    expect((await get(`/questions/${id}`)).body).toMatchObject({ status: "answered" });
    expect(codeOf(await post(`/questions/${id}/answer`, { choice: "commit" }))).toEqual([
      409,
      "question-closed",
    ]);
    expect(codeOf(await post(`/runs/${runId}/undo`, {}))).toEqual([409, "nothing-to-undo"]);
  });
});

describe("whom the API answers", () => {
  test("a rebound host name and another site's page are refused", async () => {
    expect(codeOf(await get("/health", { host: "evil.example" }))).toEqual([403, "host-refused"]);
    expect((await get("/health", { host: "localhost:1" })).status).toBe(200);
    expect(codeOf(await get("/health", { origin: "https://evil.example" }))).toEqual([403, "origin-refused"]);
    expect(codeOf(await post("/runs", {}, { origin: "null" }))).toEqual([403, "origin-refused"]);
    expect(codeOf(await post("/runs", {}, { "sec-fetch-site": "cross-site" }))).toEqual([
      403,
      "origin-refused",
    ]);
    const own = new URL(http.url).origin;
    expect((await get("/health", { origin: own, "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  test("a write must be JSON, well formed, and not too large", async () => {
    const form = { "content-type": "text/plain" };
    expect(codeOf(await send(`${http.url}/runs`, "POST", form, "{}"))).toEqual([415, "json-required"]);
    const json = { "content-type": "application/json; charset=utf-8" };
    expect(codeOf(await send(`${http.url}/runs`, "POST", json, "{"))).toEqual([400, "json-broken"]);
    const large = JSON.stringify({ agent: "x".repeat(1_100_000) });
    expect(codeOf(await send(`${http.url}/runs`, "POST", json, large))).toEqual([413, "body-too-large"]);
  });

  test("a body without a stated length is read, and one of none counts as empty", async () => {
    const json = { "content-type": "application/json", "transfer-encoding": "chunked" };
    const order = JSON.stringify({
      agent: "clerk",
      key: "chunked",
      input: { id: "e", customer: "Di", amount: 1 },
    });
    expect((await send(`${http.url}/runs`, "POST", json, order)).status).toBe(201);
    const large = await send(`${http.url}/runs`, "POST", json, `"${"x".repeat(1_100_000)}"`);
    expect(codeOf(large)).toEqual([413, "body-too-large"]);
    const bare = { "content-type": "application/json" };
    expect(codeOf(await send(`${http.url}/runs/999999/undo`, "POST", bare))).toEqual([404, "run-unknown"]);
  });

  test("text that the database cannot hold, or nothing can walk through, is the client's fault", async () => {
    expect(codeOf(await get("/summary?agent=%00"))).toEqual([400, "request-invalid"]);
    expect(codeOf(await get("/runs?agent=%00"))).toEqual([400, "request-invalid"]);
    expect(codeOf(await post("/runs", { agent: "clerk", key: "\ud800", input: 1 }))).toEqual([
      400,
      "request-invalid",
    ]);
    const order = (customer: string): object => ({
      ...{ agent: "clerk", key: "unfit", input: { id: "unfit", customer, amount: 1 } },
    });
    for (const text of ["a\0b", "\ud800", "\\\0", "\udfff\ud800"]) {
      expect(codeOf(await post("/runs", order(text)))).toEqual([400, "request-invalid"]);
    }
    expect((await post("/runs", order("\\u0000 \\\\ud800 \u{1f600}"))).status).toBe(201);
    const deep = `{"agent":"clerk","input":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    const json = { "content-type": "application/json" };
    expect((await send(`${http.url}/runs`, "POST", json, deep)).status).toBe(400);
  });

  test("what is no HTTP is answered in the same form", async () => {
    const socket = connect(Number(new URL(http.url).port), "127.0.0.1");
    socket.write("hello\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toContain("400 Bad Request");
    expect(JSON.parse(text.slice(text.indexOf("{")))).toMatchObject({ error: { code: "request-broken" } });
  });

  test("with a token, only its bearer is answered", async () => {
    const guarded = await serveHttp(factotum, { host: "0.0.0.0", port: 0, token: "right" });
    const url = guarded.url.replace("0.0.0.0", "127.0.0.1");
    const as = (token: string): Promise<Reply> =>
      send(`${url}/health`, "GET", { authorization: `Bearer ${token}`, host: "factory.example" });
    expect(codeOf(await send(`${url}/health`))).toEqual([401, "token-refused"]);
    expect(codeOf(await as("wrong"))).toEqual([401, "token-refused"]);
    expect((await as("right")).status).toBe(200);
    await guarded.close();
  });

  test("it does not listen where others reach it without a token, nor on a taken port", async () => {
    await expect(serveHttp(factotum, { host: "0.0.0.0", port: 0 })).rejects.toMatchObject({
      code: "token-missing",
    });
    const port = Number(new URL(http.url).port);
    const refused = serveHttp(factotum, { host: "127.0.0.1", port });
    await expect(refused).rejects.toMatchObject({
      ...{ code: "port-taken", message: expect.stringMatching(new RegExp(`port ${port} .*--port`)) },
    });
  });
});

test("many runs are started at once, all of them or none", async () => {
  const of = (id: string, amount: unknown = 10) => ({
    ...{ agent: "clerk", key: id, input: { id, customer: "Ada", amount } },
  });
  const made = await post("/runs/many", { runs: [of("many-1"), of("many-2"), of("many-1")] });
  expect([made.status, made.body]).toMatchObject([
    201,
    { runs: [{ created: true }, { created: true }, { created: false }] },
  ]);
  const refused = await post("/runs/many", { runs: [of("many-3"), of("many-4", "ten")] });
  expect(refused.status).toBe(422);
  expect(JSON.stringify((await get("/runs?limit=100")).body)).not.toContain("many-3");
});
