/** Models where clouds serve them: Mistral's words, Azure's addresses, Bedrock's signatures and frames. */
import Anthropic from "@anthropic-ai/sdk";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { EventStreamCodec } from "@smithy/eventstream-codec";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../kernel/index.ts";
import { type CardConfig, discoverModels, type Env } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { reply, type ScriptedProvider, scriptedProvider, throwawayDatabase } from "../testing/index.ts";
import { type Gateway, makeKey, openGateway } from "./index.ts";

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")),
  (text) => Buffer.from(text, "utf8"),
);

let db: Database;
let secret: string;
const gateways: Gateway[] = [];
beforeAll(async () => {
  db = await throwawayDatabase();
  ({ secret } = await db.transaction((tx) => makeKey(tx, { name: "clouds" }, randomBytes)));
});
afterAll(() => Promise.all(gateways.map((gateway) => gateway.close())));

async function over(env: Env, models: CardConfig[]): Promise<Gateway> {
  const { cards, keys } = discoverModels(env, { models });
  const gateway = await openGateway({
    ...{ db, cards, keys, clock: systemClock, random: randomBytes, host: "127.0.0.1", port: 0 },
    ...{ name: "clouds", secret: "a secret that the replicas share, of tests" },
  });
  gateways.push(gateway);
  return gateway;
}
const openai = ({ url }: Gateway): OpenAI =>
  new OpenAI({ apiKey: secret, baseURL: `${url}/v1`, maxRetries: 0 });
const messages = [{ role: "user" as const, content: "hi" }];
const price = { inputUsdPerMtok: "1", outputUsdPerMtok: "10" };

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
    gateway = await over({ MISTRAL_API_KEY: "m-key" }, [{ id: model, baseUrl, outputTokensMax: 9, price }]);
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
    const whole = await openai(gateway).chat.completions.create({ ...ask, store: false });
    expect(whole.choices[0]?.message.content).toBe("from Mistral");
    expect(bodies.at(-1)).toMatchObject({ model: "mistral-small-latest", max_tokens: 7, random_seed: 3 });
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    let [said, counted] = ["", 0];
    for await (const piece of await openai(gateway).chat.completions.create({ ...ask, ...options })) {
      said += piece.choices[0]?.delta.content ?? "";
      counted += piece.usage?.total_tokens ?? 0;
    }
    expect([said, counted]).toEqual(["from Mistral", 7]);
    const anthropic = new Anthropic({ apiKey: secret, baseURL: gateway.url, maxRetries: 0 });
    const streamed = anthropic.messages.stream({ model, max_tokens: 7, messages });
    expect(await streamed.finalText()).toBe("from Mistral");
    await gateway.flush();
    const { rows } = await db.query(
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
    const gateway = await over(env(), [{ id: "azure/mine", apiVersion: "2024-10-21", price }]);
    const answer = await openai(gateway).chat.completions.create({ model: "azure/mine", messages });
    expect(answer.choices[0]?.message.content).toBe("from Azure");
    const asked = provider.requests.at(-1);
    expect(asked?.path).toBe("/openai/deployments/mine/chat/completions?api-version=2024-10-21");
    expect([asked?.headers["api-key"], asked?.headers["authorization"]]).toEqual(["azure-key", undefined]);
    await openai(gateway).responses.create({ model: "azure/mine", input: "hi" });
    expect(provider.requests.at(-1)?.path).toBe("/openai/responses?api-version=2024-10-21");
    await openai(gateway).embeddings.create({
      ...{ model: "azure/mine", input: "hi", encoding_format: "float" },
    });
    const last = provider.requests.at(-1)?.path;
    expect(last).toBe("/openai/deployments/mine/embeddings?api-version=2024-10-21");
  });

  test("is asked by its API without versions where it names none", async () => {
    const gateway = await over(env(), [{ id: "azure/mine", price }]);
    await openai(gateway).chat.completions.create({ model: "azure/mine", messages });
    expect(provider.requests.at(-1)?.path).toBe("/openai/v1/chat/completions");
    expect(provider.requests.at(-1)?.body).toMatchObject({ model: "mine" });
  });
});

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
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const path = request.url ?? "";
      asked.push({ path, headers: request.headers, body });
      if (!path.endsWith("/invoke-with-response-stream")) {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(whole));
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
    signed = await over(AWS, [card()]);
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
    new Anthropic({ apiKey: secret, baseURL: url, maxRetries: 0 });
  const ask = { model: MODEL, max_tokens: 50, messages };

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
    const translated = await openai(signed).chat.completions.create({ model: MODEL, messages, stream: true });
    for await (const piece of translated) said += piece.choices[0]?.delta.content ?? "";
    expect(said).toBe("from Bedrock");
    await signed.flush();
    const { rows } = await db.query(
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

  test("takes an API key as a bearer's", async () => {
    const bearer = await over({ AWS_BEARER_TOKEN_BEDROCK: "bedrock-key" }, [card()]);
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
