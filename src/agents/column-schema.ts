import { z } from "zod";
import type { Column, Table } from "../postgres/index.ts";

const INTEGER_TYPES = new Set(["smallint", "integer"]);
const NUMBER_TYPES = new Set(["real", "double precision"]);
const JSON_TYPES = new Set(["json", "jsonb"]);
/** How values of types without a JSON form are written. */
const FORMS: { readonly [base: string]: string } = {
  "timestamp with time zone": "ISO 8601 with offset, such as 2026-03-01T22:00:00Z.",
  "timestamp without time zone": "ISO 8601 without offset.",
  date: "ISO 8601 date.",
  uuid: "UUID.",
};

/** The Zod schema of a column's value as tools take it; the column's comment becomes its description. */
export function columnSchema(column: Column): z.ZodType {
  const base = valueSchema(column);
  const schema = column.nullable ? base.nullable() : base;
  const said = [column.comment, hint(column.type)].filter(Boolean).join(" ");
  return said === "" ? schema : schema.describe(said);
}

/** The schema of a row as tools return it: loose, since Postgres already guarantees the types. */
export function rowSchema(table: Table): z.ZodType<Record<string, unknown>> {
  return z.record(z.string(), z.unknown()).describe(`a row of ${table.table}`);
}

function valueSchema({ type }: Column): z.ZodType {
  const one = type.enumValues === undefined ? scalarSchema(type.base) : z.enum([...type.enumValues]);
  return type.array ? z.array(one) : one;
}

function scalarSchema(base: string): z.ZodType {
  if (INTEGER_TYPES.has(base)) return z.number().int();
  if (NUMBER_TYPES.has(base)) return z.number();
  if (JSON_TYPES.has(base)) return z.json();
  switch (base) {
    case "boolean":
      return z.boolean();
    case "bigint":
      return z.union([z.number().int(), z.string().regex(/^-?\d+$/)]);
    case "numeric":
      return z.union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)]);
    default:
      return z.string();
  }
}

function hint({ base, domain }: Column["type"]): string | undefined {
  const form = FORMS[base];
  const rules = domain?.checks.join(", ");
  return [form, rules].filter(Boolean).join(" ") || undefined;
}
