/** Change sets and recorded rows, brought to one form so that they can be compared. */
import { type ChangeSet, diff, type Row } from "factotum/changes";
import { canonicalJson, type Json } from "factotum/kernel";
import { type Database, introspect, type Table } from "factotum/postgres";
import { type Businesses, domains, type RowChanges } from "./businesses-data.ts";

/** The shapes of all tables of both businesses, by `schema.table`. */
export type Shapes = ReadonlyMap<string, Table>;

/** Reads the shapes of all tables from the live schema, of each table the columns that the data names. */
export async function readShapes(db: Database, data: Businesses): Promise<Shapes> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query<{ name: string }>(
      `select schemaname || '.' || tablename as name from pg_catalog.pg_tables
       where schemaname = any ($1) order by 1`,
      [domains],
    );
    const tables = await introspect(
      tx,
      rows.map((row) => row.name),
    );
    return new Map(tables.map((table) => [table.name, named(table, data)]));
  });
}

/** A change set as sorted lines: table, kind, key or row, and changed fields, numbers as numbers. */
export async function linesOfChanges(
  db: Database,
  shapes: Shapes,
  set: ChangeSet,
): Promise<readonly string[]> {
  const rows = await db.transaction((tx) => diff(tx, set));
  return rows
    .map((row) => {
      const shape = shapes.get(row.table);
      const read = (values: Row): Json =>
        (shape?.columns ?? []).map((column) => value(shape, column.name, values[column.name] ?? null));
      const key = (shape?.primaryKey.columns ?? []).map((name) => value(shape, name, row.key[name] ?? null));
      const name = row.table.split(".")[1] ?? row.table;
      if (row.kind === "insert") return line(name, "+", read(row.after ?? {}));
      if (row.kind === "delete") return line(name, "-", key);
      const fields = row.fields.map((field) => [
        field.column,
        [value(shape, field.column, field.before), value(shape, field.column, field.after)],
      ]);
      return line(name, "~", key, Object.fromEntries(fields) as Json);
    })
    .sort();
}

/** Recorded rows in the same form. */
export function linesOfRecord(changes: RowChanges): readonly string[] {
  return Object.entries(changes)
    .flatMap(([table, rows]) =>
      rows.map(([kind, ...rest]) => line(table, kind, ...rest.map((one) => plain(one as Json)))),
    )
    .sort();
}

/** A fingerprint of every row of all tables. */
export async function checksum(db: Database, shapes: Shapes): Promise<string> {
  const sums = await Promise.all(
    [...shapes.keys()].sort().map(async (name) => {
      // Hashes of rows are put in order rather than the rows: the sort is on 16 bytes, whatever they hold.
      const { rows } = await db.query<{ sum: string }>(
        `select md5(coalesce(string_agg(h, ''::bytea order by h), ''::bytea)) as sum
         from (select decode(md5(t::text), 'hex') as h from ${name} t) hashed`,
      );
      return `${name} ${rows[0]?.sum ?? ""}`;
    }),
  );
  return sums.join("\n");
}

/** Whether a tool answered as recorded: as JSON with numbers as numbers, or the same text. */
export function sameAnswer(recorded: string, ours: Json): boolean {
  if (typeof ours === "string")
    return ours === recorded || (isNumber(ours) && Number(ours) === Number(recorded));
  try {
    return canonicalJson(plain(JSON.parse(recorded) as Json)) === canonicalJson(plain(ours));
  } catch {
    return false;
  }
}

function named(table: Table, data: Businesses): Table {
  const known = domains
    .map((domain) => data.tables[domain][table.name.slice(domain.length + 1)])
    .find((one) => one !== undefined)?.columns;
  return { ...table, columns: table.columns.filter((column) => known?.includes(column.name) ?? true) };
}

function line(table: string, kind: string, ...parts: readonly Json[]): string {
  return `${table} ${kind} ${parts.map((part) => canonicalJson(part)).join(" ")}`;
}

function value(shape: Table | undefined, name: string, text: string | null): Json {
  if (text === null) return null;
  const base = shape?.columns.find((column) => column.name === name)?.type.base ?? "text";
  if (base === "boolean") return text === "t" || text === "true";
  if (base === "jsonb" || base === "json") return plain(JSON.parse(text) as Json);
  if (base.startsWith("timestamp")) return text.replace(" ", "T");
  return /^(int|small|big|numeric|real|double)/.test(base) ? plain(Number(text)) : text;
}

/** Numbers to the cent: the recordings hold what binary floats made of money. */
function plain(json: Json): Json {
  if (typeof json === "number") return Math.round(json * 100) / 100;
  if (Array.isArray(json)) return json.map(plain);
  if (json === null || typeof json !== "object") return json;
  return Object.fromEntries(Object.entries(json).map(([key, one]) => [key, plain(one)]));
}

function isNumber(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}
