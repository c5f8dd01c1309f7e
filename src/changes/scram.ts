import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

const ITERATIONS = 4096;
const SALT_BYTES = 16;

/**
 * What Postgres stores for a password, so that a statement that sets one, and a log of it, need not hold it.
 * The salt comes from the password, which is random and long, so that the same one gives the same text.
 *
 * @see https://www.postgresql.org/docs/18/catalog-pg-authid.html for the form; RFC 5803
 */
export function scramVerifier(role: string, password: string): string {
  const salt = createHash("sha256").update(`${role}:${password}`).digest().subarray(0, SALT_BYTES);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, "sha256");
  const keyed = (text: string): Buffer => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(keyed("Client Key")).digest("base64");
  const server = keyed("Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${stored}:${server}`;
}
