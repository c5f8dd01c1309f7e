import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cut, reply, status } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
});
afterAll(() => at.close());

const openai = (apiKey = at.secret) => new OpenAI({ apiKey, baseURL: `${at.gateway.url}/v1`, maxRetries: 0 });
const anthropic = () => new Anthropic({ apiKey: at.secret, baseURL: at.gateway.url, maxRetries: 0 });
const messages = [{ role: "user" as const, content: "hello" }];
const tool = { name: "look", parameters: { type: "object", properties: { usage: { type: "object" } } } };

async function lastRows(count: number) {
  await at.gateway.flush();
  const { rows } = await at.db.query(
    `select a.label, a.status, a.authoritative, a.model, a.surface, a.amount_micro_usd as amount,
       e.kind, e.input_tokens as input, e.output_tokens as output, e.cached_input_tokens as cached
     from factotum.gateway_attempts a left join factotum.entries e using (call_id, try)
     order by a.at desc, a.try desc limit $1`,
    [count],
  );
  return rows;
}

describe("OpenAI's client", () => {
  test("gets a chat completion, and the call is booked as counted", async () => {
    at.provider.script(reply("hi", { input: 100, output: 20, cachedInput: 40 }));
    const answer = await openai().chat.completions.create({ model: "quick", messages });
    expect(answer.choices[0]?.message.content).toBe("hi");
    const sent = at.provider.requests.at(-1);
    expect(sent?.body).toEqual({ model: "small", messages });
    expect(sent?.headers["authorization"]).toBe("Bearer upstream-secret");
    expect(JSON.stringify(sent?.headers)).not.toContain(at.secret);
    expect(await lastRows(1)).toEqual([
      {
        ...{ label: "answered", status: 200, authoritative: true, model: "openai/small" },
        ...{ surface: "chat.completions", amount: "300", kind: "cost" },
        ...{ input: "60", output: "20", cached: "40" },
      },
    ]);
  });

  test("gets a stream without the usage chunk that it did not ask for, and with the one it did", async () => {
    for (const asked of [false, true]) {
      at.provider.script(reply("a stream of words", { input: 7, output: 5 }));
      const stream = await openai().chat.completions.create({
        ...{ model: "openai/small", messages, stream: true },
        ...(asked && { stream_options: { include_usage: true } }),
      });
      let text = "";
      let usages = 0;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (chunk.usage !== undefined && chunk.usage !== null) usages += 1;
      }
      expect({ text, usages }).toEqual({ text: "a stream of words", usages: asked ? 1 : 0 });
      expect(await lastRows(1)).toMatchObject([{ authoritative: true, input: "7", output: "5" }]);
    }
  });

  test("calls tools, in parallel, whose schema speaks of usage", async () => {
    at.provider.script(
      reply([
        { name: "look", arguments: { usage: {} } },
        { name: "look", arguments: {} },
      ]),
    );
    const tools = [{ type: "function" as const, function: tool }];
    const stream = openai().chat.completions.stream({ model: "small", messages, tools });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.message.tool_calls).toHaveLength(2);
    expect(await lastRows(1)).toMatchObject([{ authoritative: true, input: "100", output: "20" }]);
  });

  test("gets responses, whole and streamed, which nobody is to store", async () => {
    at.provider.script(reply("whole"), reply("streamed"));
    const whole = await openai().responses.create({ model: "quick", input: "hello" });
    expect(whole.output_text).toBe("whole");
    expect(at.provider.requests.at(-1)?.body).toEqual({ model: "small", input: "hello", store: false });
    expect(await lastRows(1)).toMatchObject([{ input: "100", output: "20", authoritative: true }]);
    const stream = await openai().responses.create({ model: "quick", input: "hello", stream: true });
    let text = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    expect(text).toBe("streamed");
    expect(await lastRows(1)).toMatchObject([{ input: "100", output: "20", authoritative: true }]);
  });

  test("is told what a stateless API cannot do", async () => {
    const before = at.provider.requests.length;
    const wishes = [
      { store: true },
      { previous_response_id: "resp_1" },
      { conversation: "conv_1" },
      { background: true },
      { prompt: { id: "pmpt_1" } },
    ];
    for (const wish of wishes) {
      const asked = openai().responses.create({ model: "quick", input: "hello", ...wish });
      await expect(asked).rejects.toMatchObject({ status: 400, code: "stateless_api" });
    }
    expect(at.provider.requests.length).toBe(before);
  });

  test("gets embeddings and the list of models", async () => {
    at.provider.script(reply("[0.5,1]", { input: 8, output: 0 }));
    const { data } = await openai().embeddings.create({
      ...{ model: "quick", input: "hello", encoding_format: "float" },
    });
    expect(data[0]?.embedding).toEqual([0.5, 1]);
    expect(await lastRows(1)).toMatchObject([{ input: "8", amount: "8", authoritative: true }]);
    const names: string[] = [];
    for await (const model of openai().models.list()) names.push(model.id);
    expect(names).toEqual([
      ...["quick", "safe", "thoughtful", "mixed", "openai/small", "anthropic/claude-small", "spare/second"],
      ...["google/gemini-small", "dear/large", "thinker/deep", "auto"],
    ]);
    expect(await openai().models.retrieve("openai/small")).toMatchObject({ owned_by: "openai" });
  });

  test("reads refusals as its own errors: of the gateway, and of the provider", async () => {
    const ask = (key: string, model: string) => openai(key).chat.completions.create({ model, messages });
    await expect(ask("fk-none", "quick")).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
    await expect(ask(at.secret, "none")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
    at.provider.script(status(429, { retryAfter: 3, message: "slow down", code: "rate_limited" }));
    await expect(ask(at.secret, "quick")).rejects.toMatchObject({ status: 429, code: "rate_limited" });
    expect(await lastRows(1)).toMatchObject([{ label: "failed", status: 429, amount: "0", kind: null }]);
  });

  test("is answered by the next model where the first is overloaded, and never hears of it", async () => {
    at.provider.script(status(503), reply("from the second"));
    const answer = await openai().chat.completions.create({ model: "safe", messages });
    expect(answer.choices[0]?.message.content).toBe("from the second");
    const rows = await lastRows(2);
    expect(rows.map(({ model, label }) => [model, label])).toEqual([
      ["spare/second", "answered"],
      ["openai/small", "failed"],
    ]);
  });

  test("hears of a stream that the provider breaks off, which is booked at its most", async () => {
    at.provider.script(cut({ afterChunks: 3 }));
    const stream = await openai().chat.completions.create({
      ...{ model: "quick", messages, stream: true, max_completion_tokens: 50 },
    });
    const read = async (): Promise<void> => {
      for await (const chunk of stream) expect(chunk.object).toBe("chat.completion.chunk");
    };
    await expect(read()).rejects.toThrow("the provider broke its answer off");
    expect(await lastRows(1)).toMatchObject([
      { label: "cut", authoritative: false, kind: "loss", output: "50" },
    ]);
  });
});

