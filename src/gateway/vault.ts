import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { TenantId } from "../kernel/index.ts";
import type { Random } from "./keys.ts";
import { derivedKey } from "./secret.ts";

/**
 * Seals what the database is to hold of callers' words and cannot read: AES-256-GCM, with a key of each
 * tenant's own that is derived from the secret which replicas share.
 */
export type Vault = {
  /** @param bound what it is kept as; it opens only under the same */
  seal(tenant: TenantId, plain: Buffer, bound: Buffer): Buffer;
  /** Null for what was sealed by another secret, for another tenant, as something else, or changed since. */
  open(tenant: TenantId, sealed: Buffer, bound: Buffer): Buffer | null;
  /** A name for some bytes that says nothing of them to whoever has not the secret. */
  nameOf(tenant: TenantId, parts: readonly (Buffer | string)[]): Buffer;
};

const CIPHER = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Derived keys that are remembered. */
const TENANTS_MAX = 10_000;

/** Makes the vault for one purpose: what another purpose sealed is closed to it. */
export function makeVault(secret: string, purpose: string, random: Random): Vault {
  const keys = new Map<string, Buffer>();
  const keyOf = (use: "seal" | "name", tenant: TenantId): Buffer => {
    const name = `${purpose} ${use} ${tenant}`;
    const known = keys.get(name);
    if (known !== undefined) return known;
    if (keys.size >= TENANTS_MAX) keys.clear();
    const key = derivedKey(secret, name);
    keys.set(name, key);
    return key;
  };
  return {
    seal(tenant, plain, bound) {
      const iv = random(IV_BYTES);
      const cipher = createCipheriv(CIPHER, keyOf("seal", tenant), iv).setAAD(bound);
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), text]);
    },
    open(tenant, sealed, bound) {
      if (sealed.length < IV_BYTES + TAG_BYTES) return null;
      const decipher = createDecipheriv(CIPHER, keyOf("seal", tenant), sealed.subarray(0, IV_BYTES))
        .setAAD(bound)
        .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
      } catch {
        return null;
      }
    },
    nameOf(tenant, parts) {
      const mac = createHmac("sha256", keyOf("name", tenant));
      // Each with its length before it: no two lists of parts have one text.
      for (const part of parts) mac.update(`${Buffer.byteLength(part)}:`).update(part);
      return mac.digest();
    },
  };
}
