import { field } from "./sql.ts";
import type { ColumnPlan } from "./plan.ts";

/** A row as tools return it. */
export type Row = Record<string, unknown>;

/**
 * What to select so that nothing is lost on the way to JSON: numerics come back as text, big integers as text
 * where a JavaScript number could not hold them, everything else as Postgres writes it in JSON.
 */
export function readable(columns: readonly ColumnPlan[], prefix = "c"): string {
  return columns.map((plan, at) => `${readExpression(plan, field(plan))} as ${prefix}${at}`).join(", ");
}

/** An expression of a column's type, as it can be read without loss. */
export function readExpression({ kind, column }: ColumnPlan, sql: string): string {
  const { base } = column.type;
  if (kind === "bigint" || kind === "numeric") return `(${sql})::text`;
  if (kind === "array" && (base === "bigint" || base === "numeric")) return `to_jsonb((${sql})::text[])`;
  return `to_jsonb(${sql})`;
}

/** The row that `readable` selected. */
export function rowOf(columns: readonly ColumnPlan[], selected: Row, prefix = "c"): Row {
  return Object.fromEntries(
    columns.map((plan, at) => [plan.key, valueOf(plan, selected[`${prefix}${at}`] ?? null)]),
  );
}

/** A value as read: a big integer is a number where that is exact. */
export function valueOf({ kind }: ColumnPlan, value: unknown): unknown {
  if (kind !== "bigint" || typeof value !== "string") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
