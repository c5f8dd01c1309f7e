import {
  APICallError,
  EmptyResponseBodyError,
  InvalidResponseDataError,
  JSONParseError,
  TypeValidationError,
} from "@ai-sdk/provider";
import { messageOf } from "../kernel/index.ts";
import type { Billed, ModelErrorCode } from "./model-error.ts";
import { retryAfterMs } from "./retry-after.ts";

/** What is known of a failure before our own words are put to it. */
export type Failure = {
  readonly code: ModelErrorCode;
  readonly billed: Billed;
  readonly status: number | null;
  readonly retryAfterMs: number | null;
  /** The provider's or the network's own words, not yet redacted. */
  readonly words: string;
};

/** What each provider and engine says of a prompt that does not fit. */
const CONTEXT = new RegExp(
  [
    ...["context[_ ](?:length|window|size)", "prompt is too long", "maximum (?:context|input|prompt)"],
    ...["too many (?:input )?tokens", "input token count", "exceeds? .{0,40}(?:token|context)"],
  ].join("|"),
  "i",
);
const FILTER = /content[_ ]?(?:filter|policy|management)|safety|responsible ?ai|invalid_prompt/i;
const QUOTA = /insufficient[_ ]quota|credit balance|billing|exceeded your current quota|payment required/i;
/** Google answers a wrong key with status 400. */
const KEY = /api[_ ]key not valid|invalid (?:x-)?api[-_ ]key|api_key_invalid/i;
/** The request never reached a server, so nothing can be billed. */
const NOT_SENT = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"],
  ...["UND_ERR_CONNECT_TIMEOUT", "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT", "ERR_INVALID_URL"],
]);
const CAUSES_MAX = 5;

/** Sorts whatever the SDK threw, or put into its stream as an error, into a failure. */
export function classify(error: unknown): Failure {
  if (APICallError.isInstance(error)) return ofApiCall(error);
  if (JSONParseError.isInstance(error) || TypeValidationError.isInstance(error)) {
    return plain("bad-reply", "unknown", "the stream held something that is not this wire's JSON");
  }
  if (EmptyResponseBodyError.isInstance(error))
    return plain("bad-reply", "unknown", "the answer had no body");
  if (InvalidResponseDataError.isInstance(error)) {
    const ended = error.message.includes("without a finish reason");
    return plain(ended ? "cut" : "bad-reply", "unknown", error.message);
  }
  if (error instanceof Error) return ofNetwork(error);
  return ofStreamEvent(error);
}

function plain(code: ModelErrorCode, billed: Billed, words: string): Failure {
  return { code, billed, status: null, retryAfterMs: null, words };
}

function ofApiCall(error: APICallError): Failure {
  const status = error.statusCode ?? null;
  const body = error.responseBody ?? "";
  const asked = retryAfterMs(error.responseHeaders ?? {}, body);
  if (status === null) return ofNetwork(error);
  const code = codeOfStatus(status, `${error.message} ${body}`);
  const words = body !== "" && error.message === "" ? body : error.message;
  // Before 300 the provider had begun to work; a gateway that gave up (408, 504) may have let it work on.
  const unknown = status < 300 || status === 408 || status === 504;
  return { code, billed: unknown ? "unknown" : "nothing", status, retryAfterMs: asked, words };
}

function codeOfStatus(status: number, words: string): ModelErrorCode {
  if (status === 401 || status === 403) return "unauthorised";
  if (status === 402) return "quota-exhausted";
  if (status === 404) return "no-such-model";
  if (status === 413) return "context-too-long";
  if (status === 429) return QUOTA.test(words) ? "quota-exhausted" : "rate-limited";
  if (status === 408 || status === 504) return "timed-out";
  if (status >= 500) return "overloaded";
  if (status < 300) return "cut";
  if (KEY.test(words)) return "unauthorised";
  if (CONTEXT.test(words)) return "context-too-long";
  if (QUOTA.test(words)) return "quota-exhausted";
  return FILTER.test(words) ? "refused" : "bad-request";
}

function ofNetwork(error: Error): Failure {
  const codes: string[] = [];
  let at: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && at instanceof Error; depth += 1) {
    if ("code" in at && typeof at.code === "string") codes.push(at.code);
    at = at.cause;
  }
  const notSent = codes.some((code) => NOT_SENT.has(code));
  const words = codes.length > 0 ? `${messageOf(error)} (${codes.join(", ")})` : messageOf(error);
  if (notSent) return plain("unreachable", "nothing", words);
  // An error with no code from the network comes from the client's reading of the stream.
  const network = codes.length > 0 || /terminated|network|socket|closed|fetch failed/i.test(words);
  return plain(network ? "cut" : "bad-reply", "unknown", words);
}

/** Errors inside a stream are plain objects in the provider's words: type, code, message, statusCode. */
function ofStreamEvent(event: unknown): Failure {
  const field = (name: string): unknown =>
    typeof event === "object" && event !== null ? Reflect.get(event, name) : undefined;
  const message = field("message");
  const status = field("statusCode");
  const words = [field("type"), field("code"), message ?? event].map(wordOf).filter(Boolean).join(": ");
  const number = typeof status === "number" ? status : null;
  return {
    code: /rate_limit/i.test(words) ? "rate-limited" : codeOfStatus(number ?? guess(words), words),
    billed: "unknown",
    status: number,
    retryAfterMs: null,
    words,
  };
}

function guess(words: string): number {
  return CONTEXT.test(words) || FILTER.test(words) || /invalid_request/i.test(words) ? 400 : 500;
}

function wordOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return "an error without words";
  }
}
