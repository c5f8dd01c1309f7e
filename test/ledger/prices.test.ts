/** A company's own prices at run time: who takes them up, which of them wins, and what they never touch. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeKey } from "factotum/gateway";
import { type Entry, listEntries, ratesOf, totals } from "factotum/ledger";
import { type Factotum, type HttpServer, openFactotum, serveHttp } from "factotum/server";
import { reply, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clerk, openTables } from "../agents/shop.ts";

const db = await throwawayDatabase();
const provider = await scriptedProvider();
const NOON = new Date("2030-01-15T12:00:00Z");
const POLL_MS = 20;
/** Answers whoever calls, with a thousand tokens in and none out. */
const beside = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { "content-type": "application/json" });
  response.end('{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":0,"total_tokens":1000}}');
});
await new Promise<void>((resolve) => beside.listen(0, "127.0.0.1", resolve));
const { port } = beside.address() as AddressInfo;
const usd = (text: string) => ({ inputUsdPerMtok: text, outputUsdPerMtok: text });
const energy = { inputJoulesPerMtok: "400000", outputJoulesPerMtok: "3600000.5", usdPerKwh: "0.25" };
const own = { provider: "openai-compatible" as const, outputTokensMax: 1_000 };
const config = {
  ...{ name: "shop", agents: [clerk()], concurrency: 1, clock: { at: NOON, rate: 0 } },
  models: [
    { ...own, id: "small/tiny", baseUrl: provider.url, model: "tiny", price: usd("1") },
    { ...own, id: "side/door", baseUrl: `http://127.0.0.1:${port}/v1`, model: "door", price: usd("1") },
    {
      ...{
        ...own,
        id: "side/batch",
        baseUrl: `http://127.0.0.1:${port}/v1`,
        model: "door",
        batch: true as const,
      },
      price: { ...usd("8"), batch: usd("3") },
    },
    { ...own, id: "own/engine", baseUrl: `http://127.0.0.1:${port}/v1`, local: true as const, energy },
  ],
};
const open = (): Promise<Factotum> =>
  openFactotum(config, {
    ...{ env: { DATABASE_URL: db.url, FACTOTUM_GATEWAY_SECRET: "a secret of these tests, long enough" } },
    ...{ directory: ".", say: () => {} },
  });
let factotum: Factotum;
let http: HttpServer;

beforeAll(async () => {
  await openTables(db);
  factotum = await open();
  await factotum.prepare();
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await http.close();
  beside.close();
  await Promise.all([factotum.close(), provider.close()]);
});

const get = async <T>(path: string): Promise<T> => (await (await fetch(`${http.url}${path}`)).json()) as T;
const send = async (method: string, path: string, body: object): Promise<unknown> => {
  const headers = { "content-type": "application/json" };
  return (await fetch(`${http.url}${path}`, { method, headers, body: JSON.stringify(body) })).json();
};
const put = (prices: object, more: object = {}): Promise<unknown> =>
  send("PUT", "/prices", { prices, ...more });
type Listed = {
  models: { model: string; price: { source: string; live: { inputUsdPerMtok: string } } | null }[];
};
const costs = async (model: string): Promise<string | undefined> => {
  const found = (await get<Listed>("/prices")).models.find((one) => one.model === model)?.price;
  return found === null || found === undefined ? undefined : `${found.live.inputUsdPerMtok} ${found.source}`;
};
const booked = async (model: string): Promise<readonly Entry[]> =>
  (await listEntries(db, {})).filter((entry) => entry.model === model);

