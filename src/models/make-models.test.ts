import { afterAll, describe, expect, test } from "vitest";
import { type ModelId, must } from "../kernel/index.ts";
import {
  brokenStream,
  cut,
  errorEvent,
  hang,
  malformedToolArguments,
  notJson,
  refused,
  reply,
  type ScriptedAnswer,
  scriptedProvider,
  status,
} from "../testing/index.ts";
import {
  assistantMessage,
  defaultTimeouts,
  makeModels,
  type ModelCall,
  type ModelCard,
  ModelError,
  type Models,
  type Timers,
} from "./index.ts";

const KEY = "sk-secret-of-the-test-0123456789";
const provider = await scriptedProvider();
afterAll(() => provider.close());

const card = (id: string, more: Partial<ModelCard> = {}): ModelCard => ({
  id: id as ModelId,
  provider: "openai-compatible",
  model: "small",
  baseUrl: provider.url,
  outputTokensMax: 1000,
  ...more,
});
const wires: readonly ModelCard[] = [
  card("compatible/small"),
  card("openai/chat", { provider: "openai", wire: "chat" }),
  card("openai/responses", { provider: "openai", wire: "responses" }),
  card("anthropic/claude", { provider: "anthropic" }),
  card("google/gemini", { provider: "google" }),
];
const keys = { compatible: KEY, openai: KEY, anthropic: KEY, google: KEY };
const modelsWith = (timers?: Timers): Models =>
  makeModels({ cards: wires, keys, ...(timers === undefined ? {} : { timers }) });

const ask = (model: ModelId = must(wires[0], "a wire").id): ModelCall => ({
  model,
  messages: [
    { role: "system", text: "be brief" },
    { role: "user", text: "what is due?" },
  ],
  tools: [
    {
      name: "look",
      description: "looks",
      inputSchema: { type: "object", properties: { id: { type: "number" } }, required: ["id"] },
    },
  ],
  outputTokensMax: 500,
});
const once = async (
  models: Models,
  call: ModelCall,
  signal = new AbortController().signal,
): Promise<unknown> =>
  models.call(call, { signal, idempotencyKey: "call-7" }).catch((error: unknown) => error);

