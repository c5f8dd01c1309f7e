import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cut, notJson, reply, status } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
});
afterAll(() => at.close());

const openai = () => new OpenAI({ apiKey: at.secret, baseURL: `${at.gateway.url}/v1`, maxRetries: 0 });
const anthropic = () => new Anthropic({ apiKey: at.secret, baseURL: at.gateway.url, maxRetries: 0 });
const usage = { input: 100, output: 20, cachedInput: 40 };
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const twoCalls = [
  { name: "look", arguments: { city: "Zürich" } },
  { name: "look", arguments: { city: "東京" } },
];

/** What a client made of an answer, in words of this test. */
type Got = {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly input: unknown }[];
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly finish: string | null | undefined;
};
type Ask = { readonly model: string; readonly tools: boolean; readonly stream: boolean };
type Client = (ask: Ask) => Promise<Got>;

const chat: Client = async ({ model, tools, stream }) => {
  const asked = {
    ...{ model, messages: [{ role: "user" as const, content: "hello" }], max_completion_tokens: 50 },
    ...(tools && { tools: [{ type: "function" as const, function: { name: "look", parameters: schema } }] }),
  };
  const options = { stream_options: { include_usage: true } };
  const answer = stream
    ? await openai()
        .chat.completions.stream({ ...asked, ...options })
        .finalChatCompletion()
    : await openai().chat.completions.create(asked);
  const choice = answer.choices[0];
  return {
    text: choice?.message.content ?? "",
    calls: (choice?.message.tool_calls ?? []).map((call) =>
      call.type === "function"
        ? { name: call.function.name, input: JSON.parse(call.function.arguments) as unknown }
        : { name: "", input: null },
    ),
    ...{ input: answer.usage?.prompt_tokens ?? 0, output: answer.usage?.completion_tokens ?? 0 },
    cached: answer.usage?.prompt_tokens_details?.cached_tokens ?? 0,
    finish: choice?.finish_reason,
  };
};

const responses: Client = async ({ model, tools, stream }) => {
  const asked = {
    ...{ model, input: "hello", max_output_tokens: 50 },
    ...(tools && {
      tools: [{ type: "function" as const, name: "look", parameters: schema, strict: false }],
    }),
  };
  const answer = stream
    ? await openai().responses.stream(asked).finalResponse()
    : await openai().responses.create(asked);
  const calls = answer.output.flatMap((item) =>
    item.type === "function_call" ? [{ name: item.name, input: JSON.parse(item.arguments) as unknown }] : [],
  );
  return {
    ...{ text: answer.output_text, calls, finish: answer.incomplete_details?.reason ?? answer.status },
    ...{ input: answer.usage?.input_tokens ?? 0, output: answer.usage?.output_tokens ?? 0 },
    cached: answer.usage?.input_tokens_details.cached_tokens ?? 0,
  };
};

const messages: Client = async ({ model, tools, stream }) => {
  const asked = {
    ...{ model, max_tokens: 50, messages: [{ role: "user" as const, content: "hello" }] },
    ...(tools && { tools: [{ name: "look", input_schema: { ...schema, type: "object" as const } }] }),
  };
  const answer = stream
    ? await anthropic().messages.stream(asked).finalMessage()
    : await anthropic().messages.create(asked);
  const cached = answer.usage.cache_read_input_tokens ?? 0;
  return {
    text: answer.content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join(""),
    calls: answer.content.flatMap((block) =>
      block.type === "tool_use" ? [{ name: block.name, input: block.input }] : [],
    ),
    ...{ input: answer.usage.input_tokens + cached, output: answer.usage.output_tokens, cached },
    finish: answer.stop_reason,
  };
};

const clients = { chat, responses, messages };
const finishes = {
  chat: { stop: "stop", calls: "tool_calls", length: "length" },
  responses: { stop: "completed", calls: "completed", length: "max_output_tokens" },
  messages: { stop: "end_turn", calls: "tool_use", length: "max_tokens" },
};
const targets = ["openai/small", "thinker/deep", "anthropic/claude-small", "google/gemini-small"];
const pairs = (["chat", "responses", "messages"] as const).flatMap((client) =>
  targets.map((model) => ({ client, model })),
);

/** Whether the model speaks the client's protocol itself: its answers, broken or not, pass as they are. */
function passes(client: keyof typeof clients, model: string): boolean {
  if (client === "messages") return model.startsWith("anthropic");
  return client === "chat" ? !model.startsWith("anthropic") : /openai|thinker/.test(model);
}

