import type { Message, ModelCall, ModelCard } from "../models/index.ts";
import type { Entry } from "./transcript.ts";

/** The window of a model that does not say what it has. */
const CONTEXT_TOKENS_DEFAULT = 128_000;
/** Fewer than any tokenizer in use makes of prose or JSON, so that the estimate errs on the safe side. */
export const BYTES_PER_TOKEN = 3;

/** The tokens that a model can read and write in one call. */
export function windowOf(card: Pick<ModelCard, "contextTokens">): number {
  return card.contextTokens ?? CONTEXT_TOKENS_DEFAULT;
}

/** About how many tokens a prompt has, rather more than fewer. */
export function promptTokens({ messages, tools }: Pick<ModelCall, "messages" | "tools">): number {
  return Math.ceil(Buffer.byteLength(JSON.stringify([messages, tools])) / BYTES_PER_TOKEN);
}

/** About how many tokens one entry of a transcript has; a note has none, since later ones replace it. */
export function entryTokens(entry: Entry): number {
  if (entry.kind === "compacted") return 0;
  const message: Message = entry.kind === "message" ? entry.message : { role: "user", text: entry.text };
  return promptTokens({ messages: [message], tools: [] });
}

/** About how many tokens the entries from one place to another have. */
export function tokensBetween(entries: readonly Entry[], from: number, to: number): number {
  return entries.slice(from, to).reduce((sum, entry) => sum + entryTokens(entry), 0);
}
