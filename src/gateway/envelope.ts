import { createHmac, timingSafeEqual } from "node:crypto";
import type { TenantId } from "../kernel/index.ts";
import type { Sealed } from "./translate/ask.ts";

/**
 * Wraps a provider's sealed thoughts so that any replica knows whose they are: the envelope names the issuer
 * in the open, and is authenticated with a key that all replicas share and the database does not hold. What
 * is inside stays the provider's, byte for byte.
 */
export type Seals = {
  wrap(issuer: string, sealed: Sealed): string;
  /** Null for what is no envelope; `forged` for one that was not made here for this tenant. */
  open(text: string): Opened | "forged" | null;
};

/** What an envelope holds. */
type Opened = { readonly issuer: string; readonly sealed: Sealed };

const PREFIX = "fe1.";
const MAC_BYTES = 16;
const ENVELOPE = /^fe1\.([\w-]{1,400})\.([sr])\.([\w-]{22})\./;

/** The bytes that any text holding an envelope has. */
export const ENVELOPE_MARK: Buffer = Buffer.from(`"${PREFIX}`);

/** Makes the seals of one tenant: another tenant's envelopes are forged to it. */
export function makeSeals(key: Buffer, tenant: TenantId): Seals {
  /** Over the name as it is written, so that no envelope has two texts. */
  const macOf = (name: string, { form, data }: Sealed): string =>
    createHmac("sha256", key)
      .update(JSON.stringify(["envelope", tenant, name, form]))
      .update(data)
      .digest()
      .subarray(0, MAC_BYTES)
      .toString("base64url");
  return {
    wrap(issuer, sealed) {
      const name = Buffer.from(issuer, "utf8").toString("base64url");
      const form = sealed.form === "signature" ? "s" : "r";
      return `${PREFIX}${name}.${form}.${macOf(name, sealed)}.${sealed.data}`;
    },
    open(text) {
      if (!text.startsWith(PREFIX)) return null;
      const [whole, name, form, mac] = ENVELOPE.exec(text) ?? [];
      if (whole === undefined || name === undefined || mac === undefined) return "forged";
      const issuer = Buffer.from(name, "base64url").toString("utf8");
      const sealed: Sealed = {
        form: form === "s" ? "signature" : "redacted",
        data: text.slice(whole.length),
      };
      return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(name, sealed)))
        ? { issuer, sealed }
        : "forged";
    },
  };
}
