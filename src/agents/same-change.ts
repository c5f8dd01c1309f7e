import { createHash } from "node:crypto";
import type { Diff, RowDiff } from "../changes/index.ts";
import type { Column, Table } from "../postgres/index.ts";

/** What one try staged, and the stretch of time in which it did. */
export type StagedDiff = { readonly diff: Diff; readonly from: Date; readonly to: Date };

/** The most differences that are named. */
const NAMED_MAX = 5;
/** The most characters of a row in a difference. */
const ROW_CHARS_MAX = 200;

/** Defaults that give another value each time, as Postgres prints them. */
const FRESH_DEFAULT = new RegExp(
  `\\b(${[
    String.raw`(nextval|gen_random_uuid|uuid\w*|random|now|\w+_timestamp)\(`,
    String.raw`(CURRENT_(TIMESTAMP|DATE|TIME)|LOCALTIME(STAMP)?)\b`,
  ].join("|")})`,
);

/**
 * What two tries staged differently; nothing where they staged the same. An id or default that the database
 * gave, a reference to a row with such an id, and a time within the try itself are the same as their like.
 *
 * @param tables every table of either diff, as the live database describes it
 */
export function differences(one: StagedDiff, other: StagedDiff, tables: readonly Table[]): readonly string[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const [left, right] = [rowsOf(one, byName), rowsOf(other, byName)];
  const only = [
    ...without(left, right).map((row) => `only the first: ${row}`),
    ...without(right, left).map((row) => `only the further one: ${row}`),
  ];
  if (only.length <= NAMED_MAX) return only;
  return [...only.slice(0, NAMED_MAX), `and ${only.length - NAMED_MAX} more`];
}

/** The rows of the left that have no like on the right, each counted. */
function without(left: readonly string[], right: readonly string[]): readonly string[] {
  const rest = [...right];
  return left
    .filter((row) => {
      const at = rest.indexOf(row);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    })
    .map((row) => (row.length > ROW_CHARS_MAX ? `${row.slice(0, ROW_CHARS_MAX)}…` : row));
}

type Tables = ReadonlyMap<string, Table>;
/** What a value that the database gave is called, by table, column and value. */
type Names = ReadonlyMap<string, string>;

function rowsOf(staged: StagedDiff, tables: Tables): readonly string[] {
  const made = staged.diff.filter((row) => row.kind === "insert");
  // First without the names of other new rows, then with: a child is told apart by what its parent is.
  const plain = namesOf(made, tables, (row) => `<new ${row.table}>`);
  const names = namesOf(made, tables, (row) => {
    const text = describe(row, staged, tables, plain);
    return `<new ${row.table} ${createHash("sha256").update(text).digest("hex").slice(0, 8)}>`;
  });
  return staged.diff.map((row) => describe(row, staged, tables, names)).sort();
}

function namesOf(made: Diff, tables: Tables, name: (row: RowDiff) => string): Names {
  return new Map(
    made.flatMap((row) => {
      const columns = tables.get(row.table)?.columns ?? [];
      return columns.filter(isFresh).flatMap((column): readonly (readonly [string, string])[] => {
        const value = row.after?.[column.name];
        return typeof value === "string" ? [[placeOf(row.table, column.name, value), name(row)]] : [];
      });
    }),
  );
}

const placeOf = (table: string, column: string, value: string): string =>
  JSON.stringify([table, column, value]);

const isFresh = (column: Column): boolean =>
  column.identity !== undefined || FRESH_DEFAULT.test(column.default ?? "");

/** A row in words that are the same for the same change. */
function describe(row: RowDiff, staged: StagedDiff, tables: Tables, names: Names): string {
  const table = tables.get(row.table);
  const say = (name: string, value: string | null): string => {
    const column = table?.columns.find((one) => one.name === name);
    if (value === null || column === undefined) return JSON.stringify(value);
    if (row.kind === "insert" && isFresh(column)) return "<given>";
    if (/^(timestamp|date)/.test(column.type.base) && isWithin(value, staged)) return "<now>";
    return referred(table, name, value, names) ?? JSON.stringify(value);
  };
  const key = Object.entries(row.key).map(([name, value]) => `${name}=${say(name, value)}`);
  const fields = row.fields.map(({ column, before, after }) =>
    row.kind === "update"
      ? `${column}: ${JSON.stringify(before)} -> ${say(column, after)}`
      : `${column}=${say(column, row.kind === "insert" ? after : before)}`,
  );
  const shown = row.kind === "insert" ? fields : row.kind === "delete" ? key : [...key, ...fields];
  return `${row.kind} ${row.table} ${shown.join(", ")}`;
}

function referred(table: Table | undefined, column: string, value: string, names: Names): string | undefined {
  for (const key of table?.foreignKeys ?? []) {
    const target = key.targetColumns[key.columns.indexOf(column)];
    const name = target === undefined ? undefined : names.get(placeOf(key.target, target, value));
    if (name !== undefined) return name;
  }
  return undefined;
}

function isWithin(value: string, { from, to }: StagedDiff): boolean {
  // Postgres leaves the minutes of a zone out, and a date is the day the try was made on.
  if (/^\d{4}-\d\d-\d\d$/.test(value)) return [from, to].some((at) => at.toISOString().startsWith(value));
  const text = value.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
  const at = Date.parse(/[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`);
  return at >= from.getTime() - SLACK_MS && at <= to.getTime() + SLACK_MS;
}

/** Two clocks, and a call made a moment before its attempt was written, differ by less. */
const SLACK_MS = 1_000;
