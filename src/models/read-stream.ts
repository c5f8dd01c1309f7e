import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { Json } from "../kernel/index.ts";
import { cleanJson, cleanText } from "./clean-text.ts";
import type { Echo, Finish, ModelReply, Reasoning } from "./spec.ts";
import { type RawToolCall, readToolCall } from "./tool-arguments.ts";
import { noUsage, type Usage, usageFromTotals } from "./usage.ts";
import { type UsageSeen, usageSeen } from "./usage-seen.ts";

/** What a stream has brought so far; also what is left of it when it breaks. */
export type StreamState = {
  text: string;
  readonly toolCalls: RawToolCall[];
  readonly reasoning: Map<string, { text: string; echo?: Echo }>;
  seen: UsageSeen | null;
  chunks: number;
  finish: LanguageModelV4FinishReason | null;
  error: unknown;
  providerModel: string;
  providerReplyId: string;
};

/** A stream of which nothing was read. */
export function emptyStream(): StreamState {
  return {
    text: "",
    toolCalls: [],
    reasoning: new Map(),
    seen: null,
    chunks: 0,
    finish: null,
    error: undefined,
    providerModel: "",
    providerReplyId: "",
  };
}

/** Reads a stream to its end into `state`; throws what the stream throws. */
export async function readStream(
  stream: ReadableStream<LanguageModelV4StreamPart>,
  state: StreamState,
  onText: (delta: string) => void,
): Promise<void> {
  for await (const part of stream) take(part, state, onText);
}

/** The reply of a stream that ended well. */
export function replyOf(state: StreamState): ModelReply {
  return {
    text: cleanText(state.text),
    toolCalls: state.toolCalls.map(readToolCall),
    reasoning: [...state.reasoning.values()].map((part): Reasoning => ({
      text: cleanText(part.text),
      ...(part.echo === undefined ? {} : { echo: part.echo }),
    })),
    usage: state.seen?.usage ?? noUsage,
    counted: state.seen !== null,
    finish: finishOf(state),
    providerModel: cleanText(state.providerModel),
    providerReplyId: cleanText(state.providerReplyId),
  };
}

/** Sources, files, citations and tools that the provider runs are not asked for, and passed over. */
function take(part: LanguageModelV4StreamPart, state: StreamState, onText: (delta: string) => void): void {
  if (part.type === "text-delta") {
    state.text += part.delta;
    onText(part.delta);
  } else if (part.type === "tool-call") {
    const { toolCallId: id, toolName: name, input: text } = part;
    state.toolCalls.push({ id, name, text, ...echoOf(part.providerMetadata) });
  } else if (isReasoning(part)) {
    takeReasoning(part, state);
  } else if (part.type === "response-metadata") {
    state.providerModel = part.modelId ?? state.providerModel;
    state.providerReplyId = part.id ?? state.providerReplyId;
  } else if (part.type === "raw") {
    state.chunks += 1;
    state.seen = usageSeen(part.rawValue, state.seen);
  } else if (part.type === "error") {
    state.error ??= part.error ?? "the stream reported an error without words";
  } else if (part.type === "finish") {
    state.finish = part.finishReason;
    const usage = usageOf(part.usage);
    if (usage !== null) state.seen = { usage, complete: true };
  }
}

type ReasoningPart = Extract<
  LanguageModelV4StreamPart,
  { type: "reasoning-start" | "reasoning-delta" | "reasoning-end" }
>;

function isReasoning(part: LanguageModelV4StreamPart): part is ReasoningPart {
  return part.type === "reasoning-start" || part.type === "reasoning-delta" || part.type === "reasoning-end";
}

function takeReasoning(part: ReasoningPart, state: StreamState): void {
  const known = state.reasoning.get(part.id) ?? { text: "" };
  const text = part.type === "reasoning-delta" ? known.text + part.delta : known.text;
  state.reasoning.set(part.id, { ...known, text, ...echoOf(part.providerMetadata) });
}

function echoOf(metadata: object | undefined): { echo?: Echo } {
  if (metadata === undefined) return {};
  // Plain JSON by the SDK's own contract; a round trip drops the undefined fields that it leaves in.
  return { echo: cleanJson(JSON.parse(JSON.stringify(metadata)) as Json) as Echo };
}

type SdkUsage = Extract<LanguageModelV4StreamPart, { type: "finish" }>["usage"];

function usageOf(usage: SdkUsage): Usage | null {
  const total = usage.raw?.["total_tokens"];
  return usageFromTotals({
    input: usage.inputTokens.total,
    cachedInput: usage.inputTokens.cacheRead,
    cacheWrite: usage.inputTokens.cacheWrite,
    output: usage.outputTokens.total,
    reasoning: usage.outputTokens.reasoning,
    total: typeof total === "number" ? total : null,
  });
}

function finishOf(state: StreamState): Finish {
  const unified = state.finish?.unified;
  if (unified === "length") return "length";
  if (unified === "content-filter") return "refused";
  // Some compatible servers say `stop` although they called a tool.
  if (unified === "tool-calls" || unified === "stop")
    return state.toolCalls.length > 0 ? "tool-calls" : "stop";
  return "other";
}