async function failing(answer: ScriptedAnswer, model?: ModelId): Promise<ModelError> {
  provider.script(answer);
  const error = await once(modelsWith(), ask(model));
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

describe.each(wires.map((each) => [each.id, each] as const))("over the wire of %s", (id) => {
  test("a reply arrives whole, its usage split into kinds that do not overlap", async () => {
    provider.script(reply("circuit 7 is due on Monday", { input: 100, cachedInput: 30, output: 20 }));
    const heard: string[] = [];
    const signal = new AbortController().signal;
    const got = await modelsWith().call(ask(id), {
      signal,
      idempotencyKey: "call-7",
      onText: (delta) => heard.push(delta),
    });
    expect(got.text).toBe("circuit 7 is due on Monday");
    expect(heard.length).toBeGreaterThan(2);
    expect(heard.join("")).toBe(got.text);
    expect(got.counted).toBe(true);
    expect(got.usage).toMatchObject({
      input: 70n,
      cachedInput: 30n,
      cacheWrite: 0n,
      output: 20n,
      reasoning: 0n,
    });
    expect(got.finish).toBe("stop");
    expect(provider.requests.at(-1)?.headers["idempotency-key"]).toBe("call-7");
  });

  test("tool calls arrive with their arguments put together", async () => {
    const said = [
      { name: "look", arguments: { id: 7, note: "a longer note" } },
      { name: "look", arguments: { id: 8 } },
    ];
    provider.script(reply(said));
    const got = await modelsWith().call(ask(id), {
      signal: new AbortController().signal,
      idempotencyKey: "call-8",
    });
    expect(got.finish).toBe("tool-calls");
    expect(got.toolCalls).toMatchObject([
      { kind: "ok", name: "look", input: { id: 7, note: "a longer note" } },
      { kind: "ok", name: "look", input: { id: 8 } },
    ]);
  });

  test("a conversation with tool results goes back out", async () => {
    provider.script(reply([{ name: "look", arguments: { id: 7 } }]), reply("done"));
    const models = modelsWith();
    const signal = new AbortController().signal;
    const first = await models.call(ask(id), { signal, idempotencyKey: "a" });
    const made = must(first.toolCalls[0], "a tool call");
    const second = await models.call(
      {
        ...ask(id),
        messages: [
          ...ask(id).messages,
          assistantMessage(first, id),
          { role: "tool", toolCallId: made.id, name: "look", output: { found: "circuit-seven" } },
        ],
      },
      { signal, idempotencyKey: "b" },
    );
    expect(second.text).toBe("done");
    expect(JSON.stringify(provider.requests.at(-1)?.body)).toContain("circuit-seven");
  });

  test("a stream that is cut is no reply", async () => {
    const error = await failing(cut({ afterChunks: 3 }), id);
    expect(error).toMatchObject({ code: "cut", retry: "later" });
    expect(["unknown", "partly"]).toContain(error.billed);
  });

  test("what a provider refuses before working costs nothing", async () => {
    expect(await failing(status(429, { retryAfter: 12 }), id)).toMatchObject({
      ...{ code: "rate-limited", retry: "later", retryAfterMs: 12_000 },
      ...{ billed: "nothing", usage: null, status: 429 },
    });
    expect(await failing(status(500), id)).toMatchObject({ code: "overloaded", billed: "nothing" });
    expect(await failing(status(529), id)).toMatchObject({ code: "overloaded", retry: "later" });
    expect(await failing(status(404), id)).toMatchObject({ code: "no-such-model", retry: "elsewhere" });
    const long = status(400, { message: "This model's maximum context length is 8192 tokens" });
    expect(await failing(long, id)).toMatchObject({ code: "context-too-long", billed: "nothing" });
    expect(await failing(status(400, { message: "no such field" }), id)).toMatchObject({
      code: "bad-request",
    });
  });

  test("a key never appears in an error", async () => {
    const error = await failing(status(401, { message: `Incorrect API key provided: ${KEY}.` }), id);
    expect(error).toMatchObject({ code: "unauthorised", retry: "elsewhere" });
    expect(error.message).toContain("Incorrect API key");
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain(
      KEY,
    );
    expect(JSON.stringify(provider.requests.at(-1)?.headers)).toContain(KEY);
  });

  test("a web page and a stream that is not JSON are bad replies", async () => {
    expect(await failing(notJson, id)).toMatchObject({ code: "bad-reply", billed: "unknown" });
    expect(await failing(brokenStream, id)).toMatchObject({ code: "bad-reply", billed: "unknown" });
  });

  test("a content filter is a reply that says refused", async () => {
    provider.script(refused());
    expect(await once(modelsWith(), ask(id))).toMatchObject({ finish: "refused", counted: true });
  });

  test("an error inside the stream is an error", async () => {
    const error = await failing(errorEvent({ afterChunks: 3 }), id);
    expect(["overloaded", "bad-reply"]).toContain(error.code);
    expect(error.billed).not.toBe("nothing");
  });
});

test("malformed tool arguments are data, with the reason", async () => {
  for (const { id } of wires.slice(0, 4)) {
    provider.script(malformedToolArguments("look", '{"id": 7, "note": "unfin'));
    const got = await once(modelsWith(), ask(id));
    expect(got).toMatchObject({
      toolCalls: [{ kind: "malformed", name: "look", raw: '{"id": 7, "note": "unfin' }],
      usage: { input: 100n, output: 20n },
    });
    provider.script(reply([{ name: "look", arguments: "[1]" }]));
    expect(await once(modelsWith(), ask(id))).toMatchObject({
      toolCalls: [{ kind: "malformed", raw: "[1]", because: "the arguments are JSON but not an object" }],
    });
  }
});

test("text that Postgres could not hold is mended on arrival", async () => {
  provider.script(reply([{ name: "look", arguments: '{"note": "a\\u0000b\\ud800c"}' }]));
  expect(await once(modelsWith(), ask())).toMatchObject({
    toolCalls: [{ kind: "ok", input: { note: "a\uFFFDb\uFFFDc" } }],
  });
});

test("a cut stream keeps what the provider had counted", async () => {
  const anthropic = must(wires[3], "a wire").id;
  const error = await failing(
    cut({ afterChunks: 3, of: reply("a reply in pieces", { input: 90, output: 9 }) }),
    anthropic,
  );
  expect(error).toMatchObject({ billed: "partly", usage: { input: 90n, output: 1n } });
  expect((await failing(cut({ afterChunks: 0 }))).billed).toBe("unknown");
});

test("a reply without usage says that it was not counted", async () => {
  provider.script(reply("hello", null));
  expect(await once(modelsWith(), ask())).toMatchObject({
    text: "hello",
    counted: false,
    usage: { input: 0n },
  });
});

test("a server that is not there cost nothing", async () => {
  const gone = await scriptedProvider();
  await gone.close();
  const models = makeModels({ cards: [card("compatible/small", { baseUrl: gone.url })], keys: {} });
  expect(await once(models, ask())).toMatchObject({ code: "unreachable", retry: "later", billed: "nothing" });
});

/** Timers that a test fires by hand: the pending ones by their length. */
function handTimers(): Timers & { fire(ms: number): void } {
  const pending = new Map<object, { ms: number; fire: () => void }>();
  return {
    after: (ms, fire) => {
      const key = {};
      pending.set(key, { ms, fire });
      return () => pending.delete(key);
    },
    fire: (ms) => {
      const due = [...pending.values()].filter((each) => each.ms === ms);
      expect(due).toHaveLength(1);
      for (const each of due) each.fire();
    },
  };
}

test("a server that never answers, falls silent or never ends is timed out", async () => {
  const count = provider.requests.length;
  const silent = handTimers();
  provider.script(hang());
  const first = once(modelsWith(silent), ask());
  await provider.arrived(count + 1);
  silent.fire(defaultTimeouts.firstByteMs);
  expect(await first).toMatchObject({ code: "timed-out", billed: "unknown", retry: "later" });

  for (const ms of [defaultTimeouts.silenceMs, defaultTimeouts.totalMs]) {
    const timers = handTimers();
    provider.script(hang({ afterChunks: 4 }));
    const heard = Promise.withResolvers<void>();
    const models = modelsWith(timers);
    const signal = new AbortController().signal;
    const got = models.call(ask(), { signal, idempotencyKey: "x", onText: () => heard.resolve() });
    await heard.promise;
    timers.fire(ms);
    await expect(got).rejects.toMatchObject({ code: "timed-out" });
  }
});

test("the caller can stop a call", async () => {
  const count = provider.requests.length;
  provider.script(hang());
  const stop = new AbortController();
  const got = once(modelsWith(), ask(), stop.signal);
  await provider.arrived(count + 1);
  stop.abort();
  expect(await got).toMatchObject({ code: "stopped", retry: "later", billed: "unknown" });
});

test("no more output is asked for than the card allows, and no tools when there are none", async () => {
  provider.script(reply("ok"));
  await once(modelsWith(), { ...ask(), tools: [], outputTokensMax: 99_999 });
  expect(provider.requests.at(-1)?.body).toMatchObject({ max_tokens: 1000, stream: true });
  expect(provider.requests.at(-1)?.body).not.toHaveProperty("tools");
});

test("a hosted model without a key, and a model that is not configured, say what to do", async () => {
  const { baseUrl: _unused, ...hosted } = card("openai/gpt", { provider: "openai" });
  const models = makeModels({ cards: [hosted], keys: {} });
  expect(await once(models, ask("openai/gpt" as ModelId))).toMatchObject({ code: "key-missing" });
  expect(await once(models, ask("openai/other" as ModelId))).toMatchObject({
    code: "unknown-model",
    retry: "never",
  });
});
