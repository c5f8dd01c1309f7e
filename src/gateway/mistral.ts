import { createHash } from "node:crypto";
import type { Json, JsonObject } from "../kernel/index.ts";
import { isObject } from "./translate/fields.ts";
import { askedIn } from "./translate/translate.ts";

/**
 * What Mistral calls otherwise, or refuses with status 422 where it says nothing there: its streams end with
 * usage unasked, and it keeps no answers.
 */
const NAMES: Readonly<Record<string, string | null>> = {
  ...{ max_completion_tokens: "max_tokens", seed: "random_seed" },
  ...{ stream_options: null, store: null },
};
/** The only form of a call's id that it takes; those of other providers are longer. */
const CALL_ID = /^[a-zA-Z0-9]{9}$/;
const CALL_ID_CHARS = 9;

/** A body of chat completions as Mistral takes it. Whatever else it has no words for, it refuses itself. */
export function mistralBody(body: Buffer): Buffer {
  const asked = askedIn(body);
  if (asked === null) return body;
  const fields = Object.entries(asked).flatMap(([name, value]): [string, Json][] => {
    const known = Object.hasOwn(NAMES, name) ? NAMES[name] : name;
    if (known === null || known === undefined) return [];
    return [[known, known === "messages" && Array.isArray(value) ? value.map(withOwnIds) : value]];
  });
  return Buffer.from(JSON.stringify(Object.fromEntries(fields)), "utf8");
}

function withOwnIds(message: Json): Json {
  if (!isObject(message)) return message;
  const { tool_calls: calls, tool_call_id: id } = message;
  return {
    ...message,
    ...(Array.isArray(calls) && {
      tool_calls: calls.map((call) => (isObject(call) ? withOwnId(call) : call)),
    }),
    ...(typeof id === "string" && { tool_call_id: ownId(id) }),
  };
}

function withOwnId(call: JsonObject): JsonObject {
  return typeof call["id"] === "string" ? { ...call, id: ownId(call["id"]) } : call;
}

/** The same for the same id, so that a result finds its call. */
function ownId(id: string): string {
  if (CALL_ID.test(id)) return id;
  return createHash("sha256").update(id).digest("hex").slice(0, CALL_ID_CHARS);
}
