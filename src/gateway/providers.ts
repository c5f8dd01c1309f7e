import { InputError } from "../kernel/index.ts";
import type { ModelCard } from "../models/index.ts";
import type { Protocol } from "./surfaces.ts";
import { mistralBody } from "./mistral.ts";
import { bedrockSigner, converseTap, invokeBody, invokeTap } from "./bedrock.ts";
import type { Heard, Spoken } from "./translate/dialects.ts";
import type { UsageTap } from "./usage-tap.ts";

/** Where a call goes below its provider's origin, and with which headers. */
export type Route = {
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** How a provider is spoken to. */
export type Speaking = {
  /** What it speaks itself: calls in these pass as they are. */
  readonly protocols: readonly Protocol[];
  /** In which of them calls of other protocols are made, the one that is tried first first. */
  readonly translated: readonly Heard[];
  /** Whether it wants OpenAI's protocol in its older words. */
  readonly compatible: boolean;
  readonly base: string | null;
  route(base: string, protocol: Protocol, stream: boolean): Route;
  /** Where it wraps a protocol in words of its own. */
  readonly wrapping?: Wrapping;
};

/** What a provider wraps around a protocol: nothing but these calls pass it. */
export type Wrapping = {
  /** The body as it is sent. */
  body(body: Buffer): Buffer;
  /** Reads what comes, and gives it to `inner` as the protocol has it. */
  tap(inner: UsageTap, stream: boolean): UsageTap;
  /** Headers that stand for this one request, made when it is sent. */
  readonly sign?: (request: Signable) => Readonly<Record<string, string>>;
};

/** A request as it is about to be sent. */
type Signable = { readonly origin: string; readonly path: string; readonly body: Buffer };

/** Sent where the client names none; it names one as a rule. */
const ANTHROPIC_VERSION = "2023-06-01";
const PATHS: Readonly<Record<Exclude<Protocol, "google-generate" | "bedrock-converse">, string>> = {
  ...{ "openai-chat": "/chat/completions", "openai-responses": "/responses" },
  ...{ "openai-embeddings": "/embeddings", "anthropic-messages": "/messages" },
};
const OPENAI: readonly Protocol[] = ["openai-chat", "openai-responses", "openai-embeddings"];

/** How the provider of a card is spoken to, with its key. */
export function speakingOf(card: ModelCard, key: string | undefined): Speaking {
  switch (card.provider) {
    case "openai":
      return {
        ...openaiLike(key, "https://api.openai.com/v1", OPENAI),
        ...{ translated: wired(card, "openai-responses"), compatible: false },
      };
    case "openai-compatible":
      return {
        // Few engines speak responses; a card whose wire it is says that this one does.
        ...openaiLike(key, null, card.wire === "responses" ? OPENAI : ["openai-chat", "openai-embeddings"]),
        translated: card.wire === "responses" ? ["openai-responses", "openai-chat"] : ["openai-chat"],
        ...(card.id.startsWith("mistral/") && { wrapping: { body: mistralBody, tap: (inner) => inner } }),
      };
    case "azure":
      return azure(card, key);
    case "anthropic":
      return {
        ...{ protocols: ["anthropic-messages"], translated: ["anthropic-messages"], compatible: false },
        base: "https://api.anthropic.com/v1",
        route: (base) => plain(`${base}${PATHS["anthropic-messages"]}`, anthropicAuth(key)),
      };
    case "google":
      return google(card, key);
    case "bedrock":
      return bedrock(card, key);
  }
}

function openaiLike(key: string | undefined, base: string | null, protocols: readonly Protocol[]): Speaking {
  const headers: Readonly<Record<string, string>> =
    key === undefined ? {} : { authorization: `Bearer ${key}` };
  return {
    ...{ protocols, translated: ["openai-chat"], compatible: true, base },
    route: (at, protocol) => plain(`${at}${pathOf(protocol)}`, headers),
  };
}

/** Both wires of OpenAI, the one that the card names or that is usual at its address first. */
function wired(card: ModelCard, usual: Spoken): readonly Spoken[] {
  const first = card.wire ?? (card.baseUrl === undefined ? usual.slice("openai-".length) : "chat");
  return first === "chat" ? ["openai-chat", "openai-responses"] : ["openai-responses", "openai-chat"];
}

/**
 * Azure's resources: by deployment where a version of the API is named, else by the API without versions.
 * Both want the key in a header of their own.
 */
function azure(card: ModelCard, key: string | undefined): Speaking {
  const headers: Readonly<Record<string, string>> = key === undefined ? {} : { "api-key": key };
  const deployment = encodeURIComponent(card.model);
  const { apiVersion } = card;
  return {
    ...{ protocols: OPENAI, translated: wired(card, "openai-responses"), compatible: false, base: null },
    route(base, protocol) {
      const root = base.replace(/\/openai(?:\/v1)?$/, "");
      const path = pathOf(protocol);
      if (apiVersion === undefined) return plain(`${root}/openai/v1${path}`, headers);
      const within = protocol === "openai-responses" ? "" : `/deployments/${deployment}`;
      const query = `?api-version=${encodeURIComponent(apiVersion)}`;
      return { path: `${root}/openai${within}${path}`, query, headers };
    },
  };
}

/** Google's own protocol, and OpenAI's chat by an address beside it. */
function google(card: ModelCard, key: string | undefined): Speaking {
  return {
    protocols: ["openai-chat", "openai-embeddings", "google-generate"],
    ...{ translated: ["google-generate"], compatible: true },
    base: "https://generativelanguage.googleapis.com/v1beta",
    route(base, protocol, stream) {
      if (protocol !== "google-generate") {
        const headers: Readonly<Record<string, string>> =
          key === undefined ? {} : { authorization: `Bearer ${key}` };
        return plain(`${base}/openai${pathOf(protocol)}`, headers);
      }
      const method = stream ? "streamGenerateContent" : "generateContent";
      return {
        path: `${base}/models/${encodeURIComponent(card.model)}:${method}`,
        query: stream ? "?alt=sse" : "",
        headers: key === undefined ? {} : { "x-goog-api-key": key },
      };
    },
  };
}

/** Anthropic's models have their own protocol at Bedrock, in a wrapping; all others AWS's. */
function bedrock(card: ModelCard, key: string | undefined): Speaking {
  const sign = key === undefined ? null : bedrockSigner(key);
  const bearer: Readonly<Record<string, string>> =
    key === undefined || sign !== null ? {} : { authorization: `Bearer ${key}` };
  const signing = sign === null ? {} : { sign };
  const [model, compatible] = [encodeURIComponent(card.model), false];
  if (/anthropic|claude/.test(card.model)) {
    return {
      ...{ protocols: ["anthropic-messages"], translated: ["anthropic-messages"], compatible, base: null },
      route: (base, _, stream) =>
        plain(`${base}/model/${model}/invoke${stream ? "-with-response-stream" : ""}`, bearer),
      wrapping: { body: invokeBody, tap: invokeTap, ...signing },
    };
  }
  return {
    ...{ protocols: [], translated: ["bedrock-converse"], compatible, base: null },
    route: (base, _, stream) => plain(`${base}/model/${model}/converse${stream ? "-stream" : ""}`, bearer),
    wrapping: { body: (body) => body, tap: converseTap, ...signing },
  };
}

function anthropicAuth(key: string | undefined): Readonly<Record<string, string>> {
  const version = { "anthropic-version": ANTHROPIC_VERSION };
  return key === undefined ? version : { ...version, "x-api-key": key };
}

function plain(path: string, headers: Readonly<Record<string, string>>): Route {
  return { path, query: "", headers };
}

function pathOf(protocol: Protocol): string {
  if (protocol !== "google-generate" && protocol !== "bedrock-converse") return PATHS[protocol];
  throw new InputError({ code: "gateway-config", message: `this provider does not speak ${protocol}` });
}