test("what is stated goes before the configuration, from its instant on, until taken back", async () => {
  expect(await costs("side/door")).toBe("1 config");
  expect(await put({ "side/door": usd("2") }, { because: "a new contract", by: "ada" })).toMatchObject({
    prices: [{ model: "side/door", version: 1, from: NOON.toISOString(), by: "ada" }],
    notConfiguredHere: [],
  });
  expect(await costs("side/door")).toBe("2 version 1 from 2030-01-15T12:00:00.000Z");
  // One that begins later holds later, and one that is told again is no version of its own.
  await put({ "side/door": { ...usd("3"), from: "2030-02-01" } });
  await put({ "side/door": { ...usd("3"), from: "2030-02-01" } });
  expect(await costs("side/door")).toMatch(/^2 version 1/);
  const card = { ...own, model: "door", price: { kind: "stated", ...usd("1") } } as const;
  const { prices } = await get<{ prices: never[] }>("/prices/history?model=side/door");
  const versions = { kind: "versions", versions: prices, otherwise: card.price } as const;
  const at = (text: string) => {
    const found = ratesOf({ ...card, price: versions }, new Date(text));
    return found.kind === "known" ? found.rates.input.base : found.because;
  };
  expect([at("2030-01-15T11:59:59Z"), at("2030-01-15T12:00:00Z"), at("2030-02-01")]).toEqual([
    ...[1_000_000n, 2_000_000n, 3_000_000n],
  ]);
  expect(await put({ "side/door": null })).toMatchObject({ prices: [{ version: 3, price: null }] });
  expect(await costs("side/door")).toBe("1 config");
  expect(await put({ "else/where": usd("1") })).toMatchObject({ notConfiguredHere: ["else/where"] });
});

test("a list is stated whole or not at all, and nothing that was stated is changed", async () => {
  const before = await get<{ prices: object[] }>("/prices/history");
  for (const wrong of [
    { "side/door": usd("-1") },
    { "side/door": { inputUsdPerMtok: "1" } },
    { "side/door": usd("4"), nobody: usd("1") },
    { "side/door": { ...usd("4"), from: "soon" } },
    {},
  ]) {
    expect(await put(wrong)).toMatchObject({ error: { code: expect.stringMatching(/^prices?-invalid$/) } });
  }
  expect(await get("/prices/history")).toEqual(before);
  expect(before.prices).toHaveLength(4);
  for (const sql of ["update factotum.prices set price = null", "delete from factotum.prices"]) {
    await expect(db.query(sql)).rejects.toThrow(/append-only/);
  }
  // Two people at once get two versions.
  await Promise.all(["5", "6"].map((text) => put({ "else/where": usd(text) })));
  const { prices } = await get<{ prices: { version: number }[] }>("/prices/history?model=else/where");
  expect(prices.map(({ version }) => version)).toEqual([1, 2, 3]);
});

test("a worker that runs takes a price up for its next calls, and what is booked stays", async () => {
  const worker = factotum.work();
  const order = reply([{ name: "place_order", arguments: { product: "lamp", quantity: 1 } }], {
    input: 1_000,
    output: 0,
  });
  const finish = reply([{ name: "finish", arguments: { unsure: [] } }], { input: 2_000, output: 0 });
  provider.script(order, finish, order, finish);
  const orders = async (product: string): Promise<void> => {
    await factotum.start({ agent: "clerk", key: product, input: { product, quantity: 1 } });
    await worker.drained();
  };
  await orders("a light");
  const [first] = await booked("small/tiny");
  await put({ "small/tiny": { ...usd("7"), requestUsd: "0.01" } });
  // Who is drained has heard all that was told before.
  await worker.drained();
  await orders("la lampe");
  await worker.stop();
  const entries = await booked("small/tiny");
  expect(entries[0]).toEqual(first);
  expect(entries.map(({ amount, source }) => [amount, source])).toEqual([
    ...[[1_000n, "config"] as const, [2_000n, "config"] as const],
    ...[17_000n, 24_000n].map((amount) => [amount, "version 1 from 2030-01-15T12:00:00.000Z"] as const),
  ]);
});

