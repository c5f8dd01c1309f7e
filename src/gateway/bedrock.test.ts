/** Models at Bedrock: signatures, event streams, InvokeModel for Anthropic's and Converse for all others. */
import Anthropic from "@anthropic-ai/sdk";
import { EventStreamCodec } from "@smithy/eventstream-codec";
import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CardConfig, Env } from "../models/index.ts";
import { type Clouds, clouds, messages, price } from "./clouds.test.kit.ts";
import type { Gateway } from "./index.ts";

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")),
  (text) => Buffer.from(text, "utf8"),
);

let at: Clouds;
beforeAll(async () => {
  at = await clouds();
});
afterAll(() => at.close());

describe("Bedrock", () => {
  const MODEL = "us.anthropic.claude-small-v1:0";
  const AWS: Env = {
    AWS_ACCESS_KEY_ID: "AKID",
    AWS_SECRET_ACCESS_KEY: "s/e+cret",
    AWS_SESSION_TOKEN: "token",
  };
  const usage = { input_tokens: 7, output_tokens: 3 };
  const whole = {
    ...{ id: "msg_1", type: "message", role: "assistant", model: "claude-small", stop_reason: "end_turn" },
    ...{ content: [{ type: "text", text: "from Bedrock" }], stop_sequence: null, usage },
  };
  const delta = (text: string): object => ({
    ...{ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
  });
  const STREAM = [
    { type: "message_start", message: { ...whole, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    ...["from ", "Bedrock"].map(delta),
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage },
    { type: "message_stop" },
  ];
  type Asked = { readonly path: string; readonly headers: IncomingMessage["headers"]; readonly body: Buffer };
  const asked: Asked[] = [];
  /** The frames that the next stream consists of. */
  let frames: readonly Uint8Array[] = STREAM.map(chunk);
  let told: object = whole;
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const path = request.url ?? "";
      asked.push({ path, headers: request.headers, body });
      if (!path.endsWith("-stream")) {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(told));
        return undefined;
      }
      response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
      // In pieces that end within frames.
      const all = Buffer.concat(frames);
      for (let from = 0; from < all.length; from += 50) response.write(all.subarray(from, from + 50));
      response.end();
      return undefined;
    });
  });
  let signed: Gateway;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    signed = await at.over(AWS, [card()]);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  function card(): CardConfig {
    const { port } = server.address() as AddressInfo;
    return { id: `bedrock/${MODEL}`, baseUrl: `http://127.0.0.1:${port}`, outputTokensMax: 100, price };
  }
  const anthropic = ({ url }: Gateway): Anthropic =>
    new Anthropic({ apiKey: at.secret, baseURL: url, maxRetries: 0 });
  const ask = { model: MODEL, max_tokens: 50, messages };

  beforeEach(() => {
    told = whole;
  });

  test("gets a messages call signed, without the fields that its address says", async () => {
    const answer = await anthropic(signed).messages.create(ask);
    expect(answer.content).toEqual([{ type: "text", text: "from Bedrock" }]);
    const last = asked.at(-1);
    expect(last?.path).toBe(`/model/${encodeURIComponent(MODEL)}/invoke`);
    expect(JSON.parse(String(last?.body))).toEqual({
      ...{ anthropic_version: "bedrock-2023-05-31", max_tokens: 50, messages },
    });
    expect(last?.headers["x-amz-security-token"]).toBe("token");
    expect(last?.headers["x-api-key"]).toBeUndefined();
    expect(last?.headers.authorization).toBe(last === undefined ? "" : signatureOf(last));
  });

  test("streams to clients of Anthropic's protocol and of OpenAI's, and its tokens are counted", async () => {
    frames = STREAM.map(chunk);
    const stream = anthropic(signed).messages.stream(ask);
    expect(await stream.finalText()).toBe("from Bedrock");
    expect((await stream.finalMessage()).usage).toMatchObject(usage);
    let said = "";
    const translated = await at
      .openai(signed)
      .chat.completions.create({ model: MODEL, messages, stream: true });
    for await (const piece of translated) said += piece.choices[0]?.delta.content ?? "";
    expect(said).toBe("from Bedrock");
    await signed.flush();
    const { rows } = await at.db.query(
      `select label, authoritative, amount_micro_usd as amount from factotum.gateway_attempts
       where model = $1`,
      [`bedrock/${MODEL}`],
    );
    expect(rows).toEqual(
      Array.from({ length: 3 }, () => ({ label: "answered", authoritative: true, amount: "37" })),
    );
  });

  test("ends a stream by an error where it sends an exception, or what is no event stream", async () => {
    const exception = codec.encode({
      headers: {
        ":message-type": { type: "string", value: "exception" },
        ":exception-type": { type: "string", value: "throttlingException" },
      },
      body: Buffer.from(JSON.stringify({ message: "too many" })),
    });
    const spoiled = Uint8Array.from(chunk(delta("x")));
    spoiled[20] = 1 + (spoiled[20] ?? 0);
    for (const last of [exception, spoiled]) {
      frames = [...STREAM.slice(0, 3).map(chunk), last];
      const heard = anthropic(signed).messages.stream(ask).finalText();
      await expect(heard).rejects.toThrow(last === exception ? "too many" : "no event stream");
    }
  });

  describe("by Converse, for models of others", () => {
    const NOVA = "us.amazon.nova-pro-v1:0";
    const counted = { inputTokens: 7, outputTokens: 3, totalTokens: 12, cacheReadInputTokens: 2 };
    const call = { toolUseId: "t1", name: "look", input: { city: "Bern" } };
    const event = (type: string, more: object): Uint8Array =>
      codec.encode({
        headers: {
          ":message-type": { type: "string", value: "event" },
          ":event-type": { type: "string", value: type },
        },
        body: Buffer.from(JSON.stringify(more)),
      });
    const text = (said: string): Uint8Array =>
      event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: said } });
    const argument = (input: string): Uint8Array =>
      event("contentBlockDelta", { contentBlockIndex: 1, delta: { toolUse: { input } } });
    const CONVERSED = [
      event("messageStart", { role: "assistant" }),
      ...["I ", "look."].map(text),
      event("contentBlockStop", { contentBlockIndex: 0 }),
      event("contentBlockStart", {
        ...{ contentBlockIndex: 1, start: { toolUse: { toolUseId: "t1", name: "look" } } },
      }),
      ...['{"city":', '"Bern"}'].map(argument),
      event("contentBlockStop", { contentBlockIndex: 1 }),
      event("messageStop", { stopReason: "tool_use" }),
      event("metadata", { usage: counted, metrics: { latencyMs: 5 } }),
    ];
    const conversed = {
      output: { message: { role: "assistant", content: [{ text: "I look." }, { toolUse: call }] } },
      ...{ stopReason: "tool_use", usage: counted },
    };
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function" as const, function: { name: "look", parameters } }];
    let gateway: Gateway;
    beforeAll(async () => {
      gateway = await at.over(AWS, [{ ...card(), id: `bedrock/${NOVA}` }]);
    });

    test("gets what chat asks, and its calls come back, whole and streamed", async () => {
      told = conversed;
      const talk = [
        { role: "system" as const, content: "be kind" },
        ...messages,
        { role: "user" as const, content: "and?" },
      ];
      const asking = { model: NOVA, messages: talk, tools, temperature: 0.5, max_completion_tokens: 50 };
      const found = await at.openai(gateway).chat.completions.create(asking);
      const [choice] = found.choices;
      const [made] = choice?.message.tool_calls ?? [];
      expect([choice?.message.content, choice?.finish_reason]).toEqual(["I look.", "tool_calls"]);
      expect(made).toMatchObject({ id: "t1", function: { name: "look", arguments: '{"city":"Bern"}' } });
      expect(found.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 3 });
      expect(asked.at(-1)?.path).toBe(`/model/${encodeURIComponent(NOVA)}/converse`);
      expect(JSON.parse(String(asked.at(-1)?.body))).toEqual({
        system: [{ text: "be kind" }],
        messages: [{ role: "user", content: [{ text: "hi" }, { text: "and?" }] }],
        inferenceConfig: { maxTokens: 50, temperature: 0.5 },
        toolConfig: { tools: [{ toolSpec: { name: "look", inputSchema: { json: parameters } } }] },
      });
      frames = CONVERSED;
      const stream = at.openai(gateway).chat.completions.stream({
        ...asking,
        stream_options: { include_usage: true },
      });
      const last = await stream.finalChatCompletion();
      expect(last.choices[0]?.message.content).toBe("I look.");
      expect(last.choices[0]?.message.tool_calls?.[0]).toMatchObject({ id: "t1" });
      expect(last.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 3 });
      expect(asked.at(-1)?.path).toBe(`/model/${encodeURIComponent(NOVA)}/converse-stream`);
      expect(asked.at(-1)?.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 /);
    });

    test("gets what messages ask, and what it cannot say is refused by its name", async () => {
      frames = CONVERSED;
      const turn = { type: "tool_use" as const, id: "t1", name: "look", input: { city: "Bern" } };
      const result = { type: "tool_result" as const, tool_use_id: "t1", content: "rain", is_error: true };
      const image = { type: "base64" as const, media_type: "image/png" as const, data: "iVBORw0KGgo=" };
      const heard = anthropic(gateway).messages.stream({
        ...{ model: NOVA, max_tokens: 50, tools: [{ name: "look", input_schema: { type: "object" } }] },
        messages: [
          { role: "user", content: [{ type: "image", source: image }] },
          { role: "assistant", content: [turn] },
          { role: "user", content: [result] },
        ],
      });
      expect((await heard.finalMessage()).content).toEqual([
        { type: "text", text: "I look." },
        { type: "tool_use", id: "t1", name: "look", input: { city: "Bern" } },
      ]);
      expect(JSON.parse(String(asked.at(-1)?.body))).toMatchObject({
        messages: [
          { role: "user", content: [{ image: { format: "png", source: { bytes: image.data } } }] },
          { role: "assistant", content: [{ toolUse: call }] },
          {
            ...{ role: "user" },
            content: [{ toolResult: { toolUseId: "t1", content: [{ text: "rain" }], status: "error" } }],
          },
        ],
      });
      const thinking = { type: "enabled" as const, budget_tokens: 1_024 };
      await expect(
        anthropic(gateway).messages.create({ model: NOVA, max_tokens: 2_000, messages, thinking }),
      ).rejects.toMatchObject({ status: 400, message: expect.stringContaining("thinking.budget_tokens") });
      await gateway.flush();
      const { rows } = await at.db.query(
        `select distinct label, authoritative, amount_micro_usd as amount from factotum.gateway_attempts
         where model = $1`,
        [`bedrock/${NOVA}`],
      );
      expect(rows).toEqual([{ label: "answered", authoritative: true, amount: "39" }]);
    });
  });

  test("takes an API key as a bearer's", async () => {
    const bearer = await at.over({ AWS_BEARER_TOKEN_BEDROCK: "bedrock-key" }, [card()]);
    await anthropic(bearer).messages.create(ask);
    expect(asked.at(-1)?.headers.authorization).toBe("Bearer bedrock-key");
  });

  test("counts no tokens beforehand, and says so", async () => {
    await expect(anthropic(signed).messages.countTokens({ model: MODEL, messages })).rejects.toMatchObject({
      status: 404,
    });
  });

  /** As AWS's reference says it is made, written apart from the library that signs. */
  function signatureOf({ path, headers, body }: Asked): string {
    const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? "")?.[1] ?? "";
    expect(names.split(";")).toEqual(expect.arrayContaining(["host", "x-amz-date"]));
    const sha = (text: string | Buffer): string => createHash("sha256").update(text).digest("hex");
    const hmac = (key: string | Buffer, text: string): Buffer =>
      createHmac("sha256", key).update(text).digest();
    const canonical = [
      ...["POST", path.split("/").map(encodeURIComponent).join("/"), ""],
      ...names.split(";").map((name) => `${name}:${String(headers[name]).trim()}`),
      ...["", names, sha(body)],
    ].join("\n");
    const date = String(headers["x-amz-date"]);
    const scope = `${date.slice(0, 8)}/us-east-1/bedrock/aws4_request`;
    const toSign = ["AWS4-HMAC-SHA256", date, scope, sha(canonical)].join("\n");
    const key = scope.split("/").reduce<string | Buffer>(hmac, "AWS4s/e+cret");
    const signature = createHmac("sha256", key).update(toSign).digest("hex");
    return `AWS4-HMAC-SHA256 Credential=AKID/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  }
});

function chunk(event: object): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(event)).toString("base64");
  return codec.encode({
    headers: {
      ":event-type": { type: "string", value: "chunk" },
      ":content-type": { type: "string", value: "application/json" },
      ":message-type": { type: "string", value: "event" },
    },
    body: Buffer.from(JSON.stringify({ bytes, p: "abcd" })),
  });
}
