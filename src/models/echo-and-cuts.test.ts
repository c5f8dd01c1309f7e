import { afterAll, describe, expect, test } from "vitest";
import { type ModelId, must } from "../kernel/index.ts";
import { cut, reply, scriptedProvider } from "../testing/index.ts";
import { assistantMessage, makeModels, type ModelCall, type ModelCard, ModelError } from "./index.ts";

const provider = await scriptedProvider();
afterAll(() => provider.close());

const card = (id: string, more: Partial<ModelCard>): ModelCard => ({
  ...{ id: id as ModelId, provider: "openai", model: id, baseUrl: provider.url, outputTokensMax: 1000 },
  ...more,
});
const wires: readonly ModelCard[] = [
  card("compatible/a", { provider: "openai-compatible" }),
  card("openai/chat", { wire: "chat" }),
  card("openai/gpt-6-sol", { wire: "responses", model: "gpt-6-sol" }),
  card("anthropic/a", { provider: "anthropic" }),
  card("google/a", { provider: "google" }),
];
const models = makeModels({ cards: [...wires, card("openai/other", { wire: "chat" })], keys: {} });
const signal = new AbortController().signal;
const ask = (model: ModelId): ModelCall => ({
  model,
  messages: [{ role: "user", text: "what is due?" }],
  tools: [{ name: "look", description: "looks", inputSchema: { type: "object", properties: {} } }],
  outputTokensMax: 500,
});

describe.each(wires.map((each) => [each.id]))("over the wire of %s", (id) => {
  test("a stream cut at any chunk is an error, never half a reply", async () => {
    const whole = reply(
      [{ name: "look", arguments: { id: 7 } }],
      { input: 50, output: 5 },
      { text: "I look" },
    );
    provider.script(whole);
    await models.call(ask(id), { signal, idempotencyKey: "whole" });
    let cuts = 0;
    for (let afterChunks = 0; afterChunks < 6; afterChunks += 1) {
      provider.script(cut({ afterChunks, of: whole }));
      const got = await models
        .call(ask(id), { signal, idempotencyKey: "cut" })
        .catch((error: unknown) => error);
      // Google's six chunks end with the finish, after which nothing is missing.
      if (id.startsWith("google/") && afterChunks >= 3) continue;
      expect(got).toBeInstanceOf(ModelError);
      expect(got).toMatchObject({ code: "cut", retry: "later" });
      cuts += 1;
    }
    expect(cuts).toBeGreaterThanOrEqual(3);
  });
});

test("thinking goes back, signed, to the model that thought it, and to no other", async () => {
  const signature = "c2lnbmF0dXJl";
  for (const { id } of wires.slice(2)) {
    const thinking = { text: "let me see", signature };
    provider.script(
      reply([{ name: "look", arguments: {} }], undefined, { thinking }),
      reply("done"),
      reply("done"),
    );
    const first = await models.call(ask(id), { signal, idempotencyKey: "a" });
    const made = must(first.toolCalls[0], "a tool call");
    const messages = [
      ...ask(id).messages,
      assistantMessage(first, id),
      { role: "tool", toolCallId: made.id, name: "look", output: { found: 7 } } as const,
    ];
    await models.call({ ...ask(id), messages }, { signal, idempotencyKey: "b" });
    expect(JSON.stringify(provider.requests.at(-1)?.body)).toContain(signature);
    const other = "openai/other" as ModelId;
    await models.call({ ...ask(other), messages }, { signal, idempotencyKey: "c" });
    expect(JSON.stringify(provider.requests.at(-1)?.body)).not.toContain(signature);
  }
});

test("OpenAI is asked not to keep the conversation", async () => {
  provider.script(reply("ok"));
  await models.call(ask(must(wires[2], "a card").id), { signal, idempotencyKey: "d" });
  expect(provider.requests.at(-1)).toMatchObject({
    wire: "openai-responses",
    body: { store: false, stream: true },
  });
});
