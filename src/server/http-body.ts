import type { Context } from "hono";
import { z } from "zod";
import { HttpError } from "./http-errors.ts";

const BODY_BYTES_MAX = 1_048_576;

/** Text that Postgres can hold: no NUL character, no half of a surrogate pair. */
export const plainText = z
  .string()
  .refine(
    (text) => text.isWellFormed() && !text.includes("\0"),
    "must be well-formed text without NUL characters",
  );

/**
 * The body of a request as JSON of the form wanted; none at all counts as `{}`.
 *
 * Hono's own limit is not used: where a request states no length, it makes a `Request` of the one it is
 * given, which Node refuses for the adapter's.
 *
 * @throws {HttpError} `body-too-large`, `json-broken`, `request-invalid`
 */
export async function readBody<T>(context: Context, schema: z.ZodType<T>): Promise<T> {
  return parseRequest(schema, await readJson(context));
}

/** The body of a request as whatever JSON it is. @throws {HttpError} `body-too-large`, `json-broken` */
export async function readJson(context: Context): Promise<unknown> {
  const text = await readText(context);
  try {
    return text.trim() === "" ? {} : (JSON.parse(text) as unknown);
  } catch {
    throw new HttpError(400, "json-broken", "the body is not valid JSON");
  }
}

/**
 * Anything a client sent, in the form wanted.
 *
 * @throws {HttpError} `request-invalid`
 */
export function parseRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = safeParse(schema, value);
  if (parsed.success) return parsed.data;
  throw new HttpError(400, "request-invalid", z.prettifyError(parsed.error).replaceAll(/\s+/g, " "));
}

/** JSON can be nested deeper than a recursive schema can follow. */
function safeParse<T>(schema: z.ZodType<T>, value: unknown): ReturnType<typeof schema.safeParse> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new HttpError(400, "request-invalid", "the body is nested too deeply");
  }
}

/** The body of a request as text. @throws {HttpError} `body-too-large` */
export async function readText(context: Context): Promise<string> {
  if (Number(context.req.header("content-length") ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of context.req.raw.body ?? []) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(): HttpError {
  return new HttpError(413, "body-too-large", `a body may have ${BODY_BYTES_MAX} bytes at most`);
}
