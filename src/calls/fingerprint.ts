import { createHash } from "node:crypto";
import { canonicalJson, type Json } from "../kernel/index.ts";
import type { ModelCall } from "../models/index.ts";

/** A part of a call as text; a long conversation asks again and again what it asked before. */
type Measured = { readonly canonical: string; readonly bytes: number };

/** By the part itself: messages and tools are plain data that nobody changes. */
const measured = new WeakMap<object, Measured>();

function measure(part: object): Measured {
  const known = measured.get(part);
  if (known !== undefined) return known;
  const text = JSON.stringify(part);
  // A round trip through text drops undefined fields, which canonical JSON has no form for.
  const canonical = canonicalJson(JSON.parse(text) as Json);
  const made = { canonical, bytes: Buffer.byteLength(text, "utf8") };
  measured.set(part, made);
  return made;
}

/** The fingerprint of everything a model is asked: two calls with the same digest ask the same. */
export function digestOf(call: ModelCall): string {
  const { messages, tools, ...rest } = call;
  const list = (parts: readonly object[]): string =>
    `[${parts.map((part) => measure(part).canonical).join(",")}]`;
  const fields = Object.entries(JSON.parse(JSON.stringify(rest)) as Readonly<Record<string, Json>>)
    .map(([name, value]): readonly [string, string] => [name, canonicalJson(value)])
    .concat([
      ["messages", list(messages)],
      ["tools", list(tools)],
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const text = fields.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",");
  return createHash("sha256").update(`{${text}}`).digest("hex");
}

/** The bytes of `[messages, tools]` as JSON. */
export function promptBytes({ messages, tools }: Pick<ModelCall, "messages" | "tools">): bigint {
  const list = (parts: readonly object[]): number =>
    parts.reduce((sum, part) => sum + measure(part).bytes, 2 + Math.max(0, parts.length - 1));
  return BigInt(list(messages) + list(tools) + 3);
}
