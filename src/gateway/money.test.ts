import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { microUsd } from "../kernel/index.ts";
import { auditBudgets, listBudgets, putBudget } from "../ledger/index.ts";
import { hang, reply } from "../testing/index.ts";
import { makeKey, revokeKey, rotateKey } from "./index.ts";
import { budget, type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
});
afterAll(() => at.close());

const body = (more: object = {}): string =>
  JSON.stringify({ model: "quick", max_tokens: 10, messages: [{ role: "user", content: "x" }], ...more });
const ask = (url: string, secret: string, text = body(), signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` }, body: text },
    ...(signal !== undefined && { signal }),
  });

test("two replicas never overrun a budget, and what was answered is booked to the last unit", async () => {
  const name = await budget(at.db, "company/team", 100_000);
  const secret = await at.key({ budget: name });
  const other = await at.replica();
  let counted = 0;
  at.provider.otherwise(() => {
    counted += 1;
    return reply("answered", { input: 500, output: 10 });
  });
  const statuses = await Promise.all(
    Array.from({ length: 400 }, async (_, count) => {
      const answer = await ask(count % 2 === 0 ? at.gateway.url : other.url, secret);
      await answer.text();
      return answer.status;
    }),
  );
  const answered = statuses.filter((status) => status === 200).length;
  expect(new Set(statuses)).toEqual(new Set([200, 402]));
  expect(answered).toBe(counted);
  const price = 600;
  expect(counted * price).toBeLessThanOrEqual(100_000);
  // Once nothing is under way, all that a call cannot need is spent.
  while ((await ask(other.url, secret)).status === 200);
  await other.close();
  await at.gateway.flush();
  const { rows } = await at.db.query<{ rows: string; sum: string }>(
    `select count(*) as rows, sum(amount_micro_usd) as sum from factotum.gateway_attempts a
     join factotum.gateway_keys k on k.id = a.key where k.budget is not null`,
  );
  expect(rows[0]).toEqual({ rows: String(counted), sum: String(counted * price) });
  expect(await at.db.transaction((tx) => auditBudgets(tx))).toEqual([]);
  const [root] = await listBudgets(at.db, "company/team");
  expect((root?.spent ?? 0n) + (root?.held ?? 0n)).toBeLessThanOrEqual(100_000n);
});

test("a client that leaves cancels the provider's work and is booked at its most", async () => {
  at.provider.script(hang({ afterChunks: 2 }));
  const left = new AbortController();
  const secret = await at.key({ name: "leaver" });
  const answer = await ask(at.gateway.url, secret, body({ stream: true }), left.signal);
  const reader = answer.body?.getReader();
  expect((await reader?.read())?.done).toBe(false);
  left.abort();
  const row = `select a.label, a.authoritative, e.kind, e.output_tokens as output
    from factotum.gateway_attempts a join factotum.entries e using (call_id, try)
    join factotum.gateway_keys k on k.id = a.key where k.name = 'leaver'`;
  let rows: readonly object[] = [];
  while (rows.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    await at.gateway.flush();
    rows = (await at.db.query(row)).rows;
  }
  expect(rows).toEqual([{ label: "client-left", authoritative: false, kind: "loss", output: "10" }]);
});

test("a key holds for its models only, and no longer once it is revoked or rotated", async () => {
  at.provider.otherwise(() => reply("ok"));
  const made = await at.db.transaction((tx) => makeKey(tx, { name: "n", models: ["quick"] }, randomBytes));
  const statusOf = async (secret: string, text = body()): Promise<number> =>
    (await ask(at.gateway.url, secret, text)).status;
  /** Replicas hear of a change from Postgres, a moment later. */
  const becomes = async (secret: string, wanted: number): Promise<void> => {
    while ((await statusOf(secret)) !== wanted);
  };
  await becomes(made.secret, 200);
  expect(await statusOf(made.secret, body({ model: "spare/second" }))).toBe(403);
  expect(await statusOf(made.secret, '{"model":"quick","model":"spare/second","messages":[]}')).toBe(400);
  expect(await statusOf(made.secret, '{"mod\\u0065l":"spare/second","model":"quick","messages":[]}')).toBe(
    400,
  );
  const fresh = await at.db.transaction((tx) => rotateKey(tx, made.key.id, 0, randomBytes));
  await becomes(fresh.secret, 200);
  expect(await statusOf(made.secret)).toBe(401);
  await at.db.transaction((tx) => revokeKey(tx, made.key.id));
  await becomes(fresh.secret, 401);
});

test("a model's own budget holds for every key, and a list goes on to what there is money for", async () => {
  at.provider.otherwise(() => reply("answered", { input: 500, output: 10 }));
  await budget(at.db, "models/openai/small", 0);
  const secret = await at.key();
  const statusOf = async (model: string): Promise<number> => {
    const answer = await ask(at.gateway.url, secret, body({ model }));
    await answer.text();
    return answer.status;
  };
  await expect.poll(() => statusOf("openai/small"), { timeout: 20_000 }).toBe(402);
  expect(await statusOf("openai/small, spare/second")).toBe(200);
  expect(await statusOf("spare/second")).toBe(200);
  await at.db.transaction((tx) => putBudget(tx, "models/openai/small", { cap: null }));
});

test("beyond a soft limit that degrades, the cheaper of the named models answers", async () => {
  at.provider.otherwise(() => reply("answered", { input: 500, output: 10 }));
  const name = await budget(at.db, "company/thrifty", 1_000_000);
  const secret = await at.key({ name: "thrifty", budget: name });
  const list = body({ model: "dear/large, openai/small" });
  const askOf = async (): Promise<string> => {
    await (await ask(at.gateway.url, secret, list)).text();
    await at.gateway.flush();
    const { rows } = await at.db.query<{ model: string }>(
      `select a.model from factotum.gateway_attempts a join factotum.gateway_keys k on k.id = a.key
       where k.name = 'thrifty' and a.label = 'answered' order by a.at desc limit 1`,
    );
    return rows[0]?.model ?? "";
  };
  expect(await askOf()).toBe("dear/large");
  await at.db.transaction((tx) => putBudget(tx, name, { soft: microUsd(0), beyondSoft: "degrade" }));
  await expect.poll(askOf, { timeout: 20_000 }).toBe("openai/small");
});

test("neither what is said nor any key is in the database", async () => {
  const canary = "canary-7f3a9c";
  at.provider.otherwise(() => reply(`${canary} answered`));
  const secret = await at.key({ name: "private" });
  const text = body({ messages: [{ role: "user", content: canary }] });
  while ((await ask(at.gateway.url, secret, text)).status !== 200);
  await at.gateway.flush();
  const { rows: tables } = await at.db.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'factotum'",
  );
  let looked = 0;
  for (const { name } of tables) {
    const { rows } = await at.db.query<{ row: string }>(`select t::text as row from ${name} t`);
    looked += rows.length;
    for (const { row } of rows) {
      expect(row).not.toContain(canary);
      expect(row).not.toContain(secret);
      expect(row).not.toContain("upstream-secret");
    }
  }
  expect(tables.length).toBeGreaterThan(20);
  expect(looked).toBeGreaterThan(100);
});
