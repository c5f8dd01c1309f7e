import { FactotumError } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { ChangeSet, RowChange } from "./change-set.ts";
import { tableChanges } from "./moved.ts";
import { pipeline, type Send } from "./pipeline.ts";
import { parseRecord } from "./record.ts";
import { isStored, type Relation } from "./relation.ts";
import { currentTables, versionsOf } from "./tables.ts";

/** A row as a person reads it: columns in table order, values as Postgres text, null for SQL NULL. */
export type Row = Readonly<Record<string, string | null>>;

/** One column that differs. */
export type FieldDiff = {
  readonly column: string;
  readonly before: string | null;
  readonly after: string | null;
};

/** One row that differs. */
export type RowDiff = {
  readonly kind: "insert" | "update" | "delete";
  /** `schema.table`; partitions go by the name of their table. */
  readonly table: string;
  /** The primary key's columns. */
  readonly key: Row;
  /** The whole row before and after; null on the side where there is none. */
  readonly before: Row | null;
  readonly after: Row | null;
  /** What differs: of an inserted or deleted row, every value that is not null. */
  readonly fields: readonly FieldDiff[];
};

/** A change set by row and field. */
export type Diff = readonly RowDiff[];

/** What the columns of an image are called. */
export type Shape = {
  readonly root: string;
  /** In record order; null for a column that no image holds. */
  readonly columns: readonly (string | null)[];
  readonly key: readonly string[];
};

/**
 * A staged change set by row and field.
 *
 * @throws {ConflictError} where a table's columns were changed since the images were taken
 */
export async function diff(tx: Transaction, set: ChangeSet): Promise<Diff> {
  if (set.rows.length === 0) return [];
  const names = [...new Set(set.rows.map((row) => row.table))];
  const send: Send = (statements) => pipeline(tx.client, statements);
  const [versions] = await send([versionsOf(names)]);
  const { relations } = await currentTables(tx.client, send, names, versions);
  const byName = new Map(relations.map((relation) => [relation.name, relation]));
  const changes = tableChanges(set, (name) => byName.get(name));
  const shapes = new Map(changes.map(({ relation }) => [relation.fingerprint, shapeOf(relation)]));
  return diffRows(set.rows, shapes);
}

/** The shape of a table as it is now. */
export function shapeOf(relation: Relation): Shape {
  return {
    root: relation.root,
    columns: relation.columns.map((column) => (isStored(column) ? column.name : null)),
    key: relation.key.flatMap((at) => relation.columns[at]?.name ?? []),
  };
}

/** Rows by field, given the shape of each fingerprint; a row that moved between partitions is one update. */
export function diffRows(rows: readonly RowChange[], shapes: ReadonlyMap<string, Shape>): Diff {
  const merged = new Map<string, RowDiff>();
  for (const row of rows) {
    const shape = shapes.get(row.fingerprint);
    if (shape === undefined) throw shapeMissing(row);
    const before = read(shape, row.before);
    const after = read(shape, row.after);
    const id = `${shape.root} ${row.key}`;
    const other = merged.get(id);
    merged.set(id, compare(shape, before ?? other?.before ?? null, after ?? other?.after ?? null));
  }
  return [...merged.values()];
}

function read(shape: Shape, image: string | null): Row | null {
  if (image === null) return null;
  const values = parseRecord(image);
  return Object.fromEntries(
    shape.columns.flatMap((column, at) => (column === null ? [] : [[column, values[at] ?? null]])),
  );
}

function compare(shape: Shape, before: Row | null, after: Row | null): RowDiff {
  const some = after ?? before ?? {};
  const fields = Object.keys(some)
    .map((column) => ({ column, before: before?.[column] ?? null, after: after?.[column] ?? null }))
    .filter((field) => field.before !== field.after);
  return {
    kind: before === null ? "insert" : after === null ? "delete" : "update",
    table: shape.root,
    key: Object.fromEntries(shape.key.map((column) => [column, some[column] ?? null])),
    before,
    after,
    fields,
  };
}

function shapeMissing(row: RowChange): FactotumError {
  return new FactotumError({
    code: "shape-missing",
    retry: "never",
    message: `the columns of ${row.table} ${row.key}, as they were when it was changed, are not on record`,
  });
}
