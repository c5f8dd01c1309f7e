/** Bills of a provider that agents really called, laid beside what was booked, over HTTP. */
import { openFactotum, type Factotum, type HttpServer, serveHttp } from "factotum/server";
import { reply, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clerk, openTables } from "../agents/shop.ts";

const db = await throwawayDatabase();
const provider = await scriptedProvider();
const model = (name: string, usd: string) => ({
  ...{ id: `${name}/tiny`, provider: "openai-compatible" as const, model: "tiny", baseUrl: provider.url },
  ...{ outputTokensMax: 1_000, price: { inputUsdPerMtok: usd, outputUsdPerMtok: usd } },
});
const config = {
  ...{ name: "shop", agents: [clerk()], concurrency: 1 },
  models: [model("small", "1"), model("big", "10")],
  clock: { at: new Date("2030-01-15T12:00:00Z"), rate: 0 },
} as const;
let factotum: Factotum;
let http: HttpServer;
let calls: readonly { readonly id: string; readonly reply: string }[];

beforeAll(async () => {
  await openTables(db);
  const options = { env: { DATABASE_URL: db.url }, directory: ".", say: () => {} };
  factotum = await openFactotum(config, options);
  await factotum.prepare();
  const order = { name: "place_order", arguments: { product: "lamp", quantity: 1 } };
  provider.script(
    reply([order], { input: 1_000, output: 100 }),
    reply([{ name: "finish", arguments: { unsure: [] } }], { input: 2_000, output: 100 }),
  );
  const worker = factotum.work();
  await factotum.start({ agent: "clerk", key: "one", input: { product: "a light", quantity: 1 } });
  await worker.drained();
  await worker.stop();
  const { rows } = await db.query<{ id: string; reply: string }>(
    `select c.id, c.outcome->'reply'->>'providerReplyId' as reply
     from factotum.calls c join factotum.entries e on e.call_id = c.id order by e.id`,
  );
  calls = rows;
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await http.close();
  await Promise.all([factotum.close(), provider.close()]);
});

const post = async (body: object) => {
  const answer = await fetch(`${http.url}/ledger/reconcile`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
const bill = (...rows: string[]): string =>
  ["request_id,created_at,model,input_tokens,output_tokens,cost", ...rows].join("\n");

test("an honest bill agrees by the provider's own ids, and nothing of it is booked", async () => {
  expect(calls).toHaveLength(2);
  const [first, second] = calls;
  const before = await factotum.ledger.summary();
  const text = bill(
    `${first?.reply},2030-01-15T12:00:00Z,tiny,1000,100,0.0011`,
    `${second?.id},2030-01-15T12:00:00Z,tiny,2000,100,0.0021`,
  );
  const found = await post({ files: [{ name: "january.csv", text }], keep: true });
  expect(found.body).toMatchObject({
    ...{
      agreed: 2,
      billedUsd: "0.0032",
      bookedUsd: "0.0032",
      differenceUsd: "0.00",
      differences: [],
      kept: 2,
    },
  });
  expect(await factotum.ledger.summary()).toEqual(before);

  const again = await post({ files: [{ name: "the same.csv", text }], keep: true });
  expect(again.body).toMatchObject({ agreed: 2, kept: 0 });
  const said = await fetch(`${http.url}/ledger/billed?call=${first?.id}`);
  expect(await said.json()).toMatchObject({
    lines: [{ providerId: first?.reply, amountUsd: "0.0011", tokens: { input: "1000", output: "100" } }],
  });
  await expect(db.query("update factotum.bill_lines set amount_usd = 0")).rejects.toThrow(/append-only/);
});

test("what a bill lacks is told for the time that it is for, and for the provider it is of", async () => {
  const text = bill(`${calls[0]?.reply},2030-01-15T12:00:00Z,tiny,1000,100,0.0011`);
  const files = [{ name: "january.csv", text }];
  const january = { from: "2030-01-01T00:00:00Z", to: "2030-02-01T00:00:00Z" };
  const short = await post({ files, covers: january });
  expect(short.body).toMatchObject({
    differenceUsd: "-0.0021",
    differences: [{ kind: "not-billed", amountUsd: "-0.0021", calls: [calls[1]?.id] }],
  });
  const others = await post({ files, covers: january, endpoints: ["big"] });
  expect(others.body).toMatchObject({ calls: 0, differences: [{ kind: "not-booked", amountUsd: "0.0011" }] });
  const bad = await post({ files: [{ name: "x.csv", text: "model,cost,currency\ntiny,1,EUR" }] });
  expect(bad).toMatchObject({ status: 422, body: { error: { code: "bill-currency" } } });
  const mixed = await post({ files: [{ name: "x.csv", text: bill("r,,tiny,1,1,1", ",,tiny,1,1,1") }] });
  expect(mixed).toMatchObject({ status: 422, body: { error: { code: "bill-mixed" } } });
});
