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
