import type { Json } from "../kernel/index.ts";

/**
 * Text that Postgres can hold: it has no NUL, and its jsonb refuses a lone surrogate; models produce both
 * when a token is cut in half. The mark U+FFFD stays where something was.
 */
export function cleanText(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}

/** The same for every string and key inside plain data. */
export function cleanJson(value: Json): Json {
  if (typeof value === "string") return cleanText(value);
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map(cleanJson);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [cleanText(key), cleanJson(inner)]));
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
