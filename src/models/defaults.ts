import { createRequire } from "node:module";
import type * as GenaiPrices from "@pydantic/genai-prices";
import type { ProviderKind } from "./spec.ts";

const require = createRequire(import.meta.url);

/** What a model is for: tried first, or tried when the first was not good enough. */
export type Role = "cheap" | "strong";

/**
 * Models tried in this order, newest first; the first that the price catalogue knows is taken, so that a
 * default is always one whose cost can be stated. To be looked over with each update of the catalogue.
 */
const PREFERRED: Readonly<
  Record<
    Exclude<ProviderKind, "openai-compatible" | "azure" | "bedrock">,
    Readonly<Record<Role, readonly string[]>>
  >
> = {
  anthropic: {
    cheap: ["claude-haiku-4-5", "claude-3-5-haiku-latest"],
    strong: ["claude-opus-5-5", "claude-opus-5", "claude-opus-4-5"],
  },
  google: {
    cheap: ["gemini-3.5-flash-lite", "gemini-2.5-flash-lite"],
    strong: ["gemini-3.1-pro-preview", "gemini-2.5-pro"],
  },
  openai: {
    cheap: ["gpt-6-luna", "gpt-5.4-mini", "gpt-5-mini"],
    strong: ["gpt-6-sol", "gpt-5.5", "gpt-5"],
  },
};

/** The provider's default model for a role, or null when the catalogue knows none of the preferred ones. */
export function defaultModel(provider: keyof typeof PREFERRED, role: Role): string | null {
  return PREFERRED[provider][role].find((model) => inCatalogue(provider, model) !== null) ?? null;
}

/** The context window that the catalogue states for a model, tokens. */
export function contextTokensOf(provider: ProviderKind, model: string): number | null {
  return inCatalogue(provider, model)?.model.context_window ?? null;
}

/** The catalogue is loaded with the first question: without keys of providers a command asks none. */
function inCatalogue(provider: ProviderKind, model: string): ReturnType<typeof GenaiPrices.calcPrice> {
  const { calcPrice } = require("@pydantic/genai-prices") as typeof GenaiPrices;
  return calcPrice({ input_tokens: 0, output_tokens: 0 }, model, {
    providerId: provider === "bedrock" ? "aws" : provider,
  });
}
