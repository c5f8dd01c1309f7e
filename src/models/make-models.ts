import { AsyncLocalStorage } from "node:async_hooks";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { must, type ModelId } from "../kernel/index.ts";
import { adapterOf, needsKey, standingOptions } from "./adapters.ts";
import { classify, type Failure } from "./classify.ts";
import { type Billed, ModelError } from "./model-error.ts";
import { promptOf, toolsOf } from "./prompt.ts";
import { emptyStream, readStream, replyOf, type StreamState } from "./read-stream.ts";
import { excerpt } from "./redact.ts";
import type { ModelCall, ModelCard, ModelReply } from "./spec.ts";
import { defaultTimeouts, processTimers, type Timeouts, type Timers, type Watch, watchTry } from "./watch.ts";

/** Keys by endpoint: the part of a card's id before its first slash. */
export type Keys = Readonly<Record<string, string | undefined>>;

/** What a single try needs beside the call. */
export type TryOptions = {
  readonly signal: AbortSignal;
  /** Sent as `Idempotency-Key`; the same for every try of one call. */
  readonly idempotencyKey: string;
  /** Hears text as it arrives. A later try starts over. */
  readonly onText?: (delta: string) => void;
};

/** The models that are configured, and the one way to ask them. */
export interface Models {
  /** @throws {ModelError} `unknown-model` */
  card(id: ModelId): ModelCard;
  list(): readonly ModelCard[];
  /**
   * Makes one try, without retries and without bookkeeping: those are the room `calls`.
   *
   * @throws {ModelError} for everything that is not a complete reply
   */
  call(call: ModelCall, options: TryOptions): Promise<ModelReply>;
}

/** What `makeModels` is made from. */
export type ModelsOptions = {
  readonly cards: readonly ModelCard[];
  readonly keys: Keys;
  readonly fetch?: typeof globalThis.fetch;
  readonly timeouts?: Timeouts;
  readonly timers?: Timers;
};

/** Puts cards and keys behind one door. */
export function makeModels(options: ModelsOptions): Models {
  const cards = new Map(options.cards.map((card) => [card.id, card]));
  const adapters = makeAdapters();
  const card = (id: ModelId): ModelCard => {
    const found = cards.get(id);
    if (found !== undefined) return found;
    const known = [...cards.keys()].join(", ") || "none";
    const message = `model ${id} is not configured; name one of: ${known}`;
    throw new ModelError({ code: "unknown-model", model: id, billed: "nothing", message });
  };
  return {
    card,
    list: () => [...cards.values()],
    call: async (call, tryOptions) => oneTry(card(call.model), { ...options, adapters }, call, tryOptions),
  };
}

/** The SDK's models by card, each made once: making one compiles the schema of its answers. */
type Adapters = {
  /** Runs `work` with the card's model, which speaks through this `fetch` for as long. */
  using<T>(
    card: ModelCard,
    key: string | undefined,
    fetch: typeof globalThis.fetch,
    work: (adapter: LanguageModelV4) => PromiseLike<T>,
  ): Promise<T>;
};

function makeAdapters(): Adapters {
  const made = new Map<ModelId, Promise<LanguageModelV4>>();
  // Each try is watched through a `fetch` of its own, and the SDK takes one when a model is made.
  const current = new AsyncLocalStorage<typeof globalThis.fetch>();
  const speaking: typeof globalThis.fetch = (input, init) =>
    must(current.getStore(), "the try that speaks")(input, init);
  return {
    async using(card, key, fetch, work) {
      const known = made.get(card.id) ?? adapterOf(card, key, speaking);
      made.set(card.id, known);
      const adapter = await known;
      return await current.run(fetch, () => work(adapter));
    },
  };
}

