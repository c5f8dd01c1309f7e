/** The public protocols that are spoken, to clients and to providers alike. */
export type Protocol =
  | "openai-chat"
  | "openai-responses"
  | "openai-embeddings"
  | "anthropic-messages"
  | "google-generate"
  | "bedrock-converse";

/** One address of the API. */
export type Surface = {
  /** Stable name, kept with every attempt. */
  readonly name: string;
  readonly protocol: Protocol;
  /** Below `/v1`. */
  readonly path: string;
  /** Below the address of the protocol's own calls, for what is beside them, and never translated. */
  readonly below: string;
  /** Whether a call costs money; counting tokens does not. */
  readonly billed: boolean;
  /** Fields of a request that say how much output there may be, the one that holds first. */
  readonly outputFields: readonly string[];
};

const COUNT = "/count_tokens";
const ANTHROPIC_OUTPUT = ["max_tokens"];

/** Every address that takes a call. */
export const surfaces: ReadonlyMap<string, Surface> = new Map(
  [
    surface("chat.completions", "openai-chat", "/chat/completions", true, [
      "max_completion_tokens",
      "max_tokens",
    ]),
    surface("responses", "openai-responses", "/responses", true, ["max_output_tokens"]),
    surface("embeddings", "openai-embeddings", "/embeddings", true, []),
    surface("messages", "anthropic-messages", "/messages", true, ANTHROPIC_OUTPUT),
    surface("messages.count_tokens", "anthropic-messages", "/messages/count_tokens", false, []),
  ].map((each) => [`/v1${each.path}`, each]),
);

function surface(
  name: string,
  protocol: Protocol,
  path: string,
  billed: boolean,
  outputFields: readonly string[],
): Surface {
  const below = path.endsWith(COUNT) ? COUNT : "";
  return { name, protocol, path, below, billed, outputFields };
}

/** Why a call is not passed on, or what became of it where no provider answered. */
export type Refusal = {
  readonly status: number;
  /** Stable and made for programs. */
  readonly code: string;
  readonly message: string;
  /** Seconds after which another try makes sense. */
  readonly retryAfterS?: number;
  /** Of a call that was made before in this one's place. */
  readonly receipt?: object;
  /** The field of the request that is to blame. */
  readonly field?: string;
};

/** Anthropic's own types by status; everything else is told as an error of the API. */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  409: "invalid_request_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
};
const OPENAI_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "insufficient_quota",
  403: "permission_error",
  404: "invalid_request_error",
  409: "invalid_request_error",
  413: "invalid_request_error",
  429: "rate_limit_error",
};

const GOOGLE_STATUSES: Readonly<Record<number, string>> = {
  ...{ 400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND" },
  ...{ 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED" },
};

/** A refusal in the form in which the protocol's own clients read errors. */
export function refusalBody(protocol: Protocol, refusal: Refusal, requestId: string): string {
  const { status, code, message } = refusal;
  const more = refusal.receipt === undefined ? {} : { receipt: refusal.receipt };
  if (protocol === "anthropic-messages") {
    const type = ANTHROPIC_TYPES[status] ?? (status === 503 ? "overloaded_error" : "api_error");
    return JSON.stringify({
      type: "error",
      error: { type, message: `${message} (${code})`, ...more },
      request_id: requestId,
    });
  }
  if (protocol === "google-generate") {
    const named = GOOGLE_STATUSES[status] ?? (status >= 500 ? "INTERNAL" : "FAILED_PRECONDITION");
    return JSON.stringify({ error: { code: status, message: `${message} (${code})`, status: named } });
  }
  const type = OPENAI_TYPES[status] ?? "api_error";
  return JSON.stringify({ error: { message, type, param: refusal.field ?? null, code, ...more } });
}

/** An error inside a stream that has begun, as one event of the protocol. */
export function refusalEvent(protocol: Protocol, refusal: Refusal, requestId: string): string {
  const body = refusalBody(protocol, refusal, requestId);
  if (protocol === "anthropic-messages") return `event: error\ndata: ${body}\n\n`;
  if (protocol !== "openai-responses") return `data: ${body}\n\n`;
  const { code, message } = refusal;
  return `event: error\ndata: ${JSON.stringify({ type: "error", code, message, param: null })}\n\n`;
}

/** Told inside a stream where another model begins the answer anew: what came before is to be forgotten. */
export function restartEvent(protocol: Protocol, model: string): string {
  const told = { object: "factotum.restart", type: "factotum.restart", model };
  if (protocol !== "openai-chat") return `event: factotum.restart\ndata: ${JSON.stringify(told)}\n\n`;
  return `data: ${JSON.stringify({ ...told, choices: [] })}\n\n`;
}
