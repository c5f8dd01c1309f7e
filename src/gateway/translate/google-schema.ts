import type { Json, JsonObject } from "../../kernel/index.ts";

/** Google's own schemas write types in capitals; everywhere else they are JSON Schema. */
export function lowerTypes(schema: JsonObject): JsonObject {
  return lowered(schema) as JsonObject;
}

function lowered(value: Json): Json {
  if (Array.isArray(value)) return value.map((each: Json) => lowered(each));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === "type" && typeof inner === "string" ? inner.toLowerCase() : lowered(inner),
    ]),
  );
}
