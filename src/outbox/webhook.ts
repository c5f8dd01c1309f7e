import { InputError, messageOf } from "../kernel/index.ts";
import type { Channel, Delivery } from "./channel.ts";
import { DeliveryError } from "./delivery-error.ts";
import { readSecret, sign } from "./sign.ts";

/** Where a webhook goes, and how it proves where it comes from. */
export type WebhookOptions = Pick<Channel, "timeoutMs" | "retry" | "problems"> & {
  /** https; http to this machine only, unless `insecureHttp`. Never taken from an effect. */
  readonly url: string;
  /** `whsec_` and base64; of several, the receiver may know any. */
  readonly secret: string | readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** For a network that is all yours: what is sent can be read on the way. */
  readonly insecureHttp?: boolean;
};

/** Answers that no further try will change: the request itself is wrong, or the receiver is gone for good. */
const FINAL = new Set([400, 405, 410, 411, 413, 414, 415, 422, 501, 505]);
/** As much of an answer as is read; a person reads a note's length of it. */
const ANSWER_BYTES_MAX = 16_384;
const NOTE_CHARS_MAX = 200;
/** Failures to connect: the request was never sent. */
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/**
 * POSTs the body as JSON, signed as the Standard Webhooks specification says (`webhook-id`,
 * `webhook-timestamp`, `webhook-signature`), with the same `Idempotency-Key` in every try. Any 2xx is
 * delivered. A redirect is not followed: it would let the receiver choose where else we connect to.
 *
 * @throws {InputError} `channel-invalid` when the url or the secret will not do
 */
export function webhook(options: WebhookOptions): Channel {
  const url = readUrl(options);
  const given = typeof options.secret === "string" ? [options.secret] : options.secret;
  const secrets = given.map(readSecret);
  if (secrets.length === 0) throw invalid("it needs a secret");
  const { timeoutMs, retry, problems } = options;
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(retry !== undefined && { retry }),
    ...(problems !== undefined && { problems }),
    deliver: (delivery, { signal }) => post(url, options.headers ?? {}, secrets, delivery, signal),
  };
}

function readUrl({ url, insecureHttp = false }: WebhookOptions): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined) throw invalid(`${JSON.stringify(url.slice(0, 200))} is not a url`);
  if (parsed.username !== "" || parsed.password !== "")
    throw invalid("its url holds a password; use a header");
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(parsed.hostname);
  const plain = parsed.protocol === "http:" && (loopback || insecureHttp);
  if (parsed.protocol !== "https:" && !plain) throw invalid(`${parsed.origin} is not https`);
  return parsed.href;
}

async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  secrets: readonly Buffer[],
  { key, body, at }: Delivery,
  signal: AbortSignal,
): Promise<string> {
  const text = JSON.stringify(body);
  const timestamp = Math.floor(at.getTime() / 1_000);
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      signal,
      headers: {
        "user-agent": "factotum",
        ...headers,
        "content-type": "application/json",
        "idempotency-key": key,
        "webhook-id": key,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": sign(secrets, key, timestamp, text),
      },
      body: text,
    });
  } catch (error) {
    throw unanswered(error, signal);
  }
  const said = await readSome(response, signal);
  const note = `${response.status} ${said}`.trim();
  if (response.ok) return note;
  throw refusal(response, note);
}

function refusal(response: Response, note: string): DeliveryError {
  const { status } = response;
  const redirected = status >= 300 && status < 400;
  const retryAfterMs = retryAfter(response.headers);
  return new DeliveryError({
    retry: redirected || FINAL.has(status) ? "never" : "later",
    // A server that failed may have done its work first; one that says 4xx has refused it.
    arrived: status >= 500 ? "perhaps" : "no",
    message: redirected
      ? `the receiver answered ${note}, a redirect, which is not followed`
      : `the receiver answered ${note}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function unanswered(error: unknown, signal: AbortSignal): DeliveryError {
  if (signal.reason instanceof DeliveryError) return signal.reason;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const codes = cause instanceof AggregateError ? cause.errors.map(codeOf) : [code];
  const sent = codes.length === 0 || codes.some((one) => !NOT_SENT.has(one));
  const message = messageOf(cause) === "" ? `connecting failed (${codes.join(", ")})` : messageOf(cause);
  return new DeliveryError({ retry: "later", arrived: sent ? "perhaps" : "no", message, cause: error });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** The beginning of an answer. One that breaks off is no answer: its sender may have failed half-way. */
async function readSome(response: Response, signal: AbortSignal): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk);
      bytes += chunk.length;
      // Leaving the loop closes the connection.
      if (bytes >= ANSWER_BYTES_MAX) break;
    }
  } catch (error) {
    throw unanswered(error, signal);
  }
  const text = Buffer.concat(chunks).toString("utf8").trim();
  return text.length <= NOTE_CHARS_MAX ? text : `${text.slice(0, NOTE_CHARS_MAX - 1)}…`;
}

/** `retry-after` in milliseconds: seconds, or a date measured from the answer's own. */
function retryAfter(headers: Headers): number | undefined {
  const asked = headers.get("retry-after")?.trim();
  if (asked === undefined) return undefined;
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000;
  const wait = Date.parse(asked) - Date.parse(headers.get("date") ?? "");
  return Number.isFinite(wait) && wait > 0 ? wait : undefined;
}

function invalid(because: string): InputError {
  return new InputError({ code: "channel-invalid", message: `a webhook cannot be used: ${because}` });
}