describe("Anthropic's client", () => {
  test("gets a message, whole and streamed, and counts tokens for nothing", async () => {
    const usage = { input: 50, output: 9, cachedInput: 30 };
    at.provider.script(reply("whole", usage), reply("streamed", usage), reply("", { input: 12, output: 0 }));
    const asked = { model: "anthropic/claude-small", max_tokens: 100, messages };
    const whole = await anthropic().messages.create(asked);
    expect(whole.content).toEqual([{ type: "text", text: "whole" }]);
    expect(at.provider.requests.at(-1)?.headers["x-api-key"]).toBe("upstream-secret");
    const booked = { authoritative: true, input: "20", cached: "30", output: "9" };
    expect(await lastRows(1)).toMatchObject([booked]);
    expect(await anthropic().messages.stream(asked).finalText()).toBe("streamed");
    expect(await lastRows(1)).toMatchObject([booked]);
    const { max_tokens: _, ...counted } = asked;
    expect(await anthropic().messages.countTokens(counted)).toEqual({ input_tokens: 12 });
    expect(await lastRows(1)).toMatchObject([{ surface: "messages.count_tokens", amount: "0", kind: null }]);
  });

  test("uses tools, and reads refusals as its own errors", async () => {
    at.provider.script(
      reply([{ name: "look", arguments: { at: 7 } }]),
      // Tried three times before the client is told.
      ...Array.from({ length: 3 }, () => status(529, { code: "overloaded_error" })),
    );
    const tools = [{ name: "look", input_schema: { type: "object" as const } }];
    const asked = { model: "claude-small", max_tokens: 100, messages, tools };
    const { content } = await anthropic().messages.create(asked);
    expect(content).toMatchObject([{ type: "tool_use", name: "look", input: { at: 7 } }]);
    await expect(anthropic().messages.create(asked)).rejects.toMatchObject({ status: 529 });
    const wrong = anthropic().messages.create({ ...asked, model: "none" });
    await expect(wrong).rejects.toMatchObject({ status: 404, error: { error: { type: "not_found_error" } } });
  });
});
