import type { LanguageModelV4, SharedV4ProviderOptions } from "@ai-sdk/provider";
import { InputError } from "../kernel/index.ts";
import type { ModelCard } from "./spec.ts";

/** The providers' own addresses. Always passed, since the SDK would otherwise read the environment. */
const PROVIDER_URLS = {
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com/v1",
  google: "https://generativelanguage.googleapis.com/v1beta",
} as const;

/** Keyless servers (Ollama, vLLM, llama.cpp) ignore the key, but the client insists on one. */
const NO_KEY = "none";

/** The SDK's name for servers that speak OpenAI's wire. */
const COMPATIBLE = "compatible";

/**
 * The SDK's model behind a card, speaking through `fetch`. A provider's package is loaded at its first call:
 * together they take as long to load as all the rest, and most commands call no model.
 */
export async function adapterOf(
  card: ModelCard,
  key: string | undefined,
  fetch: typeof globalThis.fetch,
): Promise<LanguageModelV4> {
  const apiKey = key ?? NO_KEY;
  const baseURL = card.baseUrl ?? (hasOwnUrl(card.provider) ? PROVIDER_URLS[card.provider] : "");
  if (card.provider === "openai") {
    const { createOpenAI } = await import("@ai-sdk/openai");
    const provider = createOpenAI({ baseURL, apiKey, fetch });
    return wireOf(card) === "chat" ? provider.chat(card.model) : provider.responses(card.model);
  }
  if (card.provider === "anthropic") {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    return createAnthropic({ baseURL, apiKey, fetch })(card.model);
  }
  if (card.provider === "google") {
    const { createGoogle } = await import("@ai-sdk/google");
    return createGoogle({ baseURL, apiKey, fetch })(card.model);
  }
  if (card.provider === "azure") {
    // Its API without versions is OpenAI's, but for the header of the key.
    const { createOpenAI } = await import("@ai-sdk/openai");
    const root = baseURL.replace(/\/+$/, "").replace(/\/openai(?:\/v1)?$/, "");
    const provider = createOpenAI({
      baseURL: `${root}/openai/v1`,
      apiKey,
      headers: { "api-key": apiKey },
      fetch,
    });
    return wireOf(card) === "chat" ? provider.chat(card.model) : provider.responses(card.model);
  }
  if (card.provider === "bedrock") {
    throw new InputError({
      code: "provider-unspoken",
      message: `${card.id} is at Bedrock, and only the gateway speaks to it; give agents its address`,
    });
  }
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  const auth = key === undefined ? {} : { apiKey: key };
  const provider = createOpenAICompatible({ name: COMPATIBLE, baseURL, includeUsage: true, fetch, ...auth });
  return provider(card.model);
}

function hasOwnUrl(provider: ModelCard["provider"]): provider is keyof typeof PROVIDER_URLS {
  return Object.hasOwn(PROVIDER_URLS, provider);
}

/** Options that every call carries: OpenAI is asked not to keep the conversation. */
export const standingOptions: SharedV4ProviderOptions = { openai: { store: false } };

/** Whether a call by this card cannot be made without a key. */
export function needsKey(card: ModelCard): boolean {
  return card.provider !== "openai-compatible" && card.baseUrl === undefined;
}

function wireOf(card: ModelCard): "chat" | "responses" {
  return card.wire ?? (card.baseUrl === undefined ? "responses" : "chat");
}