test("replicas that serve take prices up, and book the joules of own engines", async () => {
  const { secret } = await db.transaction((tx) => makeKey(tx, { name: "prices" }, randomBytes));
  const replica = await open();
  const gateway = await replica.gateway.serve({ host: "127.0.0.1", port: 0 });
  const call = async (model: string): Promise<readonly Entry[]> => {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
      body: JSON.stringify({ model, messages: [] }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    await gateway.flush();
    return booked(model);
  };
  expect((await call("side/door")).map(({ amount }) => amount)).toEqual([1_000n]);
  const was = await totals(db);
  await put({ "side/door": usd("9") });
  while ((await call("side/door")).at(-1)?.amount !== 9_000n) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const amounts = new Set((await booked("side/door")).map(({ amount }) => amount));
  expect(amounts).toEqual(new Set([1_000n, 9_000n]));
  // 400,000 J a Mtok are 400 J a thousand tokens, and 400 J at 0.25 USD a kWh 27.78 micro-dollars.
  expect(await call("own/engine")).toMatchObject([{ millijoules: 400_000n, amount: 28n }]);
  expect((await totals(db)).millijoules - was.millijoules).toBe(400_000n);
  // A model whose calls are batches costs the batch price; one whose batch price nobody knows has none.
  expect(await call("side/batch")).toMatchObject([{ amount: 3_000n, source: "config, batch" }]);
  expect(await costs("side/batch")).toBe("8 config, batch");
  await put({ "side/batch": usd("8") });
  const { models } = await get<{ models: { model: string; price: null; because: string }[] }>("/prices");
  expect(models.find(({ model }) => model === "side/batch")).toMatchObject({
    ...{ price: null, because: expect.stringContaining("no batch price is known") },
  });
  await gateway.close();
  await replica.close();
});

test("calls are played through as if a batch service had served them, or as if none had", async () => {
  const prices = { "side/door": { ...usd("9"), batch: usd("4.5") } };
  const play = async (asked: object): Promise<unknown> => {
    type Played = { models: { model: string; bookedMicroUsd: string; repricedMicroUsd: string }[] };
    const { models } = (await send("POST", "/ledger/reprice", asked)) as Played;
    return models
      .filter(({ model }) => model.startsWith("side/"))
      .map(({ model, bookedMicroUsd, repricedMicroUsd }) => [
        ...[model, Number(bookedMicroUsd), Number(repricedMicroUsd)],
      ]);
  };
  const door = (await booked("side/door")).map(({ amount }) => Number(amount));
  const sum = door.reduce((all, one) => all + one, 0);
  // The one that was a batch would have cost 8 live; those of the door know no batch price of theirs.
  expect(await play({ service: "live" })).toEqual([
    ["side/batch", 3_000, 8_000],
    ["side/door", sum, sum],
  ]);
  expect(await play({ service: "batch" })).toEqual([
    ["side/batch", 3_000, 3_000],
    ["side/door", sum, sum],
  ]);
  expect(await play({ service: "batch", prices })).toEqual([
    ["side/batch", 3_000, 3_000],
    ["side/door", sum, 4_500 * door.length],
  ]);
  const none = { "side/door": usd("9") };
  expect(await send("POST", "/ledger/reprice", { service: "batch", prices: none })).toMatchObject({
    error: { code: "price-invalid" },
  });
});

test("joules are double entry, add up in reports, and are played through with prices", async () => {
  const { accounts } = await get<{ accounts: object[] }>("/ledger/accounts?unit=joules");
  expect(accounts).toMatchObject([
    { account: "supplied/own/engine", balance: "-400" },
    { account: "used/own/engine", balance: "400" },
  ]);
  expect(await get("/ledger/postings?account=used/own/engine&unit=joules")).toMatchObject({
    postings: [{ of: "entry", amount: "400" }],
  });
  expect(await get("/ledger")).toMatchObject({ joules: "400" });
  const greener = { ...energy, inputJoulesPerMtok: "100000.001", usdPerKwh: "1" };
  const prices = { "own/engine": { local: true, energy: greener } };
  const { models } = (await send("POST", "/ledger/reprice", { prices })) as { models: { model: string }[] };
  expect(models.find(({ model }) => model === "own/engine")).toMatchObject({
    ...{ bookedMicroUsd: "28", repricedMicroUsd: "28", isRepriced: true },
    // A hundred thousand and a thousandth a Mtok: rounded up to the millijoule, once for the call.
    ...{ joules: "400", joulesThen: "100.001" },
  });
});
