/** Models where others serve them: Mistral's own words, Azure's addresses and keys. */
import Anthropic from "@anthropic-ai/sdk";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Env } from "../models/index.ts";
import { reply, type ScriptedProvider, scriptedProvider } from "../testing/index.ts";
import { type Clouds, clouds, messages, price } from "./clouds.test.kit.ts";
import type { Gateway } from "./index.ts";

let at: Clouds;
beforeAll(async () => {
  at = await clouds();
});
afterAll(() => at.close());

describe("Mistral", () => {
  const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };
  const message = { role: "assistant", content: "from Mistral" };
  const event = (more: object): string => `data: ${JSON.stringify({ id: "m", model: "m", ...more })}\n\n`;
  // Usage comes with the last words, and unasked.
  const STREAM_OF_WORDS = [
    event({ choices: [{ index: 0, delta: { role: "assistant", content: "from " }, finish_reason: null }] }),
    event({ choices: [{ index: 0, delta: { content: "Mistral" }, finish_reason: "stop" }], usage }),
    "data: [DONE]\n\n",
  ].join("");
  /** Fields of its reference; any other is refused, as is an id of another form. */
  const KNOWN = /^(model|messages|max_tokens|stream|random_seed|temperature|tools|tool_choice)$/;
  const bodies: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((bytes) => {
      const body = JSON.parse(bytes.toString()) as Record<string, unknown>;
      bodies.push(body);
      const strange = Object.keys(body).find((name) => !KNOWN.test(name));
      const ids = [...bytes.toString().matchAll(/"(?:tool_call_id|id)":"([^"]*)"/g)].map(([, id]) => id);
      if (strange !== undefined || ids.some((id) => !/^[a-zA-Z0-9]{9}$/.test(id ?? ""))) {
        response.writeHead(422).end(JSON.stringify({ detail: [{ loc: ["body", strange ?? "id"] }] }));
      } else if (body["stream"] === true) {
        response.writeHead(200, { "content-type": "text/event-stream" }).end(STREAM_OF_WORDS);
      } else {
        const choices = [{ index: 0, message, finish_reason: "stop" }];
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ id: "m", object: "chat.completion", model: "m", choices, usage }));
      }
      return undefined;
    });
  });
  let gateway: Gateway;
  const model = "mistral/mistral-small-latest";
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    gateway = await at.over({ MISTRAL_API_KEY: "m-key" }, [
      { id: model, baseUrl, outputTokensMax: 9, price },
    ]);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test("gets what it takes, in its own names, from clients of both protocols", async () => {
    const call = { id: "call_of_another_provider", type: "function" as const };
    const talk = [
      ...messages,
      {
        role: "assistant" as const,
        tool_calls: [{ ...call, function: { name: "look", arguments: "{}" } }],
      },
      { role: "tool" as const, tool_call_id: call.id, content: "seen" },
    ];
    const ask = { model, messages: talk, max_completion_tokens: 7, seed: 3 };
    const whole = await at.openai(gateway).chat.completions.create({ ...ask, store: false });
    expect(whole.choices[0]?.message.content).toBe("from Mistral");
    expect(bodies.at(-1)).toMatchObject({ model: "mistral-small-latest", max_tokens: 7, random_seed: 3 });
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    let [said, counted] = ["", 0];
    for await (const piece of await at.openai(gateway).chat.completions.create({ ...ask, ...options })) {
      said += piece.choices[0]?.delta.content ?? "";
      counted += piece.usage?.total_tokens ?? 0;
    }
    expect([said, counted]).toEqual(["from Mistral", 7]);
    const anthropic = new Anthropic({ apiKey: at.secret, baseURL: gateway.url, maxRetries: 0 });
    const streamed = anthropic.messages.stream({ model, max_tokens: 7, messages });
    expect(await streamed.finalText()).toBe("from Mistral");
    await gateway.flush();
    const { rows } = await at.db.query(
      `select label, authoritative, amount_micro_usd as amount from factotum.gateway_attempts
       where model = $1`,
      [model],
    );
    const row = { label: "answered", authoritative: true, amount: "25" };
    expect(rows).toEqual([row, row, row]);
  });
});

describe("Azure", () => {
  let provider: ScriptedProvider;
  beforeAll(async () => {
    provider = await scriptedProvider();
    provider.otherwise(() => reply("from Azure", { input: 5, output: 2 }));
  });
  afterAll(() => provider.close());
  const env = (): Env => ({
    AZURE_OPENAI_API_KEY: "azure-key",
    AZURE_OPENAI_ENDPOINT: new URL(provider.url).origin,
  });

  test("is asked by deployment and version where the card names one, the key in its own header", async () => {
    const gateway = await at.over(env(), [{ id: "azure/mine", apiVersion: "2024-10-21", price }]);
    const answer = await at.openai(gateway).chat.completions.create({ model: "azure/mine", messages });
    expect(answer.choices[0]?.message.content).toBe("from Azure");
    const asked = provider.requests.at(-1);
    expect(asked?.path).toBe("/openai/deployments/mine/chat/completions?api-version=2024-10-21");
    expect([asked?.headers["api-key"], asked?.headers["authorization"]]).toEqual(["azure-key", undefined]);
    await at.openai(gateway).responses.create({ model: "azure/mine", input: "hi" });
    expect(provider.requests.at(-1)?.path).toBe("/openai/responses?api-version=2024-10-21");
    await at.openai(gateway).embeddings.create({
      ...{ model: "azure/mine", input: "hi", encoding_format: "float" },
    });
    const last = provider.requests.at(-1)?.path;
    expect(last).toBe("/openai/deployments/mine/embeddings?api-version=2024-10-21");
  });

  test("is asked by its API without versions where it names none", async () => {
    const gateway = await at.over(env(), [{ id: "azure/mine", price }]);
    await at.openai(gateway).chat.completions.create({ model: "azure/mine", messages });
    expect(provider.requests.at(-1)?.path).toBe("/openai/v1/chat/completions");
    expect(provider.requests.at(-1)?.body).toMatchObject({ model: "mine" });
  });
});
