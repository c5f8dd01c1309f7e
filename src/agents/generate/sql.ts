import type { Table } from "../../postgres/index.ts";
import type { ColumnPlan } from "./plan.ts";

/** Quotes a name. Only names out of the catalogue are ever given to it. */
export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A table as SQL names it. */
export const relation = (table: Table): string => `${quote(table.schema)}.${quote(table.table)}`;

/** A column of the row called `t`. */
export const field = ({ column }: ColumnPlan): string => `t.${quote(column.name)}`;

/** Values on their way into a statement: each is a parameter, none is ever part of the text. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Adds a value and returns what stands for it. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** A value as its column takes it: JSON as text, since node-postgres would make an SQL array of a list. */
export function stored({ kind, column }: ColumnPlan, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  const isJson = kind === "jsonb" || (kind === "opaque" && column.type.base === "json");
  return isJson ? JSON.stringify(value) : value;
}
