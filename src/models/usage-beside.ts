import type { UsageBeside } from "../kernel/index.ts";

/** Providers' words for being served as anybody is, or as the account has agreed for all of its calls. */
export const plainTiers: ReadonlySet<string> = new Set([
  "default",
  "auto",
  "standard",
  "standard_only",
  "scale",
]);
/** Items of an answer that say a tool was run where the answer was made. */
const RUN = /^(?!(?:function|custom_tool|computer|local_shell|shell|apply_patch)_call$)(\w+)_call$/;

/** Finds what a provider counted beside kinds of tokens; what it says later holds before what it said. */
export function besideOf(chunk: unknown, before: UsageBeside | undefined): UsageBeside | undefined {
  const response = get(chunk, "response") ?? get(chunk, "message") ?? chunk;
  const usage = get(response, "usage") ?? get(chunk, "usageMetadata");
  const found: UsageBeside = {
    tier: tierOf(text(response, "service_tier") ?? text(usage, "service_tier"), before?.tier ?? null),
    audioInput: sound(usage, INPUT_DETAILS, before?.audioInput),
    audioOutput: sound(usage, OUTPUT_DETAILS, before?.audioOutput),
    longWrites: later(number(get(usage, "cache_creation"), "ephemeral_1h_input_tokens"), before?.longWrites),
    uses: { ...before?.uses, ...usesIn(get(usage, "server_tool_use")), ...itemsIn(get(response, "output")) },
  };
  const { tier, audioInput, audioOutput, longWrites, uses } = found;
  const nothing = audioInput === 0n && audioOutput === 0n && longWrites === 0n;
  return tier === null && nothing && Object.keys(uses).length === 0 ? undefined : found;
}

function tierOf(said: string | null, before: string | null): string | null {
  if (said === null) return before;
  return plainTiers.has(said) ? null : said;
}

const INPUT_DETAILS = ["prompt_tokens_details", "input_tokens_details", "promptTokensDetails"];
const OUTPUT_DETAILS = ["completion_tokens_details", "output_tokens_details", "candidatesTokensDetails"];

/** Tokens of sound: a field of OpenAI's details, an entry in Google's. */
function sound(usage: unknown, names: readonly string[], before: bigint | undefined): bigint {
  const details = names.map((name) => get(usage, name)).find((found) => found !== undefined);
  const listed: readonly unknown[] = Array.isArray(details) ? details : [];
  const entry = listed.find((one) => get(one, "modality") === "AUDIO");
  return later(number(details, "audio_tokens") ?? number(entry, "tokenCount"), before);
}

/** Anthropic counts the uses of its tools: `{"web_search_requests": 2}`. */
function usesIn(counted: unknown): Record<string, bigint> {
  const uses: Record<string, bigint> = {};
  for (const [name, count] of Object.entries(Object(counted) as object)) {
    if (typeof count === "number" && count > 0) uses[name.replace(/_requests$/, "")] = whole(count);
  }
  return uses;
}

/** OpenAI answers with an item for each use; of web searches, opening what was found is not charged. */
function itemsIn(output: unknown): Record<string, bigint> {
  const uses: Record<string, bigint> = {};
  for (const item of Array.isArray(output) ? (output as readonly unknown[]) : []) {
    const [, tool] = RUN.exec(text(item, "type") ?? "") ?? [];
    const action = text(get(item, "action"), "type");
    if (tool !== undefined && (action === null || action === "search" || tool !== "web_search")) {
      uses[tool] = (uses[tool] ?? 0n) + 1n;
    }
  }
  return uses;
}

function later(count: number | null, before: bigint | undefined): bigint {
  return count === null ? (before ?? 0n) : whole(count);
}

function whole(count: number): bigint {
  return count > 0 && Number.isFinite(count) ? BigInt(Math.ceil(count)) : 0n;
}

/** A field of what may be an object. */
export function get(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** A number in a field of what may be an object. */
export function number(value: unknown, name: string): number | null {
  const found = get(value, name);
  return typeof found === "number" ? found : null;
}

function text(value: unknown, name: string): string | null {
  const found = get(value, name);
  return typeof found === "string" ? found : null;
}
