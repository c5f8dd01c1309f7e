import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cut, hang, reply, type ScriptedAnswer, type ScriptedRequest, status } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
});
afterAll(() => at.close());

const messages = [{ role: "user", content: "x" }];
const ask = (secret: string, more: object = {}, headers: Record<string, string> = {}, url = at.gateway.url) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, ...headers },
    body: JSON.stringify({ model: "quick", max_tokens: 10, messages, ...more }),
  });
const rowsOf = async (call: string | null): Promise<readonly { readonly label: string }[]> => {
  await at.gateway.flush();
  const sql = `select label, model, amount_micro_usd as amount
    from factotum.gateway_attempts where call_id = $1 order by try`;
  return (await at.db.query<{ label: string }>(sql, [call])).rows;
};
const callOf = (answer: Response): string | null => answer.headers.get("x-factotum-call");

describe("limits per minute", () => {
  /** Stops the business clock, by which minutes go. */
  const freeze = () =>
    at.db.query(
      `insert into factotum.clock (anchor_real, anchor_at, rate)
       values (now(), '2030-01-01 00:00:20+00', 0)`,
    );
  beforeAll(freeze);
  afterAll(() => at.db.query("delete from factotum.clock"));

  test("are exact over two replicas, and what is refused says when to come again", async () => {
    at.provider.otherwise(() => reply("ok", { input: 5, output: 5 }));
    const other = await at.replica();
    const secret = await at.key({ name: "paced", requestsPerMinute: 100 });
    const urls = [at.gateway.url, other.url];
    const answers = await Promise.all(
      Array.from({ length: 250 }, async (_, count) => {
        const answer = await ask(secret, {}, {}, urls[count % 2]);
        await answer.text();
        return answer;
      }),
    );
    const refused = answers.filter((answer) => answer.status === 429);
    let served = answers.filter((answer) => answer.status === 200).length;
    expect(served + refused.length).toBe(250);
    expect(served).toBeLessThanOrEqual(100);
    expect(Number(refused[0]?.headers.get("retry-after"))).toBe(40);
    // What a replica holds and does not use comes back, until all of it is had.
    while (served < 100) if ((await ask(secret, {}, {}, urls[served % 2])).status === 200) served += 1;
    expect((await ask(secret, {}, {}, urls[0])).status).toBe(429);
    expect((await ask(secret, {}, {}, urls[1])).status).toBe(429);
    await at.db.query("update factotum.clock set anchor_at = anchor_at + interval '1 minute'");
    // The replicas ask again for every call, as they have nothing in hand.
    expect((await ask(secret)).status).toBe(200);
    await other.close();
  });

  test("refuse nobody while there is room, however many come at once", async () => {
    at.provider.otherwise(() => reply("ok", { input: 5, output: 5 }));
    const secret = await at.key({ name: "roomy", requestsPerMinute: 1_000, tokensPerMinute: 10_000_000 });
    const statuses = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const answer = await ask(secret);
        await answer.text();
        return answer.status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test("count tokens at their most while a call is under way, and as counted once it is over", async () => {
    at.provider.otherwise(() => reply("ok", { input: 20, output: 5 }));
    const secret = await at.key({ name: "tokens", tokensPerMinute: 6_000 });
    const client = new OpenAI({ apiKey: secret, baseURL: `${at.gateway.url}/v1`, maxRetries: 0 });
    const asking = [{ role: "user" as const, content: "x" }];
    const large = { model: "quick", max_tokens: 1_550, messages: asking };
    let error: unknown = null;
    // Where a minute ends between the calls, the large one fits into the next.
    while (error === null) {
      for (let count = 0; count < 20; count += 1) expect((await ask(secret)).status).toBe(200);
      error = await client.chat.completions.create(large).then(
        () => null,
        (refused: unknown) => refused,
      );
    }
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ code: "rate_limit_exceeded", type: "rate_limit_error" });
  });

  test("refuse for good what can never fit; a picture takes the whole minute", async () => {
    at.provider.otherwise(() => reply("ok", { input: 20, output: 5 }));
    const secret = await at.key({ name: "small", tokensPerMinute: 6_000 });
    const large = await ask(secret, { max_tokens: 3_000 });
    expect([large.status, large.headers.get("retry-after")]).toEqual([400, null]);
    expect(await large.json()).toMatchObject({ error: { code: "call_beyond_limit" } });
    const url = "data:image/png;base64,iVBORw0KGgo=";
    const shown = [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }];
    expect((await ask(secret, { messages: shown })).status).toBe(200);
    expect((await ask(secret)).status).toBe(200);
  });
});