describe.for(pairs)("a client of $client asks $model", ({ client, model }) => {
  const ask = clients[client];
  const finish = finishes[client];

  test("and gets words, calls and usage, whole and streamed", async () => {
    for (const stream of [false, true]) {
      at.provider.script(reply("Grüße, 世界 🌍", usage), reply(twoCalls, usage));
      at.provider.script(reply("cut", usage, { finish: "length" }));
      const counted = { input: 100, output: 20, cached: 40 };
      const said = { text: "Grüße, 世界 🌍", calls: [], finish: finish.stop, ...counted };
      expect(await ask({ model, tools: false, stream })).toEqual(said);
      const calls = twoCalls.map(({ name, arguments: input }) => ({ name, input }));
      const called = { text: "", calls, finish: finish.calls, ...counted };
      expect(await ask({ model, tools: true, stream })).toEqual(called);
      const short = await ask({ model, tools: false, stream });
      expect(short).toMatchObject({ text: "cut", finish: finish.length });
    }
    await at.gateway.flush();
    const { rows } = await at.db.query(
      `select distinct a.label, a.authoritative, a.model, e.input_tokens as input,
         e.cached_input_tokens as cached, e.output_tokens as output
       from factotum.gateway_attempts a join factotum.entries e using (call_id, try)
       where a.call_id in (select call_id from factotum.gateway_attempts order by at desc limit 6)`,
    );
    const counts = { input: "60", cached: "40", output: "20" };
    expect(rows).toEqual([{ label: "answered", authoritative: true, model, ...counts }]);
  });

  test("and reads a refusal, and a broken answer, as its own errors", async () => {
    at.provider.script(status(429, { retryAfter: 3, message: "slow down", code: "rate_limited" }));
    const refused = ask({ model, tools: false, stream: false });
    await expect(refused).rejects.toThrow(/429.*slow down/);
    at.provider.script(cut({ afterChunks: 3 }));
    await expect(ask({ model, tools: false, stream: true })).rejects.toThrow("broke its answer off");
    if (passes(client, model)) return;
    at.provider.script(notJson);
    const strange = ask({ model, tools: false, stream: false });
    await expect(strange).rejects.toThrow(/502.*the provider's answer is broken/);
  });
});

describe("what cannot be kept", () => {
  const asked = { model: "anthropic/claude-small", messages: [{ role: "user" as const, content: "hello" }] };

  test("is refused by the name of its field", async () => {
    const wishes = { seed: { seed: 7 }, n: { n: 2 }, logit_bias: { logit_bias: { "50256": -100 } } };
    for (const [param, wish] of Object.entries(wishes)) {
      const refused = openai().chat.completions.create({ ...asked, ...wish });
      await expect(refused).rejects.toMatchObject({ status: 400, code: "untranslatable", param });
    }
    const strange = openai().chat.completions.create({
      ...asked,
      future_field: true,
    } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming);
    await expect(strange).rejects.toMatchObject({ code: "untranslatable", param: "future_field" });
  });

  test("is dropped where the client says so, and it is told", async () => {
    at.provider.script(reply("hi"));
    const { data, response } = await openai()
      .chat.completions.create({ ...asked, seed: 7 }, { headers: { "x-factotum-drop": "seed" } })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe("hi");
    expect(response.headers.get("x-factotum-dropped")).toBe("seed");
    expect(response.headers.get("x-factotum-translated")).toBe("anthropic-messages");
    expect(at.provider.requests.at(-1)?.body).toEqual({
      ...{ model: "claude-small", max_tokens: 1_000 },
      messages: [{ role: "user", content: "hello" }],
    });
  });

  test("makes a list of models go to the one that keeps it", async () => {
    at.provider.script(reply("kept"));
    const key = await at.key({ models: ["mixed"] });
    const client = new OpenAI({ apiKey: key, baseURL: `${at.gateway.url}/v1`, maxRetries: 0 });
    const answer = await client.chat.completions.create({ ...asked, model: "mixed", seed: 7 });
    expect(answer.choices[0]?.message.content).toBe("kept");
    expect(at.provider.requests.at(-1)?.wire).toBe("openai-chat");
  });

  test("a malformed request is told its field", async () => {
    const wrong = anthropic().messages.create({
      ...{ model: "quick", max_tokens: 10 },
      messages: [{ role: "user", content: [{ type: "text", text: 7 as unknown as string }] }],
    });
    await expect(wrong).rejects.toThrow("messages[0].content[0].text must be a text");
  });
});
