import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { ChatAnthropic } from "@langchain/anthropic";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, jsonSchema, Output, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { hang, reply, status } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
});
afterAll(() => at.close());

const city = z.object({ city: z.string() });
const call = [{ name: "look", arguments: { city: "Zürich" } }];
const models = ["openai/small", "thinker/deep", "anthropic/claude-small", "google/gemini-small"];

describe.for(models)("the AI SDK asks %s", (model) => {
  const made = (): Parameters<typeof generateText>[0]["model"][] => {
    const options = { baseURL: `${at.gateway.url}/v1`, apiKey: at.secret };
    const shaping = { name: "here", includeUsage: true, supportsStructuredOutputs: true };
    return [
      createOpenAI(options).responses(model),
      createOpenAI(options).chat(model),
      createOpenAICompatible({ ...options, ...shaping })(model),
      createAnthropic(options)(model),
    ];
  };

  test("through each of its providers: words, a tool in two steps, structured output", async () => {
    for (const each of made()) {
      const common = { model: each, prompt: "hello", maxOutputTokens: 90, maxRetries: 0 };
      at.provider.script(reply("streamed words", { input: 30, output: 4 }));
      const streamed = streamText(common);
      expect(await streamed.text).toBe("streamed words");
      expect(await streamed.usage).toMatchObject({ inputTokens: 30, outputTokens: 4 });
      at.provider.script(reply(call), reply("it rains"));
      const inputs: unknown[] = [];
      const look = tool({
        inputSchema: jsonSchema<{ city: string }>({
          ...{ type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        }),
        execute: (input) => {
          inputs.push(input);
          return { rain: true };
        },
      });
      const stopWhen = ({ steps }: { steps: readonly unknown[] }): boolean => steps.length === 2;
      const twice = await generateText({ ...common, tools: { look }, stopWhen });
      expect({ text: twice.text, inputs }).toEqual({ text: "it rains", inputs: [{ city: "Zürich" }] });
      expect(JSON.stringify(at.provider.requests.at(-1)?.body)).toContain("rain");
      at.provider.script(reply('{"city":"Bern"}'));
      const shaped = await generateText({ ...common, output: Output.object({ schema: city }) });
      expect(shaped.output).toEqual({ city: "Bern" });
    }
  });
});

describe.for(models)("LangChain asks %s", (model) => {
  const made = () => [
    new ChatOpenAI({
      ...{ model, apiKey: at.secret, maxRetries: 0, maxTokens: 90, streamUsage: true },
      configuration: { baseURL: `${at.gateway.url}/v1` },
    }),
    new ChatAnthropic({
      ...{ model, apiKey: at.secret, anthropicApiUrl: at.gateway.url, maxRetries: 0, maxTokens: 90 },
    }),
  ];

  test("words as a stream, a tool call, and an error", async () => {
    for (const each of made()) {
      at.provider.script(reply("streamed words"));
      let text = "";
      for await (const chunk of await each.stream("hello")) text += chunk.text;
      expect(text).toBe("streamed words");
      at.provider.script(reply(call));
      const bound = each.bindTools([{ name: "look", description: "looks", schema: city }]);
      const { tool_calls } = await bound.invoke("hello");
      expect(tool_calls).toMatchObject([{ name: "look", args: { city: "Zürich" } }]);
      at.provider.script(status(400, { message: "no such thing", code: "invalid_request_error" }));
      await expect(each.invoke("hello")).rejects.toThrow("no such thing");
    }
  });
});

test("a client that goes away from a translated stream ends the provider's work", async () => {
  at.provider.script(hang({ afterChunks: 4 }));
  const client = new Anthropic({ apiKey: at.secret, baseURL: at.gateway.url, maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "hello" }];
  const stream = client.messages.stream({ model: "openai/small", max_tokens: 10, messages });
  stream.on("text", () => stream.abort());
  await expect(stream.done()).rejects.toThrow("aborted");
  const label = async (): Promise<unknown> => {
    await at.gateway.flush();
    const { rows } = await at.db.query(
      "select label from factotum.gateway_attempts order by at desc limit 1",
    );
    return rows[0]?.["label"];
  };
  await expect.poll(label).toBe("client-left");
});
