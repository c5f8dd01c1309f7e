import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TenantId } from "../kernel/index.ts";
import { listBudgets } from "../ledger/index.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cut, reply, status } from "../testing/index.ts";
import { forgetAnswers } from "./answers.ts";
import type { KeyTerms } from "./index.ts";
import { budget, type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
});
afterAll(() => at.close());

/** Reads the answer whole: one that is left lying keeps its connection, and the gateway waits for it. */
const ask = async (
  secret: string,
  body: object,
  headers: Record<string, string> = {},
  path = "chat/completions",
): Promise<Response> => {
  const answer = await fetch(`${at.gateway.url}/v1/${path}`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}`, ...headers } },
    body: JSON.stringify({ model: "quick", ...body }),
  });
  return new Response(await answer.text().catch(() => "cut"), answer);
};
const saying = (content: string, more: object = {}): object => ({
  ...{ max_tokens: 10, messages: [{ role: "user", content }] },
  ...more,
});
const kept = (seconds = 600): Partial<KeyTerms> => ({ cacheSeconds: seconds });
const told = (answer: Response): string | null => answer.headers.get("x-factotum-cache");
const asks = (): number => at.provider.requests.length;
const hitsOf = async (key: string): Promise<readonly object[]> =>
  (
    await at.db.query(
      `select asked, model, saved_micro_usd as saved from factotum.gateway_hits h
       join factotum.gateway_keys k on k.id = h.key where k.name = $1`,
      [key],
    )
  ).rows;
/** Asks until the answer is one that was kept: it is written a moment after it was given. */
async function hit(...args: Parameters<typeof ask>): Promise<Response> {
  for (;;) {
    const answer = await ask(...args);
    if (told(answer) === "hit") return answer;
    await answer.text();
  }
}

describe("an answer that is kept", () => {
  test("is given again as it was, whole and as a stream, by no provider and at no cost", async () => {
    at.provider.otherwise(() => reply(`answer ${asks()}`, { input: 20, output: 4 }));
    const name = await budget(at.db, "company/kept", 1_000_000);
    const secret = await at.key({ name: "kept", budget: name, ...kept() });
    for (const stream of [false, true]) {
      const body = saying("the same", { stream });
      const first = await ask(secret, body);
      const text = await first.text();
      expect(told(first)).toBe("miss");
      const before = asks();
      const again = await ask(secret, body);
      expect([told(again), asks()]).toEqual(["hit", before]);
      expect(await again.text()).toBe(text);
      expect(again.headers.get("content-type")).toBe(first.headers.get("content-type"));
      expect(again.headers.get("x-factotum-call")).not.toBe(first.headers.get("x-factotum-call"));
      // What differs in anything is another call.
      const other = await ask(secret, saying("the same", { stream, max_tokens: 9 }));
      expect(told(other)).toBe("miss");
      await other.text();
    }
    await at.gateway.flush();
    expect(await hitsOf("kept")).toEqual(
      Array.from({ length: 2 }, () => ({ asked: "quick", model: "openai/small", saved: "60" })),
    );
    const { rows } = await at.db.query<{ sum: string }>(
      `select sum(amount_micro_usd) as sum from factotum.gateway_attempts a
       join factotum.gateway_keys k on k.id = a.key where k.name = 'kept'`,
    );
    expect(rows[0]?.sum).toBe("240");
    const [spent] = await listBudgets(at.db, name);
    expect(spent?.held !== undefined && spent.spent + spent.held <= 1_000_000n).toBe(true);
  });

  test("stays with its tenant, and with who asks for it", async () => {
    at.provider.otherwise(() => reply("ok"));
    const mine = await at.key({ tenant: "mine" as TenantId, ...kept() });
    const body = saying("whose?");
    await (await ask(mine, body)).text();
    await (await hit(mine, body)).text();
    const theirs = await at.key({ tenant: "theirs" as TenantId, ...kept() });
    expect(told(await ask(theirs, body))).toBe("miss");
    const plain = await at.key({ tenant: "mine" as TenantId });
    expect(told(await ask(plain, body))).toBeNull();
    expect(told(await ask(mine, body, { "x-factotum-cache": "off" }))).toBeNull();
    expect(told(await ask(plain, body, { "x-factotum-cache": "60" }))).toBe("hit");
    const wrong = await ask(plain, body, { "x-factotum-cache": "for ever" });
    expect([wrong.status, await wrong.json()]).toMatchObject([
      400,
      { error: { code: "cache_wish_invalid" } },
    ]);
  });

  test("is never a failure, half an answer, or one past its time", async () => {
    const secret = await at.key(kept());
    const body = saying("broken", { stream: true });
    const before = asks();
    at.provider.script(status(400), cut({ afterChunks: 3 }), reply("whole"));
    for (const _ of [1, 2, 3]) {
      const answer = await ask(secret, body);
      expect(told(answer)).toBe("miss");
      await answer.text();
    }
    expect(asks() - before).toBe(3);
    await (await hit(secret, body)).text();
    const age = "update factotum.gateway_answers set made_at = made_at - interval '1 hour'";
    // It is written a moment after it was given, so it may not be there yet to grow old.
    do await at.db.query(age);
    while (told(await ask(secret, body)) === "hit");
  });

  test("is none of a call that may do something, unless the caller says so", async () => {
    at.provider.otherwise(() => reply("done"));
    const secret = await at.key(kept());
    const body = { input: "search", tools: [{ type: "web_search" }] };
    for (const _ of [1, 2]) expect(told(await ask(secret, body, {}, "responses"))).toBeNull();
    const said = { "x-factotum-cache": "60; effects" };
    await (await ask(secret, body, said, "responses")).text();
    expect(told(await hit(secret, body, said, "responses"))).toBe("hit");
    const own = { input: "x", tools: [{ type: "function", name: "f", parameters: { type: "object" } }] };
    expect(told(await ask(secret, own, {}, "responses"))).toBe("miss");
  });

  test("goes when its tenant has too much that is newer, and nobody else's does", async () => {
    at.provider.otherwise(() => reply("x".repeat(1_000), { input: 20, output: 4 }));
    const [mine, other] = ["roomy", "modest"] as const;
    const [secret, others] = [
      await at.key({ tenant: mine as TenantId, ...kept() }),
      await at.key({ tenant: other as TenantId, ...kept() }),
    ];
    await hit(others, saying("theirs"));
    for (let count = 0; count < 8; count += 1) await hit(secret, saying(`mine ${count}`));
    const bytesOf = async (tenant: string): Promise<readonly number[]> =>
      (
        await at.db.query<{ bytes: number }>(
          "select octet_length(sealed) as bytes from factotum.gateway_answers where tenant = $1",
          [tenant],
        )
      ).rows.map(({ bytes }) => bytes);
    await expect.poll(async () => (await bytesOf(mine)).length, { timeout: 20_000 }).toBe(8);
    await forgetAnswers(at.db, 5_000);
    const left = await bytesOf(mine);
    expect(left.length).toBeGreaterThan(1);
    expect(left.length).toBeLessThan(8);
    expect(left.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(5_000);
    expect((await bytesOf(other)).length).toBe(1);
    expect(told(await ask(secret, saying("mine 7")))).toBe("hit");
    expect(told(await ask(secret, saying("mine 0")))).toBe("miss");
  });

  test("is on no disk but sealed", async () => {
    const canary = ["canary", "that", "is", "kept"].join("-");
    const secret = await at.key(kept());
    at.provider.script(reply(`${canary} answered`));
    await (await ask(secret, saying(canary))).text();
    expect(await (await hit(secret, saying(canary))).text()).toContain(canary);
    await at.db.query("checkpoint");
    const { rows } = await at.db.query<{ hits: string; files: string; sealed: string }>(
      `select count(*) filter (where position($1::bytea in pg_read_binary_file(f.path, true)) > 0) as hits,
         count(*) as files, (select count(*) from factotum.gateway_answers) as sealed
       from (select 'pg_wal/' || name as path from pg_ls_waldir()
         union all select pg_relation_filepath(c.oid) from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ('factotum', 'pg_toast') and pg_relation_filepath(c.oid) is not null) f`,
      [Buffer.from(canary)],
    );
    expect(Number(rows[0]?.files)).toBeGreaterThan(50);
    expect(Number(rows[0]?.sealed)).toBeGreaterThan(0);
    expect(rows[0]?.hits).toBe("0");
  });
});

describe("calls that are the same and under way at once", () => {
  const USAGE = '"usage":{"prompt_tokens":20,"completion_tokens":4,"total_tokens":24}';
  const FIRST = 'data: {"choices":[{"index":0,"delta":{"content":"first "}}]}\n\n';
  const REST = `data: {"choices":[],${USAGE}}\n\ndata: [DONE]\n\n`;
  /** Answers that have begun. */
  const begun: ServerResponse[] = [];
  const slow = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" }).write(FIRST);
    begun.push(response);
  });
  let held: Opened;
  beforeAll(async () => {
    await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
    held = await opened(undefined, `http://127.0.0.1:${(slow.address() as AddressInfo).port}/v1`);
  });
  afterAll(async () => {
    await held.close();
    slow.closeAllConnections();
    slow.close();
  });
  const call = (secret: string, signal?: AbortSignal, content = "now"): Promise<Response> =>
    fetch(`${held.gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}`, "x-factotum-cache": "60" } },
      body: JSON.stringify({ model: "quick", ...saying(content, { stream: true }) }),
      ...(signal !== undefined && { signal }),
    });

  test("are one call, also when the first of them leaves, and it is billed once", async () => {
    const secret = await held.key({ name: "flight" });
    const leader = new AbortController();
    const first = await call(secret, leader.signal);
    expect(told(first)).toBe("miss");
    const others = await Promise.all(Array.from({ length: 20 }, () => call(secret)));
    expect(new Set(others.map(told))).toEqual(new Set(["hit"]));
    leader.abort();
    await expect(first.text()).rejects.toThrow("aborted");
    begun[0]?.end(REST);
    const texts = await Promise.all(others.map((answer) => answer.text()));
    expect(new Set(texts)).toEqual(new Set([`${FIRST}data: [DONE]\n\n`]));
    expect(begun.length).toBe(1);
    const booked = async (): Promise<object | undefined> => {
      await held.gateway.flush();
      const { rows } = await held.db.query(
        `select (select count(*)::int from factotum.gateway_hits) as hits,
           (select json_agg(json_build_array(label, amount_micro_usd)) as attempts
            from factotum.gateway_attempts)`,
      );
      return rows[0];
    };
    let found = await booked();
    while (Reflect.get(found ?? {}, "hits") !== 20) found = await booked();
    expect(found).toEqual({ hits: 20, attempts: [["answered", 60]] });
    const metrics = await (await fetch(`${held.gateway.adminUrl}/metrics`)).text();
    expect(metrics.match(/^factotum_gateway_cache_total.*$/gm)).toEqual([
      'factotum_gateway_cache_total{told="hit"} 0',
      'factotum_gateway_cache_total{told="joined"} 20',
      'factotum_gateway_cache_total{told="miss"} 1',
    ]);
  });

  test("are given up when the last of them has left", async () => {
    const secret = await held.key({ name: "leaving" });
    const clients = [new AbortController(), new AbortController()];
    const before = begun.length;
    for (const client of clients) await call(secret, client.signal, "later");
    const gone = new Promise((resolve) => begun[before]?.once("close", resolve));
    for (const client of clients) client.abort();
    await gone;
    expect(begun.length).toBe(before + 1);
  });
});
