import { type MicroUsd, microUsd, type Tokens, tokens } from "../kernel/index.ts";
import { type Rates, worstCostOf } from "../ledger/index.ts";
import type { ModelCall, ModelCard } from "../models/index.ts";
import { promptBytes } from "./fingerprint.ts";

/**
 * Tries that a provider may bill without our knowing what for (cut, timed out). A second is worth its risk,
 * a third is a pattern. The hold covers them all.
 */
export const BILLED_TRIES_MAX = 2;
/** What each message and each tool adds around its text: roles, separators, ids. */
const FRAME_TOKENS = 32n;
/** What providers add to a prompt that has tools: their own instructions. */
const TOOLS_TOKENS = 2048n;

/** The most that a call can use and cost. */
export type WorstCase = {
  readonly inputTokensMax: Tokens;
  readonly outputTokensMax: Tokens;
  readonly holdPerTry: MicroUsd;
  readonly hold: MicroUsd;
};

/**
 * The worst case of a call. A token is at least one byte of text in every tokenizer in use, so the bytes of
 * the messages and tools bound the input; the card's context bounds it too, where it is known.
 */
export function worstCaseOf(call: ModelCall, card: ModelCard, rates: Rates): WorstCase {
  const bytes = promptBytes(call);
  const frames = BigInt(call.messages.length + call.tools.length) * FRAME_TOKENS;
  const bound = bytes + frames + (call.tools.length > 0 ? TOOLS_TOKENS : 0n);
  const context = card.contextTokens === undefined ? bound : BigInt(card.contextTokens);
  const inputTokensMax = tokens(bound < context ? bound : context);
  const outputTokensMax = tokens(Math.min(call.outputTokensMax, card.outputTokensMax));
  const holdPerTry = worstCostOf(inputTokensMax, outputTokensMax, rates);
  return {
    inputTokensMax,
    outputTokensMax,
    holdPerTry,
    hold: microUsd(holdPerTry * BigInt(BILLED_TRIES_MAX)),
  };
}
