/** What the gateway goes through: models that fail in a row, keys that end, and Postgres going away. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../postgres/index.ts";
import { reply, status } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
/** How far the gateway's clock is ahead. */
let aheadMs = 0;
beforeAll(async () => {
  const clock = { now: () => new Date(Date.now() + aheadMs) };
  at = await opened(undefined, undefined, { clock });
  at.provider.otherwise(() => reply("ok", { input: 20, output: 4 }));
});
afterAll(() => at.close());

async function ask(secret: string, model = "quick"): Promise<number> {
  const answer = await fetch(`${at.gateway.url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
    body: JSON.stringify({ model, max_tokens: 9, messages: [] }),
  });
  await answer.text();
  return answer.status;
}
const models = (): readonly unknown[] =>
  at.provider.requests.map(({ body }) => Reflect.get(Object(body), "model") as unknown);

test("a model that failed five times in a row is tried last", async () => {
  at.provider.script(...Array.from({ length: 5 }, () => [status(500), reply("ok")]).flat());
  for (let count = 0; count < 5; count += 1) expect(await ask(at.secret, "safe")).toBe(200);
  expect(models().slice(-2)).toEqual(["small", "second"]);
  const before = models().length;
  expect(await ask(at.secret, "safe")).toBe(200);
  expect(models().slice(before)).toEqual(["second"]);
});

test("a key holds until its time is over", async () => {
  const secret = await at.key({ expiresAt: new Date(Date.now() + 3_600_000) });
  expect(await ask(secret)).toBe(200);
  aheadMs = 3_600_000;
  expect(await ask(secret)).toBe(401);
  aheadMs = 0;
  expect(await ask(secret)).toBe(200);
});

test("with Postgres away calls that need no limit are answered, and none of them is lost", async () => {
  const [free, limited] = [await at.key({ name: "free" }), await at.key({ requestsPerMinute: 100 })];
  const url = new URL(at.db.url);
  const name = url.pathname.slice(1);
  url.pathname = "/postgres";
  const admin = await openDatabase({ kind: "url", url: url.href });
  await admin.query(`alter database "${name}" with allow_connections false`);
  await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [name]);
  for (let count = 0; count < 20; count += 1) expect(await ask(free)).toBe(200);
  expect(await ask(limited)).toBe(503);
  await admin.query(`alter database "${name}" with allow_connections true`);
  await admin.close();
  const booked = async (): Promise<unknown> => {
    const { rows } = await at.db.query(
      `select count(*)::int as rows, sum(amount_micro_usd)::int as amount
       from factotum.gateway_attempts a join factotum.gateway_keys k on k.id = a.key where k.name = 'free'`,
    );
    return rows[0];
  };
  await expect.poll(booked, { timeout: 30_000 }).toEqual({ rows: 20, amount: 1_200 });
  await expect.poll(() => ask(limited), { timeout: 30_000 }).toBe(200);
});
