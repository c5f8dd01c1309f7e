import type { ScriptedReply, ScriptedUsage } from "./scripted-answer.ts";

/** The HTTP dialects that the scripted provider speaks. */
export type Wire =
  | "openai-chat"
  | "openai-responses"
  | "openai-embeddings"
  | "anthropic"
  | "anthropic-count"
  | "google";

/** Small pieces, so that every reply arrives in several chunks and tool arguments are split inside words. */
const PIECE_CHARS = 7;
/** What is reported where nothing was scripted. */
export const NO_USAGE: ScriptedUsage = { input: 0, output: 0 };

/** The dialect of a request path, or null when it is none. */
export function wireOfPath(path: string): Wire | null {
  if (path.endsWith("/chat/completions")) return "openai-chat";
  if (path.endsWith("/responses")) return "openai-responses";
  if (path.endsWith("/embeddings")) return "openai-embeddings";
  if (path.endsWith("/messages")) return "anthropic";
  if (path.endsWith("/messages/count_tokens")) return "anthropic-count";
  return /:(?:streamGenerateContent|generateContent)/.test(path) ? "google" : null;
}

/** The chunks of a streamed reply, each the text of one server-sent event. */
export function framesOf(wire: Wire, reply: ScriptedReply, model: string, id: string): string[] {
  if (wire === "openai-embeddings" || wire === "anthropic-count") return [];
  if (wire === "openai-chat") return [...chatEvents(reply, model, id).map(frame), "data: [DONE]\n\n"];
  if (wire === "openai-responses") return responsesEvents(reply, model, id).map(named);
  if (wire === "anthropic") return anthropicEvents(reply, model, id).map(named);
  return googleEvents(reply, model, id).map(frame);
}

/** An error body in the provider's own form. */
export function errorBody(wire: Wire, status: number, message: string, code: string): object {
  if (wire === "anthropic" || wire === "anthropic-count")
    return { type: "error", error: { type: code, message } };
  if (wire === "google") return { error: { code: status, message, status: code } };
  return { error: { message, type: code, param: null, code } };
}

/** An error inside a stream, as one event. */
export function errorFrame(wire: Wire, message: string, type: string): string {
  if (wire === "anthropic") return named({ type: "error", error: { type, message } });
  if (wire === "openai-responses") {
    return named({ type: "error", sequence_number: 1, error: { type, code: type, message, param: null } });
  }
  if (wire === "google") return frame({ error: { code: 500, message, status: type } });
  return frame({ error: { message, type, param: null, code: type } });
}

type NamedEvent = { readonly type: string; readonly [field: string]: unknown };

function frame(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}

function named(event: NamedEvent): string {
  return `event: ${event.type}\n${frame(event)}`;
}

function pieces(text: string): string[] {
  const count = Math.ceil(text.length / PIECE_CHARS);
  return Array.from({ length: count }, (_, at) => text.slice(at * PIECE_CHARS, (at + 1) * PIECE_CHARS));
}

/** Why a chat reply ended. */
export const CHAT_FINISH = {
  stop: "stop",
  "tool-calls": "tool_calls",
  length: "length",
  refused: "content_filter",
} as const;

/** A tool call of the chat wire. */
export function chatToolCall(call: ScriptedReply["toolCalls"][number]): object {
  return { id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } };
}

/** Usage on the chat wire. */
export function chatUsage(usage: ScriptedUsage): object {
  const cacheWrite = usage.cacheWrite === undefined ? {} : { cache_write_tokens: usage.cacheWrite };
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cachedInput ?? 0, ...cacheWrite },
    completion_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
  };
}

