/** Token totals of a scripted reply: cached input and cache writes are part of input, reasoning of output. */
export type ScriptedUsage = {
  readonly input: number;
  readonly output: number;
  readonly cachedInput?: number;
  readonly cacheWrite?: number;
  readonly reasoning?: number;
};

/** A tool call in a scripted reply. Arguments are sent as written when they are text, else as JSON. */
export type ScriptedToolCall = { readonly id?: string; readonly name: string; readonly arguments: unknown };

/** A complete reply. */
export type ScriptedReply = {
  readonly kind: "reply";
  readonly text: string;
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  /** Null: the provider reports no usage. */
  readonly usage: ScriptedUsage | null;
  readonly finish: "stop" | "tool-calls" | "length" | "refused";
  /** Thinking, with the signature that the provider wants back; the chat wire has none. */
  readonly thinking: { readonly text: string; readonly signature: string } | null;
};

/** What the server does with one request. */
export type ScriptedAnswer =
  | ScriptedReply
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly message: string;
      readonly code: string;
    }
  | { readonly kind: "cut"; readonly afterChunks: number; readonly reply: ScriptedReply }
  | { readonly kind: "hang"; readonly afterChunks: number; readonly reply: ScriptedReply }
  | {
      readonly kind: "error-event";
      readonly afterChunks: number;
      readonly reply: ScriptedReply;
      readonly message: string;
      readonly type: string;
    }
  | { readonly kind: "not-json" }
  | { readonly kind: "broken-stream" };

const USAGE_DEFAULT: ScriptedUsage = { input: 100, output: 20 };

/**
 * A reply of text, of tool calls, or of both. Tool calls get the ids `call_1`, `call_2`, … unless they have
 * their own.
 */
export function reply(
  said: string | readonly ScriptedToolCall[],
  usage: ScriptedUsage | null = USAGE_DEFAULT,
  more: Partial<Pick<ScriptedReply, "text" | "finish" | "thinking">> = {},
): ScriptedReply {
  const calls = typeof said === "string" ? [] : said;
  const finish = more.finish ?? (calls.length > 0 ? "tool-calls" : "stop");
  return {
    kind: "reply",
    text: typeof said === "string" ? said : (more.text ?? ""),
    toolCalls: calls.map((call, index) => ({
      id: call.id ?? `call_${index + 1}`,
      name: call.name,
      arguments: typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments),
    })),
    usage,
    finish,
    thinking: more.thinking ?? null,
  };
}

/** A reply that calls a tool with text that is not JSON. */
export function malformedToolArguments(
  name: string,
  raw = '{"id": 7, "note": "unfinished',
  usage: ScriptedUsage | null = USAGE_DEFAULT,
): ScriptedReply {
  return reply([{ name, arguments: raw }], usage);
}

/** A reply that the content filter ended. */
export function refused(usage: ScriptedUsage | null = USAGE_DEFAULT): ScriptedReply {
  return reply("", usage, { finish: "refused" });
}

/** An HTTP error in the provider's own form. `retryAfter` is in seconds, or an HTTP date as text. */
export function status(
  code: number,
  more: { readonly retryAfter?: number | string; readonly message?: string; readonly code?: string } = {},
): ScriptedAnswer {
  return {
    kind: "status",
    status: code,
    headers: more.retryAfter === undefined ? {} : { "retry-after": String(more.retryAfter) },
    message: more.message ?? `scripted status ${code}`,
    code: more.code ?? "scripted",
  };
}

/** The connection drops after so many chunks of the stream; after 0, before any answer. */
export function cut(options: { readonly afterChunks: number; readonly of?: ScriptedReply }): ScriptedAnswer {
  return { kind: "cut", afterChunks: options.afterChunks, reply: options.of ?? LONG };
}

/** The server goes silent after so many chunks, with the connection open. */
export function hang(
  options: { readonly afterChunks?: number; readonly of?: ScriptedReply } = {},
): ScriptedAnswer {
  return { kind: "hang", afterChunks: options.afterChunks ?? 0, reply: options.of ?? LONG };
}

/** The stream reports an error of its own after so many chunks. */
export function errorEvent(options: {
  readonly afterChunks: number;
  readonly type?: string;
  readonly message?: string;
}): ScriptedAnswer {
  const { afterChunks, type = "overloaded_error", message = "Overloaded" } = options;
  return { kind: "error-event", afterChunks, reply: LONG, message, type };
}

/** Status 200 with a web page, as a login portal or a wrong address sends. */
export const notJson: ScriptedAnswer = { kind: "not-json" };

/** A stream of events whose data is not JSON. */
export const brokenStream: ScriptedAnswer = { kind: "broken-stream" };

const LONG: ScriptedReply = {
  kind: "reply",
  text: "this reply is long enough to be cut in many places, and means nothing beyond that",
  toolCalls: [],
  usage: USAGE_DEFAULT,
  finish: "stop",
  thinking: null,
};
