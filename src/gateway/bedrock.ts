import { createRequire } from "node:module";
import type * as EventStreams from "@smithy/eventstream-codec";
import aws4 from "aws4";
import { type JsonObject, messageOf } from "../kernel/index.ts";
import { textIn } from "./translate/fields.ts";
import { askedIn } from "./translate/translate.ts";
import type { UsageTap } from "./usage-tap.ts";

const VERSION = "bedrock-2023-05-31";
const REGION = /^bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\./;
/** Of a stand-in or a proxy, whose address names none. */
const REGION_DEFAULT = "us-east-1";

/** A body of messages as InvokeModel takes it: the address says which model, and whether it streams. */
export function invokeBody(body: Buffer): Buffer {
  const { model: _, stream: __, ...rest } = askedIn(body) ?? {};
  return Buffer.from(JSON.stringify({ anthropic_version: VERSION, ...rest }));
}

type Signer = (request: {
  readonly origin: string;
  readonly path: string;
  readonly body: Buffer;
}) => Readonly<Record<string, string>>;

/** Signs by an access key, `aws:ID:SECRET:SESSION`; null for any other key, which is a bearer's. */
export function bedrockSigner(key: string): Signer | null {
  const [scheme, accessKeyId = "", secretAccessKey = "", sessionToken = ""] = key.split(":");
  if (scheme !== "aws") return null;
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken !== "" && { sessionToken }) };
  return ({ origin, path, body }) => {
    const { host } = new URL(origin);
    const region = REGION.exec(host)?.[1] ?? REGION_DEFAULT;
    const headers = { "content-type": "application/json" };
    const signed = aws4.sign(
      { service: "bedrock", method: "POST", region, host, path, headers, body },
      credentials,
    );
    return made(signed.headers ?? {});
  };
}

/** Lower case, and without what the connection says itself. */
function made(headers: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers)
      .map(([name, value]) => [name.toLowerCase(), String(value)] as const)
      .filter(([name]) => name !== "host" && name !== "content-length"),
  );
}

const require = createRequire(import.meta.url);
let known: EventStreams.EventStreamCodec | undefined;

/** Loaded with the first stream: it takes as long to load as a command of ours takes to start. */
function codec(): EventStreams.EventStreamCodec {
  if (known !== undefined) return known;
  const { EventStreamCodec } = require("@smithy/eventstream-codec") as typeof EventStreams;
  known = new EventStreamCodec(
    (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")),
    (text) => Buffer.from(text, "utf8"),
  );
  return known;
}

/** A message longer than this is none. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const LENGTH_BYTES = 4;

/** Unwraps the frames of InvokeModel into the server-sent events that Anthropic would send. */
export function invokeTap(inner: UsageTap, stream: boolean): UsageTap {
  return stream ? unframed(inner, invokedIn) : inner;
}

/** Unwraps the frames of ConverseStream into server-sent events, each with its name as `type`. */
export function converseTap(inner: UsageTap, stream: boolean): UsageTap {
  return stream ? unframed(inner, conversedIn) : inner;
}

/** Reads AWS's event stream, and gives what each frame becomes to `inner`. */
function unframed(inner: UsageTap, eventIn: (frame: Frame) => string): UsageTap {
  let carry: Buffer = Buffer.alloc(0);
  let broken = false;
  const events = (): string => {
    let text = "";
    while (carry.length >= LENGTH_BYTES) {
      const length = carry.readUInt32BE(0);
      if (length > MESSAGE_BYTES_MAX) throw new RangeError("a frame of the event stream is too long");
      if (carry.length < length) break;
      text += eventIn(frameOf(carry.subarray(0, length)));
      carry = carry.subarray(length);
    }
    return text;
  };
  return {
    edits: true,
    headers: { ...inner.headers, "content-type": "text/event-stream; charset=utf-8" },
    ...(inner.waits !== undefined && { waits: inner.waits }),
    push(piece) {
      if (broken) return null;
      carry = carry.length === 0 ? piece : Buffer.concat([carry, piece]);
      let text: string;
      try {
        text = events();
      } catch (error) {
        broken = true;
        text = failure("api_error", `what came is no event stream: ${messageOf(error)}`);
      }
      return text === "" ? null : inner.push(Buffer.from(text));
    },
    rest: () => inner.rest(),
    seen: () => inner.seen(),
  };
}

function failure(type: string, message: string): string {
  return `event: error\ndata: ${JSON.stringify({ type: "error", error: { type, message } })}\n\n`;
}

type Frame = { readonly exception: string | null; readonly event: string; readonly told: JsonObject };

function frameOf(bytes: Uint8Array): Frame {
  const { headers, body } = codec().decode(bytes);
  const exception = headers[":exception-type"]?.value;
  return {
    exception: exception === undefined ? null : String(exception),
    event: String(headers[":event-type"]?.value ?? ""),
    told: JSON.parse(Buffer.from(body).toString("utf8")) as JsonObject,
  };
}

/** An exception becomes an error of Anthropic's form, which both readers know. */
function exceptionOf(exception: string | null, told: JsonObject): string {
  const type = /throttling|unavailable/i.test(exception ?? "") ? "overloaded_error" : "api_error";
  return failure(type, `${exception ?? "unknown event"}: ${textIn(told, "message")}`);
}

/** A frame of InvokeModel: a chunk holds one event of Anthropic. */
function invokedIn({ exception, told }: Frame): string {
  const bytes = textIn(told, "bytes");
  if (exception !== null || bytes === "") return exceptionOf(exception, told);
  const data = Buffer.from(bytes, "base64").toString("utf8");
  const { type } = JSON.parse(data) as { type: string };
  return `event: ${type}\ndata: ${data}\n\n`;
}

/** A frame of ConverseStream: its event's name stands in its head. */
function conversedIn({ exception, event, told }: Frame): string {
  if (exception !== null) return exceptionOf(exception, told);
  return `data: ${JSON.stringify({ ...told, type: event })}\n\n`;
}
