import { type Tokens, tokens } from "../kernel/index.ts";
import { besideOf, get, number } from "./usage-beside.ts";
import { type Usage, type UsageBeside, usageFromTotals } from "./usage.ts";

/** Usage found in the raw chunks of a stream so far, and whether it is the final figure. */
export type UsageSeen = {
  readonly usage: Usage;
  readonly complete: boolean;
  /** What else was counted, where anything was. */
  readonly beside?: UsageBeside;
};

/**
 * Reads usage out of one raw chunk, so that a stream that breaks off still tells what was counted:
 * Anthropic counts the input at the start, Google with every chunk, OpenAI and Bedrock only at the end.
 */
export function usageSeen(chunk: unknown, before: UsageSeen | null): UsageSeen | null {
  const seen = ofOpenAi(chunk) ?? ofAnthropic(chunk, before) ?? ofGoogle(chunk) ?? ofBedrock(chunk);
  if (seen === null) return before;
  const beside = besideOf(chunk, before?.beside);
  return beside === undefined ? seen : { ...seen, beside };
}

function ofOpenAi(chunk: unknown): UsageSeen | null {
  const chat = get(chunk, "usage");
  const reported = get(chat, "prompt_tokens") === undefined ? get(get(chunk, "response"), "usage") : chat;
  const input = number(reported, "prompt_tokens") ?? number(reported, "input_tokens");
  if (input === null) return null;
  const inputDetails = get(reported, "prompt_tokens_details") ?? get(reported, "input_tokens_details");
  const outputDetails = get(reported, "completion_tokens_details") ?? get(reported, "output_tokens_details");
  return sure(
    usageFromTotals({
      input,
      cachedInput: number(inputDetails, "cached_tokens"),
      cacheWrite: number(inputDetails, "cache_write_tokens"),
      output: number(reported, "completion_tokens") ?? number(reported, "output_tokens"),
      reasoning: number(outputDetails, "reasoning_tokens"),
      total: number(reported, "total_tokens"),
    }),
    true,
  );
}

function ofAnthropic(chunk: unknown, before: UsageSeen | null): UsageSeen | null {
  if (get(chunk, "type") === "message_start") {
    const usage = get(get(chunk, "message"), "usage");
    const cachedInput = number(usage, "cache_read_input_tokens") ?? 0;
    const cacheWrite = number(usage, "cache_creation_input_tokens") ?? 0;
    const input = (number(usage, "input_tokens") ?? 0) + cachedInput + cacheWrite;
    return sure(
      usageFromTotals({ input, cachedInput, cacheWrite, output: number(usage, "output_tokens") }),
      false,
    );
  }
  const counted = get(chunk, "usage");
  const output = number(counted, "output_tokens");
  if (get(chunk, "type") !== "message_delta" || output === null || before === null) return null;
  // Its end counts anew, since tools that the provider runs bring input meanwhile; it may leave kinds out.
  const { input, cachedInput, cacheWrite } = before.usage;
  const most = (begun: bigint, name: string): Tokens => {
    const ended = BigInt(Math.ceil(number(counted, name) ?? 0));
    return tokens(ended > begun ? ended : begun);
  };
  const usage = {
    ...before.usage,
    input: most(input, "input_tokens"),
    cachedInput: most(cachedInput, "cache_read_input_tokens"),
    cacheWrite: most(cacheWrite, "cache_creation_input_tokens"),
    output: tokens(Math.ceil(output)),
  };
  return { usage, complete: true };
}

function ofGoogle(chunk: unknown): UsageSeen | null {
  const usage = get(chunk, "usageMetadata");
  const input = number(usage, "promptTokenCount");
  if (input === null) return null;
  const reasoning = number(usage, "thoughtsTokenCount") ?? 0;
  return sure(
    usageFromTotals({
      input: input + (number(usage, "toolUsePromptTokenCount") ?? 0),
      cachedInput: number(usage, "cachedContentTokenCount"),
      output: (number(usage, "candidatesTokenCount") ?? 0) + reasoning,
      reasoning,
    }),
    false,
  );
}

function ofBedrock(chunk: unknown): UsageSeen | null {
  const usage = get(chunk, "usage");
  const input = number(usage, "inputTokens");
  if (input === null) return null;
  const cachedInput = number(usage, "cacheReadInputTokens") ?? 0;
  const cacheWrite = number(usage, "cacheWriteInputTokens") ?? 0;
  const output = number(usage, "outputTokens");
  return sure(
    usageFromTotals({ input: input + cachedInput + cacheWrite, cachedInput, cacheWrite, output }),
    true,
  );
}

function sure(usage: Usage | null, complete: boolean): UsageSeen | null {
  return usage === null ? null : { usage, complete };
}
