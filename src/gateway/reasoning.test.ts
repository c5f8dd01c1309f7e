import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenantId } from "../kernel/index.ts";
import { reply } from "../testing/index.ts";
import type { Gateway } from "./index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
let other: Gateway;
beforeAll(async () => {
  at = await opened();
  other = await at.replica();
});
afterAll(() => at.close());

const SEAL = "sealed+by/the=provider";
const thinking = { text: "I look out of the window.", signature: SEAL };
const openai = (url: string, apiKey = at.secret) =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
const include = ["reasoning.encrypted_content" as const];
const reasoning = { effort: "high" as const, summary: "auto" as const };
type Items = OpenAI.Responses.ResponseInputItem[];

/** One turn of a conversation in responses; what was answered stands behind what was said. */
async function turn(url: string, model: string, said: Items, stream: boolean, apiKey?: string) {
  const client = openai(url, apiKey);
  const asked = { model, input: said, include, reasoning };
  const { data, response } = stream
    ? await client.responses
        .stream(asked)
        .finalResponse()
        .then((final) => ({ data: final, response: null }))
    : await client.responses.create(asked).withResponse();
  return { items: [...said, ...data.output] as Items, headers: response?.headers ?? null };
}

const first: Items = [{ type: "message", role: "user", content: "does it rain?" }];
const second: Items = [{ type: "message", role: "user", content: "and tomorrow?" }];
const models = ["thinker/deep", "openai/small", "anthropic/claude-small", "google/gemini-small"];

describe.for(models)("a conversation with %s", (model) => {
  test("goes on at another replica, which hands the model its own thoughts back", async () => {
    for (const stream of [false, true]) {
      at.provider.script(reply([{ name: "look", arguments: {} }], undefined, { thinking }));
      const { items } = await turn(at.gateway.url, model, first, stream);
      const sealed = items.find((item) => item.type === "reasoning");
      expect(JSON.stringify(sealed)).toContain("fe1.");
      at.provider.script(reply("no"));
      const answered: Items = [{ type: "function_call_output", call_id: "call_1", output: "dry" }];
      const calls = items.flatMap((item) => (item.type === "function_call" ? [item.call_id] : []));
      const outputs = answered.map((item) => ({ ...item, call_id: calls[0] ?? "" })) as Items;
      await turn(other.url, model, [...items, ...outputs, ...second], stream);
      const sent = JSON.stringify(at.provider.requests.at(-1)?.body);
      expect(sent).toContain(SEAL);
      expect(sent).not.toContain("fe1.");
    }
  });

  test("that must go on with another model loses the thoughts, visibly", async () => {
    at.provider.script(reply("no", undefined, { thinking: { ...thinking, text: "secret thought" } }));
    const { items } = await turn(at.gateway.url, model, first, false);
    for (const next of models.filter((each) => each !== model)) {
      at.provider.script(reply("no"));
      const { headers } = await turn(other.url, next, [...items, ...second], false);
      expect(headers?.get("x-factotum-reasoning-stripped")).toBe("1");
      const sent = JSON.stringify(at.provider.requests.at(-1)?.body);
      expect(sent).not.toContain(SEAL);
    }
  });
});

test("a list of models is asked from the one that sealed on", async () => {
  at.provider.script(reply("no", undefined, { thinking }));
  const { items } = await turn(at.gateway.url, "thinker/deep", first, false);
  at.provider.script(reply("no"));
  await turn(other.url, "thoughtful", [...items, ...second], false);
  expect(JSON.stringify(at.provider.requests.at(-1)?.body)).toContain(SEAL);
  expect(at.provider.requests.at(-1)?.wire).toBe("openai-responses");
});

test("another tenant's thoughts, and forged ones, are refused before anything is sent", async () => {
  at.provider.script(reply("no", undefined, { thinking }));
  const { items } = await turn(at.gateway.url, "thinker/deep", first, false);
  const stranger = await at.key({ tenant: "stranger" as TenantId });
  const before = at.provider.requests.length;
  for (const model of ["thinker/deep", "anthropic/claude-small"]) {
    const replayed = turn(at.gateway.url, model, [...items, ...second], false, stranger);
    await expect(replayed).rejects.toMatchObject({ status: 400 });
    const forged = JSON.parse(JSON.stringify(items).replace(SEAL, "SEALED")) as Items;
    await expect(turn(at.gateway.url, model, [...forged, ...second], false)).rejects.toMatchObject({
      status: 400,
    });
  }
  expect(at.provider.requests.length).toBe(before);
});

test("Anthropic's client carries the sealed thoughts of another provider's model", async () => {
  const client = (url: string) => new Anthropic({ apiKey: at.secret, baseURL: url, maxRetries: 0 });
  const asked = { model: "thinker/deep", max_tokens: 100, thinking: { type: "adaptive" as const } };
  const messages: Anthropic.MessageParam[] = [{ role: "user", content: "does it rain?" }];
  at.provider.script(reply("no", undefined, { thinking }));
  const { content } = await client(at.gateway.url)
    .messages.stream({ ...asked, messages })
    .finalMessage();
  expect(content[0]).toMatchObject({ type: "thinking", thinking: thinking.text });
  const more: Anthropic.MessageParam[] = [
    ...messages,
    { role: "assistant", content },
    { role: "user", content: "and tomorrow?" },
  ];
  at.provider.script(reply("no"), reply("no"));
  await client(other.url).messages.create({ ...asked, messages: more });
  expect(JSON.stringify(at.provider.requests.at(-1)?.body)).toContain(SEAL);
  const { response } = await client(other.url)
    .messages.create({ ...asked, model: "anthropic/claude-small", messages: more })
    .withResponse();
  expect(response.headers.get("x-factotum-reasoning-stripped")).toBe("1");
  expect(JSON.stringify(at.provider.requests.at(-1)?.body)).not.toContain(SEAL);
});
