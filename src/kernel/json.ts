/** Plain data: what a run's state, a step and an answer are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** An object of plain data. */
export type JsonObject = { readonly [key: string]: Json };

/** JSON with object keys sorted, so that equal data has equal text. */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/**
 * A value as plain data: what `JSON.stringify` keeps of it. Fields that are undefined go.
 *
 * @throws {TypeError} for what has no JSON form, such as a bigint
 */
export function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value ?? null)) as Json;
}

/**
 * JSON text that Postgres takes as `jsonb`, which holds neither NUL characters nor halves of surrogate
 * pairs: each becomes U+FFFD. Text from outside may have them, and must not fail the run that quotes it.
 */
export function jsonbText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "string" ? storableText(inner) : inner,
  );
}

/** Text that Postgres can hold; see `jsonbText`. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}
