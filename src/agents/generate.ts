import { z } from "zod";
import { InputError } from "../kernel/index.ts";
import type { Column, Table } from "../postgres/index.ts";
import type { TableAccess } from "./agent.ts";
import { columnSchema, rowSchema } from "./column-schema.ts";
import { type Tool, tool } from "./tool.ts";

/** The most rows one `find` returns. */
const FIND_ROWS_MAX = 200;
const FIND_ROWS_DEFAULT = 20;

/**
 * Generates the tools of one table from its live schema: names, types, keys, enums and comments
 * become names, JSON Schema and descriptions. `read` gives `find_*`; `write` adds insert, update, delete.
 */
export function generateTools(table: Table, access: TableAccess | undefined): readonly Tool[] {
  if (access === undefined) return [];
  if (access === "read") return [findTool(table)];
  return [findTool(table), insertTool(table), updateTool(table), deleteTool(table)];
}

function findTool(table: Table): Tool {
  const filters = z.strictObject(
    Object.fromEntries(table.columns.map((column) => [column.name, columnSchema(column).optional()])),
  );
  return tool({
    name: `find_${table.table}`,
    description: describe(table, "Finds rows where every given column equals the given value."),
    effect: "read",
    input: z.strictObject({
      where: filters.default({}),
      limit: z.number().int().min(1).max(FIND_ROWS_MAX).default(FIND_ROWS_DEFAULT),
    }),
    output: z.strictObject({ rows: z.array(rowSchema(table)), more: z.boolean() }),
    run: async (tx, { where, limit }) => {
      const given = Object.entries(where).filter(([, value]) => value !== undefined);
      const clauses = given.map(([name], at) => `${quote(name)} is not distinct from $${at + 1}`);
      const { rows } = await tx.query<{ row: Record<string, unknown> }>(
        `select to_jsonb(t) as row from ${relation(table)} t
         ${clauses.length > 0 ? `where ${clauses.join(" and ")}` : ""}
         order by ${table.primaryKey.columns.map(quote).join(", ")} limit ${limit + 1}`,
        given.map(([, value]) => parameter(value)),
      );
      return { rows: rows.slice(0, limit).map(({ row }) => row), more: rows.length > limit };
    },
  });
}

function insertTool(table: Table): Tool {
  const values = table.columns
    .filter((column) => column.generated === undefined && column.identity !== "always")
    .map((column): [string, z.ZodType] => {
      const schema = columnSchema(column);
      return [column.name, isOptional(column) ? schema.optional() : schema];
    });
  return tool({
    name: `insert_${table.table}`,
    description: describe(table, "Stages one new row; returns it with its key and defaults."),
    effect: "write",
    input: z.strictObject({ row: z.strictObject(Object.fromEntries(values)) }),
    output: rowSchema(table),
    run: async (tx, { row }) => {
      const given = Object.entries(row).filter(([, value]) => value !== undefined);
      const into = given.map(([name]) => quote(name)).join(", ");
      const slots = given.map((_, at) => `$${at + 1}`).join(", ");
      const listed = `(${into}) values (${slots})`;
      return one(
        table,
        await tx.query(
          `insert into ${relation(table)} as t ${given.length > 0 ? listed : "default values"}
           returning to_jsonb(t) as row`,
          given.map(([, value]) => parameter(value)),
        ),
      );
    },
  });
}

function updateTool(table: Table): Tool {
  const changeable = table.columns.filter(
    (column) => column.generated === undefined && column.identity === undefined,
  );
  return tool({
    name: `update_${table.table}`,
    description: describe(table, "Stages new values for the row with this key; other columns stay."),
    effect: "write",
    input: z.strictObject({
      key: keySchema(table),
      set: z.strictObject(
        Object.fromEntries(changeable.map((column) => [column.name, columnSchema(column).optional()])),
      ),
    }),
    output: rowSchema(table),
    run: async (tx, { key, set }) => {
      const given = Object.entries(set).filter(([, value]) => value !== undefined);
      if (given.length === 0) throw empty(table);
      const sets = given.map(([name], at) => `${quote(name)} = $${at + 1}`).join(", ");
      const keys = table.primaryKey.columns.map((name, at) => `t.${quote(name)} = $${given.length + at + 1}`);
      return one(
        table,
        await tx.query(
          `update ${relation(table)} as t set ${sets} where ${keys.join(" and ")}
           returning to_jsonb(t) as row`,
          [...given.map(([, value]) => value), ...keyValues(table, key)].map(parameter),
        ),
      );
    },
  });
}

function deleteTool(table: Table): Tool {
  return tool({
    name: `delete_${table.table}`,
    description: describe(table, "Stages the removal of the row with this key."),
    effect: "write",
    input: z.strictObject({ key: keySchema(table) }),
    output: rowSchema(table),
    run: async (tx, { key }) => {
      const keys = table.primaryKey.columns.map((name, at) => `t.${quote(name)} = $${at + 1}`).join(" and ");
      return one(
        table,
        await tx.query(
          `delete from ${relation(table)} as t where ${keys} returning to_jsonb(t) as row`,
          keyValues(table, key).map(parameter),
        ),
      );
    },
  });
}

function keySchema(table: Table): z.ZodType<Record<string, unknown>> {
  const columns = table.columns.filter((column) => table.primaryKey.columns.includes(column.name));
  return z.strictObject(Object.fromEntries(columns.map((column) => [column.name, columnSchema(column)])));
}

function keyValues(table: Table, key: Record<string, unknown>): readonly unknown[] {
  return table.primaryKey.columns.map((name) => key[name]);
}

function one(
  table: Table,
  result: { readonly rows: readonly { readonly row?: unknown }[] },
): Record<string, unknown> {
  const row = result.rows[0]?.row;
  if (row !== undefined) return row as Record<string, unknown>;
  throw new InputError({
    code: "row-unknown",
    message: `${table.table} has no row with that key; use find_${table.table} to look for it`,
  });
}

function empty(table: Table): InputError {
  return new InputError({
    code: "nothing-to-set",
    message: `update_${table.table} was given no column to set`,
  });
}

function describe(table: Table, what: string): string {
  const keys = `Key: ${table.primaryKey.columns.join(", ")}.`;
  const references = table.foreignKeys.map(
    (key) => `${key.columns.join(", ")} refers to ${key.target}(${key.targetColumns.join(", ")}).`,
  );
  const rules = table.checks.map((check) => `${check.definition}.`);
  return [table.comment, what, keys, ...references, ...rules].filter(Boolean).join(" ");
}

function isOptional(column: Column): boolean {
  return column.nullable || column.default !== undefined || column.identity !== undefined;
}

const relation = (table: Table): string => `${quote(table.schema)}.${quote(table.table)}`;
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** JSON values go in as text: node-postgres would turn an array into a Postgres array. */
function parameter(value: unknown): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value;
}
