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
  const { thinking } = reply;
  return [
    chunk({ role: "assistant", content: "" }),
    // What compatible engines do; OpenAI itself shows no thoughts here.
    ...(thinking === null ? [] : pieces(thinking.text).map((piece) => chunk({ reasoning_content: piece }))),
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
  const { thinking } = reply;
  const items = [
    ...(thinking === null ? [] : [thoughtEvents(thinking)]),
    ...(reply.text === "" ? [] : [textEvents(reply.text)]),
    ...reply.toolCalls.map(callEvents),
  ];
  const cutShort = reply.finish === "length" || reply.finish === "refused";
  const reason = reply.finish === "length" ? "max_output_tokens" : "content_filter";
  const base = { id, object: "response", created_at: 0, model, error: null, service_tier: null, output: [] };
  const ended = {
    ...{ ...base, status: cutShort ? "incomplete" : "completed" },
    incomplete_details: cutShort ? { reason } : null,
    output: items.map(({ done }) => done),
    usage: responsesUsage(reply.usage ?? NO_USAGE),
  };
  return [
    { type: "response.created", response: { ...base, status: "in_progress", usage: null } },
    ...items.flatMap(({ added, done, events }, index) => [
      { type: "response.output_item.added", output_index: index, item: added },
      ...events.map((event) => ({ ...event, output_index: index })),
      { type: "response.output_item.done", output_index: index, item: done },
    ]),
    { type: cutShort ? "response.incomplete" : "response.completed", response: ended },
  ].map((event, sequence) => ({ ...event, sequence_number: sequence }));
}

type ItemEvents = { readonly added: object; readonly done: object; readonly events: readonly NamedEvent[] };

function textEvents(text: string): ItemEvents {
  const item = { type: "message", id: "msg_1", role: "assistant" };
  const at = { item_id: "msg_1", content_index: 0 };
  const part = { type: "output_text", text, annotations: [], logprobs: [] };
  return {
    added: { ...item, status: "in_progress", content: [] },
    done: { ...item, status: "completed", content: [part] },
    events: [
      { type: "response.content_part.added", ...at, part: { ...part, text: "" } },
      ...pieces(text).map((delta) => ({ type: "response.output_text.delta", ...at, delta, logprobs: [] })),
      { type: "response.output_text.done", ...at, text, logprobs: [] },
      { type: "response.content_part.done", ...at, part },
    ],
  };
}

function callEvents(call: ScriptedReply["toolCalls"][number], index: number): ItemEvents {
  const item = { type: "function_call", id: `fc_${index + 1}`, call_id: call.id, name: call.name };
  const at = { item_id: item.id };
  return {
    added: { ...item, arguments: "", status: "in_progress" },
    done: { ...item, arguments: call.arguments, status: "completed" },
    events: [
      ...pieces(call.arguments).map((delta) => ({
        ...{ type: "response.function_call_arguments.delta", ...at },
        delta,
      })),
      { type: "response.function_call_arguments.done", ...at, arguments: call.arguments },
    ],
  };
}

function thoughtEvents({ text, signature }: NonNullable<ScriptedReply["thinking"]>): ItemEvents {
  const item = { type: "reasoning", id: "rs_1" };
  const at = { item_id: "rs_1", summary_index: 0 };
  const part = { type: "summary_text", text };
  return {
    added: { ...item, summary: [], encrypted_content: null },
    done: { ...item, summary: [part], encrypted_content: signature },
    events: [
      { type: "response.reasoning_summary_part.added", ...at, part: { ...part, text: "" } },
      ...pieces(text).map((delta) => ({ type: "response.reasoning_summary_text.delta", ...at, delta })),
      { type: "response.reasoning_summary_text.done", ...at, text },
      { type: "response.reasoning_summary_part.done", ...at, part },
    ],
  };
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
  const blocks = [
    ...(thoughts.length === 0 ? [] : [block({ type: "thinking", thinking: "", signature: "" }, thoughts)]),
    ...(texts.length === 0 ? [] : [block({ type: "text", text: "" }, texts)]),
    ...reply.toolCalls.map((call) =>
      block(
        { type: "tool_use", id: call.id, name: call.name, input: {} },
        pieces(call.arguments).map((json) => ({ type: "input_json_delta", partial_json: json })),
      ),
    ),
  ];
  return [
    { type: "message_start", message: { ...message, usage: counted } },
    ...blocks.flatMap((events, index) => events.map((event) => ({ ...event, index }))),
    {
      type: "message_delta",
      delta: { stop_reason: ANTHROPIC_STOP[reply.finish], stop_sequence: null },
      usage: { output_tokens: usage.output },
    },
    { type: "message_stop" },
  ];
}

function block(start: object, deltas: readonly object[]): NamedEvent[] {
  return [
    { type: "content_block_start", content_block: start },
    ...deltas.map((delta) => ({ type: "content_block_delta", delta })),
    { type: "content_block_stop" },
  ];
}

function googleEvents(reply: ScriptedReply, model: string, id: string): object[] {
  const event = (parts: readonly object[], finish: object = {}): object =>
    googleReply(reply, { parts, finish, model, id });
  const { thinking } = reply;
  return [
    ...(thinking === null ? [] : pieces(thinking.text).map((text) => event([{ text, thought: true }]))),
    ...pieces(reply.text).map((text) => event([{ text }])),
    ...reply.toolCalls.map((call) => event([googleCall(reply, call)])),
    event([], { finishReason: GOOGLE_FINISH[reply.finish] }),
  ];
}

/** A whole reply on Google's wire. */
export function googleWhole(reply: ScriptedReply, model: string, id: string): object {
  const { thinking } = reply;
  const parts = [
    ...(thinking === null ? [] : [{ text: thinking.text, thought: true }]),
    ...(reply.text === "" ? [] : [{ text: reply.text }]),
    ...reply.toolCalls.map((call) => googleCall(reply, call)),
  ];
  return googleReply(reply, { parts, finish: { finishReason: GOOGLE_FINISH[reply.finish] }, model, id });
}

const GOOGLE_FINISH = { stop: "STOP", "tool-calls": "STOP", length: "MAX_TOKENS", refused: "SAFETY" };

function googleCall(reply: ScriptedReply, call: ScriptedReply["toolCalls"][number]): object {
  const signed = reply.thinking === null ? {} : { thoughtSignature: reply.thinking.signature };
  return { functionCall: { name: call.name, args: parsedOr(call.arguments) }, ...signed };
}

type GoogleReply = {
  readonly parts: readonly object[];
  readonly finish: object;
  readonly model: string;
  readonly id: string;
};

function googleReply({ usage }: ScriptedReply, { parts, finish, model, id }: GoogleReply): object {
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
  return {
    candidates: [{ index: 0, content: { role: "model", parts }, ...finish }],
    ...{ modelVersion: model, responseId: id, ...counted },
  };
}

/** Google sends arguments as an object, so text that is not JSON cannot occur on its wire. */
export function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return { malformed: text };
  }
}