describe("a provider that fails", () => {
  test("is asked again after what it asks for, under one id, and every try has its row", async () => {
    at.provider.script(status(429, { retryAfter: 1 }), status(500), reply("third"));
    const answer = await ask(at.secret);
    expect(await answer.json()).toMatchObject({ choices: [{ message: { content: "third" } }] });
    const labels = (await rowsOf(callOf(answer))).map(({ label }) => label);
    expect(labels).toEqual(["failed", "failed", "answered"]);
  });

  test("and asks for more time than anybody waits is passed on as it answered", async () => {
    at.provider.script(status(429, { retryAfter: 30 }));
    const answer = await ask(at.secret);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "30"]);
  });

  test("in the middle of a stream is followed by the next one only where the caller allows it", async () => {
    at.provider.script(cut({ afterChunks: 3 }), reply("whole again"));
    const answer = await ask(at.secret, { model: "safe", stream: true }, { "x-factotum-restart": "allowed" });
    const text = await answer.text();
    const restart = text.indexOf('"object":"factotum.restart"');
    expect(restart).toBeGreaterThan(0);
    expect(text.slice(restart)).toContain("[DONE]");
    expect(text).not.toContain("upstream_broken");
    expect(await rowsOf(callOf(answer))).toMatchObject([{ label: "cut" }, { label: "answered" }]);
    at.provider.script(cut({ afterChunks: 3 }));
    expect(await (await ask(at.secret, { model: "safe", stream: true })).text()).toContain("upstream_broken");
  });
});

test("a hedged call is answered by whoever is first; who loses is booked under the same id", async () => {
  // Either may arrive first.
  const byModel = ({ body }: ScriptedRequest): ScriptedAnswer =>
    Reflect.get(Object(body), "model") === "small"
      ? hang({ afterChunks: 0 })
      : reply("the second", { input: 5, output: 5 });
  at.provider.script(byModel, byModel);
  const answer = await ask(at.secret, { model: "safe" }, { "x-factotum-hedge-ms": "20" });
  expect(await answer.json()).toMatchObject({ choices: [{ message: { content: "the second" } }] });
  let rows = await rowsOf(callOf(answer));
  while (rows.length < 2) rows = await rowsOf(callOf(answer));
  expect(rows).toMatchObject([
    { label: "outraced", model: "openai/small" },
    { label: "answered", model: "spare/second", amount: "55" },
  ]);
  expect(Number(Reflect.get(rows[0] ?? {}, "amount"))).toBeGreaterThan(100);
});

describe("an idempotency key", () => {
  const named = (name: string): Record<string, string> => ({ "idempotency-key": name });
  const asks = () => at.provider.requests.length;

  test("makes one call of many, over two replicas, and tells the others of the first", async () => {
    at.provider.otherwise(() => reply("once", { input: 5, output: 5 }));
    const other = await at.replica();
    const secret = await at.key({ name: "once" });
    const before = asks();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, count) =>
        ask(secret, {}, named("order-7"), count % 2 === 0 ? at.gateway.url : other.url),
      ),
    );
    const first = answers.find(({ status: code }) => code === 200);
    const others = answers.filter(({ status: code }) => code === 409);
    expect([others.length, asks() - before]).toEqual([19, 1]);
    await first?.text();
    await at.gateway.flush();
    const again = await ask(secret, {}, named("order-7"), other.url);
    expect([again.status, again.headers.get("x-should-retry")]).toEqual([409, "false"]);
    expect(await again.json()).toMatchObject({
      error: { code: "duplicate_call", receipt: { call: callOf(first ?? again), state: "answered" } },
    });
    // Clients that try conflicts again by themselves leave it at that.
    const client = new OpenAI({ apiKey: secret, baseURL: `${other.url}/v1`, maxRetries: 3 });
    const asked = client.chat.completions.create(
      { model: "quick", messages: [{ role: "user", content: "x" }] },
      { headers: named("order-7") },
    );
    await expect(asked).rejects.toMatchObject({ status: 409 });
    expect(asks() - before).toBe(1);
    await other.close();
  });

  test("is free again after a failure that was not billed, and taken after one that was", async () => {
    const outcomes: readonly (readonly [ScriptedAnswer, number])[] = [
      [status(400), 200],
      [cut({ afterChunks: 3 }), 409],
    ];
    for (const [at_, [failure, then]] of outcomes.entries()) {
      at.provider.script(failure);
      const more = { stream: true };
      await (await ask(at.secret, more, named(`try-${at_}`))).text();
      const again = await ask(at.secret, more, named(`try-${at_}`));
      await again.text();
      expect(again.status).toBe(then);
    }
  });

  test("is kept as a hash of which nothing can be read", async () => {
    await (await ask(at.secret, {}, named("account-of-jane"))).text();
    const { rows } = await at.db.query<{ row: string }>(
      "select encode(hash, 'escape') || r::text as row from factotum.gateway_receipts r",
    );
    expect(rows.length).toBeGreaterThan(1);
    expect(JSON.stringify(rows)).not.toContain("account-of-jane");
  });
});
