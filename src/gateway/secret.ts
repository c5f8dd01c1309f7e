import { hkdfSync } from "node:crypto";
import { InputError } from "../kernel/index.ts";

const SECRET_CHARS_MIN = 32;
const KEY_BYTES = 32;

/**
 * A key for one purpose, from the secret that replicas share and the database does not hold.
 *
 * @throws {InputError} `gateway-secret` for one that could be guessed
 */
export function derivedKey(secret: string, purpose: string): Buffer {
  if (secret.length < SECRET_CHARS_MIN) {
    throw new InputError({
      code: "gateway-secret",
      message:
        `the gateway's secret has ${secret.length} characters and needs ${SECRET_CHARS_MIN};` +
        " make one with: openssl rand -base64 32",
    });
  }
  return Buffer.from(hkdfSync("sha256", secret, "factotum gateway", purpose, KEY_BYTES));
}
