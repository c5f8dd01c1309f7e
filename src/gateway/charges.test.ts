/** What is charged beside a call's tokens is held before, and booked to the last unit after. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { budget, type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
let server: Server;
let answer: { readonly type: string; readonly text: string } = { type: "application/json", text: "{}" };
let asked = 0;
let baseUrl = "";
beforeAll(async () => {
  server = createServer((request, response) => {
    void buffer(request).then(() => {
      asked += 1;
      response.writeHead(200, { "content-type": answer.type });
      return response.end(answer.text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  at = await opened(undefined, baseUrl);
});
afterAll(async () => {
  await at.close();
  server.closeAllConnections();
  server.close();
});

const messages = [{ role: "user", content: "x" }];
const send = async (path: string, secret: string, body: object | string) => {
  const reply = await fetch(`${at.gateway.url}/v1/${path}`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: reply.status, text: await reply.text() };
};
const booked = async (key: string): Promise<readonly object[]> => {
  await at.gateway.flush();
  const { rows } = await at.db.query<object>(
    `select e.amount_micro_usd::int as amount, e.input_tokens::int as input,
       regexp_replace(e.source, '^[^,]*', '') as beside
     from factotum.entries e join factotum.gateway_attempts a using (call_id, try)
     join factotum.gateway_keys k on k.id = a.key where k.name = $1 order by a.at`,
    [key],
  );
  return rows;
};
const json = (value: object): void => {
  answer = { type: "application/json", text: JSON.stringify(value) };
};

test("a budget pays for nothing whose most is not known, and says what is missing", async () => {
  const name = await budget(at.db, "company/charged", 1_000_000_000);
  const secret = await at.key({ name: "charged", budget: name });
  const before = asked;
  const chat = { model: "openai/small", max_tokens: 10, messages };
  const claude = { ...chat, model: "anthropic/claude-small" };
  const search = { type: "web_search_20250305", name: "web_search" };
  for (const [path, body, because] of [
    ["chat/completions", { ...chat, service_tier: "priority" }, "service priority"],
    ["chat/completions", { ...chat, service_tier: "flex" }, "service flex"],
    ["chat/completions", { ...chat, web_search_options: {} }, "web_search"],
    ["messages", { ...claude, speed: "fast" }, 'speed \\"fast'],
    ["messages", { ...claude, inference_geo: "us" }, "inference_geo"],
    ["messages", { ...claude, tools: [search] }, "web_search"],
    ["messages", { ...claude, tools: [{ type: "code_execution_20260120" }] }, "code_execution"],
    ["messages", { ...claude, mcp_servers: [{ type: "url", name: "m" }] }, "mcp"],
    ["messages", { ...claude, system: [{ type: "text", text: "x", cache_control: { ttl: "1h" } }] }, "hour"],
    ["responses", { model: "thinker/deep", input: "x", tools: [{ type: "image_generation" }] }, "image_gen"],
  ] as const) {
    const { status, text } = await send(path, secret, body);
    expect([status, text.includes("price_unknown"), text], text).toEqual([
      ...[400, true, expect.stringContaining(because)],
    ]);
  }
  // A name that is written with escapes hides nothing.
  const hidden = JSON.stringify({ ...chat, service_tier: "priority" }).replace("priority", "prio\\u0072ity");
  expect((await send("chat/completions", secret, hidden)).status).toBe(400);
  expect(asked).toBe(before);

  // What a caller's own tools do costs nothing here, whatever they are called.
  json({ usage: { prompt_tokens: 100, completion_tokens: 1 }, choices: [] });
  const own = [{ type: "function", function: { name: "web_search", parameters: { type: "object" } } }];
  expect((await send("chat/completions", secret, { ...chat, tools: own })).status).toBe(200);
  const bash = [
    { type: "bash_20250124", name: "bash" },
    { name: "mine", input_schema: {} },
  ];
  expect((await send("messages", secret, { ...claude, tools: bash })).status).toBe(200);
});

test("what is packed, fetched or hidden is held at all that the model can read", async () => {
  // A budget with room for the bytes of each, at 1 USD a million tokens, but not for two million tokens.
  const name = await budget(at.db, "company/packed", 100_000);
  const secret = await at.key({ name: "packed", budget: name });
  const source = { type: "base64", media_type: "application/pdf", data: "JVBERi0=" };
  const document = [{ role: "user", content: [{ type: "document", source }] }];
  const claude = { model: "anthropic/claude-small", max_tokens: 10 };
  expect((await send("messages", secret, { ...claude, messages: document })).status).toBe(402);
  const file = [{ type: "input_file", filename: "a.pdf", file_data: "JVBERi0=" }];
  const input = [{ role: "user", content: file }];
  const thinking = { model: "thinker/deep", max_output_tokens: 10 };
  expect((await send("responses", secret, { ...thinking, input })).status).toBe(402);
  // Nobody's letters need escapes, unless the escapes are what is talked of.
  const plain = JSON.stringify({ ...claude, messages: document });
  expect((await send("messages", secret, plain.replace("base64", "b\\u0061se64"))).status).toBe(400);
  json({ usage: { input_tokens: 5, output_tokens: 1 } });
  const talked = [{ role: "user", content: 'In JSON, "\\u0061" is a.' }];
  expect((await send("messages", secret, { ...claude, messages: talked })).status).toBe(200);
  // Where two limits are stated the larger is held: engines differ in which one they go by.
  const two = { model: "openai/small", messages, max_completion_tokens: 1, max_tokens: 50_000 };
  expect((await send("chat/completions", secret, two)).status).toBe(402);
});

const event = (data: object & { readonly type: string }): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

test("searches and their input, an hour's cache, sound and flex are booked as counted", async () => {
  const toolUsd = { web_search: "0.01", file_search: "0.0025" };
  const price = { inputUsdPerMtok: "1", outputUsdPerMtok: "10", cacheWriteUsdPerMtok: "2", toolUsd };
  const more = { longCacheWriteUsdPerMtok: "4", audioInputUsdPerMtok: "30", audioOutputUsdPerMtok: "60" };
  const flex = { inputUsdPerMtok: "0.5", outputUsdPerMtok: "5" };
  const dear = await opened(undefined, baseUrl, {}, { ...price, ...more, flex });
  const was = at;
  at = dear;
  try {
    const name = await budget(at.db, "company/counted", 1_000_000_000);
    const secret = await at.key({ name: "counted", budget: name });
    const claude = { model: "anthropic/claude-small", max_tokens: 10, stream: true, messages };
    const tools = [{ type: "web_search_20250305", name: "web_search", max_uses: 2 }];
    const begun = { input_tokens: 100, cache_creation_input_tokens: 1_000, output_tokens: 1 };
    const cache = { ephemeral_5m_input_tokens: 400, ephemeral_1h_input_tokens: 600 };
    const ended = { input_tokens: 5_000, output_tokens: 20, server_tool_use: { web_search_requests: 2 } };
    answer = {
      type: "text/event-stream",
      text:
        event({ type: "message_start", ...{ message: { usage: { ...begun, cache_creation: cache } } } }) +
        event({ type: "message_delta", ...{ delta: { stop_reason: "end_turn" }, usage: ended } }) +
        event({ type: "message_stop" }),
    };
    const system = [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "1h" } }];
    expect((await send("messages", secret, { ...claude, tools, system })).status).toBe(200);

    const items = [
      { type: "web_search_call", action: { type: "search" } },
      { type: "web_search_call", action: { type: "open_page" } },
      { type: "file_search_call" },
      { type: "function_call", name: "f", arguments: "{}" },
    ];
    json({ output: items, usage: { input_tokens: 1_000, output_tokens: 10 }, service_tier: "flex" });
    const both = [{ type: "web_search" }, { type: "file_search" }];
    const thinking = { model: "thinker/deep", input: "x", max_output_tokens: 10, max_tool_calls: 3 };
    expect((await send("responses", secret, { ...thinking, tools: both, service_tier: "flex" })).status).toBe(
      200,
    );

    const usage = { prompt_tokens: 1_000, completion_tokens: 100 };
    const details = { prompt_tokens_details: { audio_tokens: 900 } };
    json({
      usage: { ...usage, ...details, completion_tokens_details: { audio_tokens: 50 } },
      service_tier: "default",
    });
    const chat = { model: "openai/small", max_tokens: 100, messages, modalities: ["text", "audio"] };
    expect((await send("chat/completions", secret, chat)).status).toBe(200);

    // The first of a list has no price for it, and the next has one.
    json({ usage: { prompt_tokens: 1_000, completion_tokens: 100 }, service_tier: "flex" });
    const either = { model: ["dear/large", "openai/small"], service_tier: "flex", max_tokens: 100, messages };
    expect((await send("chat/completions", secret, either)).status).toBe(200);

    expect(await booked("counted")).toEqual([
      // 5,000 in, 400 + 600 written, 20 out, two searches.
      {
        amount: 5_000 + 800 + 2_400 + 200 + 20_000,
        input: 5_000,
        beside: ", cache of an hour, 2 web_search",
      },
      { amount: 500 + 50 + 10_000 + 2_500, input: 1_000, beside: ", flex, 1 web_search, 1 file_search" },
      { amount: 100 + 27_000 + 500 + 3_000, input: 1_000, beside: ", sound in, sound out" },
      { amount: 500 + 500, input: 1_000, beside: ", flex" },
    ]);
  } finally {
    await dear.close();
    at = was;
  }
});

test("a key without a budget is served, and its entry says what is not in it", async () => {
  const secret = await at.key({ name: "free" });
  json({ usage: { prompt_tokens: 1_000, completion_tokens: 0 }, service_tier: "priority" });
  const chat = { model: "openai/small", max_tokens: 10, messages, service_tier: "priority" };
  expect((await send("chat/completions", secret, chat)).status).toBe(200);
  expect(await booked("free")).toEqual([
    { amount: 1_000, input: 1_000, beside: ", without the price of priority" },
  ]);
});
