import type { Tokens } from "./money.ts";

/**
 * Tokens of one reply by kind. The five kinds do not overlap: their sum is all that the provider counted,
 * and each is priced by its own rate.
 */
export type Usage = {
  /** Input that was neither read from nor written to the provider's cache. */
  readonly input: Tokens;
  /** Input read from the provider's cache. */
  readonly cachedInput: Tokens;
  /** Input written to the provider's cache. */
  readonly cacheWrite: Tokens;
  /** Visible output: text and tool arguments. */
  readonly output: Tokens;
  /** Output the model kept to itself while thinking. */
  readonly reasoning: Tokens;
};

/** What a provider counted beside kinds of tokens, where it charges for it by itself. */
export type UsageBeside = {
  /** By which of its services it answered, in its own word: `flex`, `priority`, …; null for the plain one. */
  readonly tier: string | null;
  /** Of the uncached input and the output, what was sound. */
  readonly audioInput: bigint;
  readonly audioOutput: bigint;
  /** Of what was written to its cache, what stays for an hour. */
  readonly longWrites: bigint;
  /** How often it ran a tool of its own, by the tool's plain name: `web_search`. */
  readonly uses: Readonly<Record<string, bigint>>;
};