function chatEvents(reply: ScriptedReply, model: string, id: string): object[] {
  const base = { id, object: "chat.completion.chunk", created: 0, model };
  const chunk = (delta: object, finish: string | null = null): object => ({
    ...base,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const tools = reply.toolCalls.flatMap((call, index) => [
    chunk({
      tool_calls: [{ index, id: call.id, type: "function", function: { name: call.name, arguments: "" } }],
    }),
    ...pieces(call.arguments).map((piece) =>
      chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
    ),
  ]);
  return [
    chunk({ role: "assistant", content: "" }),
    ...pieces(reply.text).map((piece) => chunk({ content: piece })),
    ...tools,
    chunk({}, CHAT_FINISH[reply.finish]),
    ...(reply.usage === null ? [] : [{ ...base, choices: [], usage: chatUsage(reply.usage) }]),
  ];
}

/** Usage on the responses wire. */
export function responsesUsage(usage: ScriptedUsage): object {
  return {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: usage.cachedInput ?? 0 },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: usage.input + usage.output,
  };
}

function responsesEvents(reply: ScriptedReply, model: string, id: string): NamedEvent[] {
  const text = { type: "message", id: "msg_1", role: "assistant", content: [] };
  const tools = reply.toolCalls.flatMap((call, index) => {
    const at = { output_index: index + 1 };
    const item = { type: "function_call", id: `fc_${index + 1}`, call_id: call.id, name: call.name };
    return [
      { type: "response.output_item.added", ...at, item: { ...item, arguments: "", status: "in_progress" } },
      ...pieces(call.arguments).map((delta) => ({
        ...{ type: "response.function_call_arguments.delta", item_id: item.id, ...at },
        delta,
      })),
      {
        ...{ type: "response.output_item.done", ...at },
        item: { ...item, arguments: call.arguments, status: "completed" },
      },
    ];
  });
  const { thinking } = reply;
  const thought = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: thinking?.signature };
  const cutShort = reply.finish === "length" || reply.finish === "refused";
  const reason = reply.finish === "length" ? "max_output_tokens" : "content_filter";
  const usage = reply.usage ?? NO_USAGE;
  return [
    { type: "response.created", response: { id, created_at: 0, model, service_tier: null } },
    ...(thinking === null
      ? []
      : [
          {
            type: "response.output_item.added",
            output_index: 99,
            item: { ...thought, encrypted_content: null },
          },
          { type: "response.output_item.done", output_index: 99, item: thought },
        ]),
    { type: "response.output_item.added", output_index: 0, item: text },
    ...pieces(reply.text).map((delta) => ({
      ...{ type: "response.output_text.delta", item_id: "msg_1", output_index: 0, content_index: 0 },
      delta,
    })),
    { type: "response.output_item.done", output_index: 0, item: text },
    ...tools,
    {
      type: cutShort ? "response.incomplete" : "response.completed",
      response: {
        incomplete_details: cutShort ? { reason } : null,
        usage: responsesUsage(usage),
      },
    },
  ];
}

/** Why a message ended. */
export const ANTHROPIC_STOP = {
  stop: "end_turn",
  "tool-calls": "tool_use",
  length: "max_tokens",
  refused: "refusal",
} as const;

/** Input on Anthropic's wire, where cached input is counted apart. */
export function anthropicInput(usage: ScriptedUsage): object {
  const cached = usage.cachedInput ?? 0;
  const written = usage.cacheWrite ?? 0;
  return {
    input_tokens: usage.input - cached - written,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: written,
  };
}

function anthropicEvents(reply: ScriptedReply, model: string, id: string): NamedEvent[] {
  const usage = reply.usage ?? NO_USAGE;
  const counted = { ...anthropicInput(usage), output_tokens: 1 };
  const message = { id, type: "message", role: "assistant", model, content: [], stop_reason: null };
  const texts = pieces(reply.text).map((text) => ({ type: "text_delta", text }));
  const thoughts =
    reply.thinking === null
      ? []
      : [
          ...pieces(reply.thinking.text).map((thinking) => ({ type: "thinking_delta", thinking })),
          { type: "signature_delta", signature: reply.thinking.signature },
        ];
  return [
    { type: "message_start", message: { ...message, usage: counted } },
    ...(thoughts.length === 0 ? [] : block(99, { type: "thinking", thinking: "", signature: "" }, thoughts)),
    ...(texts.length === 0 ? [] : block(0, { type: "text", text: "" }, texts)),
    ...reply.toolCalls.flatMap((call, index) =>
      block(
        index + 1,
        { type: "tool_use", id: call.id, name: call.name, input: {} },
        pieces(call.arguments).map((json) => ({ type: "input_json_delta", partial_json: json })),
      ),
    ),
    {
      type: "message_delta",
      delta: { stop_reason: ANTHROPIC_STOP[reply.finish], stop_sequence: null },
      usage: { output_tokens: usage.output },
    },
    { type: "message_stop" },
  ];
}

function block(index: number, start: object, deltas: readonly object[]): NamedEvent[] {
  return [
    { type: "content_block_start", index, content_block: start },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}

function googleEvents(reply: ScriptedReply, model: string, id: string): object[] {
  const usage = reply.usage;
  const reasoning = usage?.reasoning ?? 0;
  const counted =
    usage === null
      ? {}
      : {
          usageMetadata: {
            promptTokenCount: usage.input,
            cachedContentTokenCount: usage.cachedInput ?? 0,
            candidatesTokenCount: usage.output - reasoning,
            thoughtsTokenCount: reasoning,
            totalTokenCount: usage.input + usage.output,
          },
        };
  const event = (parts: readonly object[], finish: object = {}): object => ({
    candidates: [{ index: 0, content: { role: "model", parts }, ...finish }],
    modelVersion: model,
    responseId: id,
    ...counted,
  });
  const signed = reply.thinking === null ? {} : { thoughtSignature: reply.thinking.signature };
  const reason = { stop: "STOP", "tool-calls": "STOP", length: "MAX_TOKENS", refused: "SAFETY" }[
    reply.finish
  ];
  return [
    ...pieces(reply.text).map((text) => event([{ text }])),
    ...reply.toolCalls.map((call) =>
      event([{ functionCall: { name: call.name, args: parsedOr(call.arguments) }, ...signed }]),
    ),
    event([], { finishReason: reason }),
  ];
}

/** Google sends arguments as an object, so text that is not JSON cannot occur on its wire. */
export function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return { malformed: text };
  }
}
