import { type Tokens, tokens, type Usage, type UsageBeside } from "../kernel/index.ts";

export type { Usage, UsageBeside };

/** No tokens of any kind. */
export const noUsage: Usage = {
  input: tokens(0),
  cachedInput: tokens(0),
  cacheWrite: tokens(0),
  output: tokens(0),
  reasoning: tokens(0),
};

/** Kind by kind sum. */
export function addUsage(left: Usage, right: Usage): Usage {
  return {
    input: tokens(left.input + right.input),
    cachedInput: tokens(left.cachedInput + right.cachedInput),
    cacheWrite: tokens(left.cacheWrite + right.cacheWrite),
    output: tokens(left.output + right.output),
    reasoning: tokens(left.reasoning + right.reasoning),
  };
}

/** What a provider reports: totals, of which some is cached, written to a cache, or reasoning. */
export type ReportedTotals = {
  readonly input: number | null | undefined;
  readonly cachedInput?: number | null | undefined;
  readonly cacheWrite?: number | null | undefined;
  readonly output: number | null | undefined;
  readonly reasoning?: number | null | undefined;
  /** The provider's grand total, which tells whether it counts reasoning inside the output or apart. */
  readonly total?: number | null | undefined;
};

/**
 * Splits reported totals into kinds that do not overlap. A part larger than its total is taken at its word
 * and the remainder becomes 0: booking too much is seen, booking too little is not.
 *
 * @returns null when the provider reported neither an input nor an output total
 */
export function usageFromTotals(totals: ReportedTotals): Usage | null {
  if (!counts(totals.input) && !counts(totals.output)) return null;
  const cachedInput = whole(totals.cachedInput);
  const cacheWrite = whole(totals.cacheWrite);
  const reasoning = whole(totals.reasoning);
  const output = whole(totals.output);
  // Some compatible providers (xAI) report reasoning beside the output; only the grand total shows it.
  const apart = reasoning > 0n && whole(totals.total) === whole(totals.input) + output + reasoning;
  return {
    input: rest(whole(totals.input), cachedInput + cacheWrite),
    cachedInput: tokens(cachedInput),
    cacheWrite: tokens(cacheWrite),
    output: apart ? tokens(output) : rest(output, reasoning),
    reasoning: tokens(reasoning),
  };
}

function counts(value: number | null | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function whole(value: number | null | undefined): bigint {
  return counts(value) ? BigInt(Math.ceil(value)) : 0n;
}

function rest(total: bigint, part: bigint): Tokens {
  return tokens(total > part ? total - part : 0n);
}
