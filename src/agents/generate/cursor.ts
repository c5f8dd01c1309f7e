import { InputError } from "../../kernel/index.ts";
import type { ColumnPlan, TablePlan } from "./plan.ts";
import { field, type Parameters } from "./sql.ts";

/** One column of an order; missing values come last in both directions. */
export type Ordering = { readonly column: ColumnPlan; readonly descending: boolean };

/** Adds what is needed of the primary key, so that no two rows stand in the same place. */
export function totalOrder(plan: TablePlan, wanted: readonly Ordering[]): readonly Ordering[] {
  const named = new Set(wanted.map(({ column }) => column.key));
  const rest = plan.primaryKey.filter((column) => !named.has(column.key));
  return [...wanted, ...rest.map((column) => ({ column, descending: false }))];
}

/** The ORDER BY of an order. */
export function orderSql(order: readonly Ordering[]): string {
  return order
    .map(({ column, descending }) => `${field(column)} ${descending ? "desc" : "asc"} nulls last`)
    .join(", ");
}

/** Where the next page begins: the place of the last row in an order, as a word that nobody need read. */
export function cursorOf(order: readonly Ordering[], place: readonly (string | null)[]): string {
  return Buffer.from(JSON.stringify([spelled(order), place])).toString("base64url");
}

/** The condition of standing behind a cursor. @throws {InputError} `cursor-invalid` */
export function behind(order: readonly Ordering[], cursor: string, parameters: Parameters): string {
  const place = placeOf(order, cursor);
  const alternatives = order.map((last, at) => {
    const same = order.slice(0, at).map(({ column }, index) => {
      const value = place[index] ?? null;
      return value === null ? `${field(column)} is null` : `${field(column)} = ${parameters.add(value)}`;
    });
    return [...same, past(last, place[at] ?? null, parameters)].join(" and ");
  });
  return `(${alternatives.map((one) => `(${one})`).join(" or ")})`;
}

function past({ column, descending }: Ordering, value: string | null, parameters: Parameters): string {
  if (value === null) return "false";
  const further = `${field(column)} ${descending ? "<" : ">"} ${parameters.add(value)}`;
  return column.column.nullable ? `(${further} or ${field(column)} is null)` : further;
}

function placeOf(order: readonly Ordering[], cursor: string): readonly (string | null)[] {
  const [spelling, place] = decoded(cursor);
  const fits =
    spelling === spelled(order) &&
    Array.isArray(place) &&
    place.length === order.length &&
    place.every((value) => value === null || typeof value === "string");
  if (fits) return place as readonly (string | null)[];
  throw new InputError({
    code: "cursor-invalid",
    message: "this cursor is not of this order; pass the cursor that the same call returned, or leave it out",
  });
}

function decoded(cursor: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function spelled(order: readonly Ordering[]): string {
  return order.map(({ column, descending }) => `${descending ? "-" : ""}${column.key}`).join(",");
}
