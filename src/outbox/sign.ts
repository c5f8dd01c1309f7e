import { createHmac, timingSafeEqual } from "node:crypto";
import { InputError } from "../kernel/index.ts";

const PREFIX = "whsec_";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** As the Standard Webhooks specification has it. */
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

/**
 * Reads a secret of the form that the Standard Webhooks specification gives: `whsec_` and 24 to 64 bytes in
 * base64.
 *
 * @throws {InputError} `channel-invalid`; the secret itself is not in the message
 */
export function readSecret(text: string): Buffer {
  const coded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : "";
  const bytes = Buffer.from(coded, "base64");
  if (BASE64.test(coded) && bytes.length >= SECRET_BYTES_MIN && bytes.length <= SECRET_BYTES_MAX)
    return bytes;
  throw new InputError({
    code: "channel-invalid",
    message:
      `the secret of a webhook must be ${PREFIX} and ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes in ` +
      `base64; make one with: echo "${PREFIX}$(openssl rand -base64 32)"`,
  });
}

/**
 * The value of `webhook-signature`: one signature for each secret, so that a secret can be replaced while
 * receivers still know the old one.
 *
 * @param timestamp seconds since 1970
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function sign(secrets: readonly Buffer[], id: string, timestamp: number, body: string): string {
  const signed = `${id}.${timestamp}.${body}`;
  return secrets
    .map((secret) => `v1,${createHmac("sha256", secret).update(signed).digest("base64")}`)
    .join(" ");
}

/** How far a caller's clock may be from ours, as the specification advises. */
const CLOCK_SECONDS_MAX = 300;

/**
 * Holds a call against the secrets that its sender may have signed it with.
 *
 * @param at real time
 * @returns what is wrong with it; undefined where it is to be believed
 */
export function verifySignature(
  secrets: readonly Buffer[],
  headers: { get(name: string): string | null | undefined },
  body: string,
  at: Date,
): string | undefined {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  const given = (headers.get("webhook-signature") ?? "").split(" ");
  if (id === "" || !/^\d{1,12}$/.test(timestamp)) return "it lacks webhook-id, -timestamp or -signature";
  if (Math.abs(at.getTime() / 1_000 - Number(timestamp)) > CLOCK_SECONDS_MAX) {
    return `it was signed more than ${CLOCK_SECONDS_MAX} seconds away from now`;
  }
  const right = sign(secrets, id, Number(timestamp), body).split(" ");
  return given.some((one) => right.some((other) => sameBytes(Buffer.from(one), Buffer.from(other))))
    ? undefined
    : "none of its signatures is right";
}

function sameBytes(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
