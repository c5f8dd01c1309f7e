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
