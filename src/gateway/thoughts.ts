import type { Json } from "../kernel/index.ts";
import { ENVELOPE_MARK, type Seals } from "./envelope.ts";
import { isList, isObject } from "./translate/fields.ts";
import type { UsageTap } from "./usage-tap.ts";

/** A request without envelopes, for a model that is asked in the client's own protocol. */
export type Unwrapped =
  | { readonly kind: "unwrapped"; readonly body: Buffer; readonly stripped: number }
  | { readonly kind: "forged" };

const FIELD = Buffer.from('"encrypted_content"');
const NEWLINE = 0x0a;
/** Inside a JSON text quotes are escaped, so that nothing said can look like the field. */
const WRAPPABLE = /("encrypted_content"\s*:\s*)("(?:[^"\\]|\\.)+")/g;

/** Whether a request asks for sealed thoughts, or brings some. */
export function hasThoughts(body: Buffer): boolean {
  return body.includes(FIELD) || body.includes("reasoning.encrypted_content");
}

/** The models whose thoughts a request brings along. */
export function issuersIn(body: Buffer, seals: Seals): ReadonlySet<string> {
  const found = new Set<string>();
  for (let at = body.indexOf(ENVELOPE_MARK); at >= 0; at = body.indexOf(ENVELOPE_MARK, at + 1)) {
    const end = body.indexOf('"', at + 1);
    const opened = seals.open(body.toString("utf8", at + 1, end < 0 ? body.length : end));
    if (opened !== null && opened !== "forged") found.add(opened.issuer);
  }
  return found;
}

/**
 * Opens the envelopes of a request: what the asked model sealed is handed back as it was, what others sealed
 * is taken out with the item that it stands in. The rest of the request stays as it is said.
 */
export function unwrap(body: Buffer, seals: Seals, issuer: string): Unwrapped {
  if (!body.includes(ENVELOPE_MARK)) return { kind: "unwrapped", body, stripped: 0 };
  let stripped = 0;
  let forged = false;
  const visit = (value: Json): Json | undefined => {
    if (isList(value)) return value.map(visit).filter((each) => each !== undefined);
    if (!isObject(value)) return value;
    const { type } = value;
    const name = typeof type === "string" ? SEALED_FIELDS[type] : undefined;
    const text = name === undefined ? undefined : value[name];
    const opened = typeof text === "string" ? seals.open(text) : null;
    if (opened === "forged") forged = true;
    if (opened === null || opened === "forged" || name === undefined) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, visit(inner) ?? null]));
    }
    const own = opened.issuer === issuer;
    if (own && opened.sealed.data !== "") return { ...value, [name]: opened.sealed.data };
    if (!own) stripped += 1;
    return undefined;
  };
  const visited = visit(JSON.parse(body.toString("utf8")) as Json);
  if (forged) return { kind: "forged" };
  return { kind: "unwrapped", body: Buffer.from(JSON.stringify(visited ?? {}), "utf8"), stripped };
}

const SEALED_FIELDS: Readonly<Record<string, string>> = {
  ...{ reasoning: "encrypted_content", thinking: "signature", redacted_thinking: "data" },
};

/** Puts the sealed thoughts of an answer that passes into envelopes. @param inner reads its usage */
export function sealingTap(inner: UsageTap, seals: Seals, issuer: string, stream: boolean): UsageTap {
  let carry: Buffer[] = [];
  const wrap = (text: Buffer): Buffer => {
    if (!text.includes(FIELD)) return text;
    const wrapped = text.toString("utf8").replaceAll(WRAPPABLE, (_whole, name: string, quoted: string) => {
      const data = JSON.parse(quoted) as string;
      return `${name}${JSON.stringify(seals.wrap(issuer, { form: "signature", data }))}`;
    });
    return Buffer.from(wrapped, "utf8");
  };
  return {
    edits: true,
    push(piece) {
      const passed = inner.push(piece);
      if (passed === null) return null;
      // A line is whole or not there yet; an answer that is no stream is one line.
      const whole = stream ? passed.lastIndexOf(NEWLINE) + 1 : 0;
      if (whole === 0) {
        carry.push(passed);
        return null;
      }
      const text = Buffer.concat([...carry, passed.subarray(0, whole)]);
      carry = whole === passed.length ? [] : [passed.subarray(whole)];
      return wrap(text);
    },
    rest() {
      const last = inner.rest();
      const text = Buffer.concat(last === null ? carry : [...carry, last]);
      carry = [];
      return text.length === 0 ? null : wrap(text);
    },
    seen: () => inner.seen(),
  };
}