async function oneTry(
  card: ModelCard,
  options: ModelsOptions & { readonly adapters: Adapters },
  call: ModelCall,
  tryOptions: TryOptions,
): Promise<ModelReply> {
  const key = options.keys[endpointOf(card.id)];
  if (key === undefined && needsKey(card)) {
    const message = `model ${card.id} needs a key for ${endpointOf(card.id)}; set it in the environment`;
    throw new ModelError({ code: "key-missing", model: card.id, billed: "nothing", message });
  }
  const watch = watchTry({
    caller: tryOptions.signal,
    timeouts: options.timeouts ?? defaultTimeouts,
    timers: options.timers ?? processTimers,
    fetch: options.fetch ?? globalThis.fetch,
  });
  const state = emptyStream();
  try {
    const { stream } = await options.adapters.using(card, key, watch.fetch, (adapter) =>
      adapter.doStream({
        prompt: promptOf(call),
        ...(call.tools.length === 0 ? {} : { tools: toolsOf(call) }),
        ...(call.tools.length === 0 ? {} : { toolChoice: { type: call.toolChoice ?? "auto" } }),
        maxOutputTokens: Math.min(call.outputTokensMax, card.outputTokensMax),
        ...(call.temperature === undefined ? {} : { temperature: call.temperature }),
        abortSignal: watch.signal,
        headers: { "Idempotency-Key": tryOptions.idempotencyKey },
        includeRawChunks: true,
        providerOptions: standingOptions,
      }),
    );
    await readStream(stream, state, tryOptions.onText ?? (() => undefined));
    return ended(state, watch);
  } catch (error) {
    throw modelError(card, [key], failureOf(error, state, watch, tryOptions.signal), state);
  } finally {
    watch.done();
  }
}

/** A stream can also end without throwing and still be no reply. */
function ended(state: StreamState, watch: Watch): ModelReply {
  if (state.error !== undefined) throw state.error;
  const unified = state.finish?.unified;
  if (state.chunks === 0 && !watch.streamed())
    throw failure("bad-reply", "the answer is not a stream of events");
  if (unified === undefined || unified === "interrupted" || unified === "error") {
    throw failure("cut", "the stream ended before the reply did");
  }
  return replyOf(state);
}

/** Carries a failure found in a stream that ended quietly. */
class QuietFailure extends Error {
  readonly failure: Failure;
  constructor(found: Failure) {
    super(found.words);
    this.failure = found;
  }
}

function failure(code: Failure["code"], words: string): QuietFailure {
  return new QuietFailure({ code, billed: "unknown", status: null, retryAfterMs: null, words });
}

function failureOf(error: unknown, state: StreamState, watch: Watch, caller: AbortSignal): Failure {
  const phase = watch.expired();
  const billed: Billed = watch.sent() ? "unknown" : "nothing";
  const plain = (code: Failure["code"], words: string): Failure => ({
    ...{ code, billed, status: null, retryAfterMs: null },
    words,
  });
  if (phase === "size") return plain("bad-reply", "the answer is larger than any reply may be");
  if (phase !== null) return plain("timed-out", `the ${phase} limit was passed`);
  if (caller.aborted) return plain("stopped", "the caller stopped the call");
  if (error instanceof QuietFailure) return error.failure;
  if (!watch.streamed() && watch.status() === 200 && state.chunks === 0) {
    return plain("bad-reply", "the answer is not a stream of events");
  }
  const found = classify(error);
  return watch.sent() ? found : { ...found, code: "bad-request", billed: "nothing" };
}

function modelError(
  card: ModelCard,
  keys: readonly (string | undefined)[],
  found: Failure,
  state: StreamState,
): ModelError {
  const known = found.billed === "nothing" ? null : state.seen;
  const counted = known === null ? found.billed : known.complete ? "counted" : "partly";
  const status = found.status === null ? "" : ` (HTTP ${found.status})`;
  return new ModelError({
    code: found.code,
    model: card.id,
    billed: counted,
    usage: known?.usage ?? null,
    retryAfterMs: found.retryAfterMs,
    status: found.status,
    message: `model ${card.id}: ${found.code}${status}: ${excerpt(found.words, keys)}; ${ADVICE[found.code]}`,
  });
}

function endpointOf(id: ModelId): string {
  return id.slice(0, id.indexOf("/"));
}

const ADVICE: Readonly<Record<Failure["code"], string>> = {
  "rate-limited": "it may be tried again after a while",
  "quota-exhausted": "add credit at the provider or use another model",
  overloaded: "it may be tried again after a while",
  unreachable: "check the address and the network",
  "timed-out": "it may be tried again, or with a shorter prompt",
  cut: "it may be tried again",
  "bad-reply": "check that the address speaks this provider's wire",
  unauthorised: "check the key and what it may do",
  "key-missing": "set the key in the environment",
  "context-too-long": "use a model with a larger context or a shorter prompt",
  refused: "use another model or ask a person",
  "bad-request": "the provider does not accept this call",
  "no-such-model": "check the model's name",
  "unknown-model": "configure it",
  stopped: "it may be tried again",
};
