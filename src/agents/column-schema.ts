import { z } from "zod";
import type { Column, Table } from "../postgres/index.ts";

const INTEGER_TYPES = new Set(["smallint", "integer"]);
const NUMBER_TYPES = new Set(["real", "double precision"]);
const JSON_TYPES = new Set(["json", "jsonb"]);

/** The Zod schema of a column's value as tools take it; the column's comment becomes its description. */
export function columnSchema(column: Column): z.ZodType {
  const base = valueSchema(column);
  const schema = column.nullable ? base.nullable() : base;
  const said = [column.comment, hint(column.type)].filter(Boolean).join(" ");
  return said === "" ? schema : schema.describe(said);
}

/** The schema of a row as tools return it: loose, since Postgres already guarantees the types. */
export function rowSchema(table: Table): z.ZodType<Record<string, unknown>> {
  return z.record(z.string(), z.unknown()).describe(`a row of ${table.name}`);
}

function valueSchema(column: Column): z.ZodType {
  const values = column.enumValues;
  if (values !== null && values.length > 0) return z.enum(values as [string, ...string[]]);
  if (column.type.endsWith("[]")) return z.array(z.union([z.string(), z.number(), z.boolean(), z.null()]));
  if (INTEGER_TYPES.has(column.type)) return z.number().int();
  if (NUMBER_TYPES.has(column.type)) return z.number();
  if (column.type === "boolean") return z.boolean();
  if (column.type === "bigint") return z.union([z.number().int(), z.string().regex(/^-?\d+$/)]);
  if (column.type.startsWith("numeric")) return z.union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)]);
  if (JSON_TYPES.has(column.type)) return z.json();
  return z.string();
}

function hint(type: string): string | undefined {
  if (type.startsWith("timestamp with time zone")) return "ISO 8601 with offset, such as 2026-03-01T22:00:00Z.";
  if (type === "date") return "ISO 8601 date.";
  if (type === "uuid") return "UUID.";
  return undefined;
}
