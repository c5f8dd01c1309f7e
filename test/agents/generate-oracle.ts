/** A naive reading of conditions and orders over rows in memory: what generated tools are held to. */
import fc from "fast-check";

/** A column of a random table, with how its values are made, compared and written. */
export type Kind = "integer" | "bigint" | "numeric" | "boolean" | "text" | "level" | "date";
/** A cell as SQL text; null where nothing is. */
export type Cell = string | null;
/** A row by column. */
export type Row = Readonly<Record<string, Cell>>;
/** Conditions as a tool takes them. */
export type Where = { readonly [key: string]: unknown };

const LEVELS = ["low", "mid", "high"];
const TEXTS = [
  "",
  "a",
  "A",
  "ab",
  "a%b",
  "a_b",
  "a\\b",
  "%",
  "_",
  "\\",
  "'; drop table p.t; --",
  '"',
  "$1",
  "B",
];
const VALUES: { readonly [kind in Kind]: readonly string[] } = {
  integer: ["-2", "-1", "0", "1", "2", "2147483647"],
  bigint: ["-1", "0", "1", "9007199254740993", "9007199254740992", "-9223372036854775808"],
  numeric: ["0.00", "0.10", "-0.10", "1.50", "12345678901234567.01", "12345678901234567.02"],
  boolean: ["true", "false"],
  text: TEXTS,
  level: LEVELS,
  date: ["2026-01-01", "2026-01-02", "2025-12-31"],
};

/** Every kind. */
export const kinds = Object.keys(VALUES) as readonly Kind[];

/** Any value of a kind. */
export const cell = (kind: Kind): fc.Arbitrary<string> => fc.constantFrom(...VALUES[kind]);

/** A cell as a tool takes and gives it. */
export function toJson(kind: Kind, value: Cell): string | number | boolean | null {
  if (value === null) return null;
  if (kind === "integer") return Number(value);
  if (kind === "boolean") return value === "true";
  return kind === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Where a comes before b, negative; null is for the caller. */
export function compare(kind: Kind, a: string, b: string): number {
  const [x, y] = [rank(kind, a), rank(kind, b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function rank(kind: Kind, value: string): bigint | string {
  if (kind === "integer" || kind === "bigint") return BigInt(value);
  if (kind === "numeric") return hundredths(value);
  if (kind === "level") return BigInt(LEVELS.indexOf(value));
  if (kind === "boolean") return value === "true" ? 1n : 0n;
  return value;
}

/** A numeric of two places as a whole number of hundredths. */
export const hundredths = (value: string): bigint => BigInt(value.replace(".", ""));

/** Random conditions over columns, nested: few at a time, so that some rows fulfil them and some do not. */
export function conditions(columns: Readonly<Record<string, Kind>>, depth = 2): fc.Arbitrary<Where> {
  const flat = fc
    .uniqueArray(fc.constantFrom(...Object.keys(columns)), { minLength: 1, maxLength: 2 })
    .chain((names) =>
      fc.record(Object.fromEntries(names.map((name) => [name, condition(columns[name] as Kind)]))),
    );
  if (depth === 0) return flat;
  const inner = conditions(columns, depth - 1);
  const several = fc.array(inner, { minLength: 1, maxLength: 3 });
  const joined = fc.oneof(
    several.map((one) => ({ and: one })),
    several.map((one) => ({ or: one })),
    inner.map((one) => ({ not: one })),
  );
  return fc.oneof(
    flat,
    joined,
    fc.tuple(flat, joined).map(([own, more]) => ({ ...own, ...more })),
  );
}

function condition(kind: Kind): fc.Arbitrary<unknown> {
  const value = cell(kind).map((one) => toJson(kind, one));
  const equality = [fc.record({ eq: fc.option(value) }), fc.record({ ne: fc.option(value) })];
  const lists = fc.array(value, { minLength: 1, maxLength: 3 });
  const ordered = ["lt", "lte", "gt", "gte"].map((name) => value.map((one) => ({ [name]: one })));
  const texts = ["starts_with", "contains"].map((name) => cell("text").map((one) => ({ [name]: one })));
  const patterns = fc
    .constantFrom("%", "a%", "_", "%b", String.raw`a\%b`, String.raw`\\`, "A_")
    .chain((one) => fc.constantFrom({ like: one }, { ilike: one }));
  const isNull = fc.boolean().map((one) => ({ is_null: one }));
  if (kind === "boolean") return fc.oneof(value, fc.constant(null), ...equality, isNull);
  const common = [
    value,
    fc.constant(null),
    ...equality,
    isNull,
    lists.map((one) => ({ in: one })),
    lists.map((one) => ({ not_in: one })),
  ];
  // Text is ordered by the database's collation, which no oracle here knows.
  return kind === "text" ? fc.oneof(...common, ...texts, patterns) : fc.oneof(...common, ...ordered);
}

/** Whether a row fulfils conditions. */
export function holds(columns: Readonly<Record<string, Kind>>, where: Where, row: Row): boolean {
  return Object.entries(where).every(([key, given]) => {
    if (key === "and") return (given as readonly Where[]).every((one) => holds(columns, one, row));
    if (key === "or") return (given as readonly Where[]).some((one) => holds(columns, one, row));
    if (key === "not") return !holds(columns, given as Where, row);
    const operators = typeof given === "object" && given !== null ? given : { eq: given };
    return Object.entries(operators).every(([name, operand]) =>
      operatorHolds(columns[key] as Kind, name, operand, row[key] ?? null),
    );
  });
}

function operatorHolds(kind: Kind, name: string, operand: unknown, value: Cell): boolean {
  const same = (one: string | number | boolean | null): boolean =>
    one === null ? value === null : value !== null && compare(kind, value, String(one)) === 0;
  const against = (test: (order: number) => boolean): boolean =>
    value !== null && test(compare(kind, value, String(operand)));
  switch (name) {
    case "is_null":
      return (value === null) === operand;
    case "eq":
      return same(operand as string | null);
    case "ne":
      return !same(operand as string | null);
    case "in":
      return (operand as readonly (string | number | boolean)[]).some(same);
    case "not_in":
      return !(operand as readonly (string | number | boolean)[]).some(same);
    case "lt":
      return against((order) => order < 0);
    case "lte":
      return against((order) => order <= 0);
    case "gt":
      return against((order) => order > 0);
    case "gte":
      return against((order) => order >= 0);
    case "starts_with":
      return value?.startsWith(String(operand)) ?? false;
    case "contains":
      return value?.toLowerCase().includes(String(operand).toLowerCase()) ?? false;
    default:
      return value !== null && likeExpression(String(operand), name === "ilike").test(value);
  }
}

function likeExpression(pattern: string, ignoresCase: boolean): RegExp {
  const parts = pattern.match(/\\[\s\S]|[\s\S]/g) ?? [];
  const source = parts.map((part) => {
    if (part === "%") return "[\\s\\S]*";
    if (part === "_") return "[\\s\\S]";
    return (part.startsWith("\\") && part.length > 1 ? part.slice(1) : part).replaceAll(
      /[.*+?^${}()|[\]\\]/g,
      "\\$&",
    );
  });
  return new RegExp(`^${source.join("")}$`, ignoresCase ? "i" : "");
}
