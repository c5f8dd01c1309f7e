import { hash } from "node:crypto";
import type { Answered } from "./inside.ts";

/** Why a request was not made at all. */
type Unmade = { readonly error: { readonly code: string; readonly message: string } };

const ID_CHARS = 24;
const BLANK = 0x20;

/** One line of a batch's output or error file, as OpenAI writes them, without its end. */
export function lineOf(
  batch: string,
  line: number,
  customId: string | null,
  what: { readonly answered: Answered } | Unmade,
): Buffer {
  const id = `batch_req_${hash("sha256", `${batch} ${line}`, "hex").slice(0, ID_CHARS)}`;
  const head = `{"id":"${id}","custom_id":${JSON.stringify(customId)},`;
  if ("error" in what) return Buffer.from(`${head}"response":null,"error":${JSON.stringify(what.error)}}`);
  const { status, call, body } = what.answered;
  return Buffer.concat([
    Buffer.from(`${head}"response":{"status_code":${status},"request_id":${JSON.stringify(call)},"body":`),
    ...[onOneLine(body), Buffer.from('},"error":null}')],
  ]);
}

/** The provider's own bytes where they are JSON: between tokens a line's end is a blank like any other. */
function onOneLine(body: Buffer): Buffer {
  try {
    JSON.parse(body.toString("utf8"));
  } catch {
    return Buffer.from(JSON.stringify(body.toString("utf8")));
  }
  return Buffer.from(body.map((byte) => (byte === 0x0a || byte === 0x0d ? BLANK : byte)));
}
