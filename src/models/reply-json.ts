import type { Json } from "../kernel/index.ts";
import { tokens } from "../kernel/index.ts";
import type { ModelReply } from "./spec.ts";
import type { Usage } from "./usage.ts";

/** Usage as plain data; counts are decimal text. */
export function usageToJson(usage: Usage): Json {
  return Object.fromEntries(Object.entries(usage).map(([kind, count]) => [kind, String(count)]));
}

/** Usage from what `usageToJson` wrote. */
export function usageFromJson(json: Json): Usage {
  const counts = json as Readonly<Record<keyof Usage, string>>;
  return {
    input: tokens(BigInt(counts.input)),
    cachedInput: tokens(BigInt(counts.cachedInput)),
    cacheWrite: tokens(BigInt(counts.cacheWrite)),
    output: tokens(BigInt(counts.output)),
    reasoning: tokens(BigInt(counts.reasoning)),
  };
}

/** A reply as plain data, for a row or a transcript. */
export function replyToJson(reply: ModelReply): Json {
  return { ...reply, usage: usageToJson(reply.usage) };
}

/** A reply from what `replyToJson` wrote. */
export function replyFromJson(json: Json): ModelReply {
  const stored = json as unknown as Omit<ModelReply, "usage"> & { readonly usage: Json };
  return { ...stored, usage: usageFromJson(stored.usage) };
}
