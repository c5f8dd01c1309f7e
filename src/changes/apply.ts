import type { RowChange } from "./change-set.ts";
import type { Statement } from "./pipeline.ts";
import { type Column, isStored, keyColumns, type Relation } from "./relation.ts";

/**
 * How rows are put back:
 * - `replica`: user triggers, cascades and foreign keys off, so that images go in exactly as they were;
 * - `triggers`: all of them on, for roles that may not switch them off; order then follows foreign keys.
 */
export type ApplyMode = "replica" | "triggers";

/** One set-based statement, and how many rows it must touch. */
export type ApplyStatement = Statement & {
  readonly kind: "delete" | "update" | "insert";
  readonly relation: Relation;
  readonly rows: number;
};

/** The rows of a change set that go to one table. */
export type TableChange = { readonly relation: Relation; readonly rows: readonly RowChange[] };

/**
 * The statements that turn `before` images into `after` images, refusing rows that are not as in `before`
 * by touching fewer of them than asked.
 *
 * @param replace updates become a delete and an insert: two rows that swap a unique value pass only so
 */
export function applyStatements(
  changes: readonly TableChange[],
  mode: ApplyMode,
  replace: boolean,
): readonly ApplyStatement[] {
  const deletes: ApplyStatement[] = [];
  const updates: ApplyStatement[] = [];
  const inserts: ApplyStatement[] = [];
  const ordered = mode === "replica" ? changes : parentsFirst(changes);
  for (const { relation, rows } of ordered) {
    const changed = rows.filter((row) => row.before !== null && row.after !== null);
    const split =
      replace || relation.columns.some((column) => column.identityAlways && !isKey(relation, column));
    const gone = rows.filter((row) => row.before !== null && (row.after === null || split));
    const made = rows.filter((row) => row.after !== null && (row.before === null || split));
    if (gone.length > 0) deletes.push(deleteStatement(relation, gone));
    if (changed.length > 0 && !split) updates.push(updateStatement(relation, changed));
    if (made.length > 0) inserts.push(insertStatement(relation, made));
  }
  // Without triggers only unique values collide, so what frees them goes first; with triggers on, what a
  // foreign key needs goes first, unless unique values collided (`replace`).
  if (mode === "replica" || replace) return [...deletes.reverse(), ...updates, ...inserts];
  return [...inserts, ...updates, ...deletes.reverse()];
}

/** SQL that is true where table row `t` is the image `x.before`: its bytes are the same, or else its text. */
function sameRow(relation: Relation): string {
  const stored = relation.columns.filter(isStored);
  const list = (row: string): string =>
    `row(${stored.map((column) => `${row}.${column.sql}`).join(", ")})::record`;
  const bytes =
    stored.length === relation.columns.length ? "(t.*) *= x.before" : `${list("t")} *= ${list("(x.before)")}`;
  // The text form decides where one value has two byte forms, as an array with an unneeded null bitmap.
  return `(${bytes} or ${imageSql(relation)} = x.image)`;
}

/** SQL for the image of table row `t`, as the capture trigger writes it. */
function imageSql(relation: Relation): string {
  if (relation.columns.every(isStored)) return "(t.*)::text";
  const values = relation.columns.map((column) => (isStored(column) ? `t.${column.sql}` : "null"));
  return `row(${values.join(", ")})::text`;
}

/** SQL that joins table row `t` to an image by primary key. */
export function sameKey(relation: Relation, image: string, row = "t"): string {
  return keyColumns(relation)
    .map((column) => `${row}.${column.sql} = (${image}).${column.sql}`)
    .join(" and ");
}

function deleteStatement(relation: Relation, rows: readonly RowChange[]): ApplyStatement {
  const text = `delete from only ${relation.sql} t
    using (select i.image::${relation.sql} as before, i.image from unnest($1::text[]) i(image) offset 0) x
    where ${sameKey(relation, "x.before")} and ${sameRow(relation)}`;
  return { kind: "delete", relation, rows: rows.length, text, values: [rows.map((row) => row.before)] };
}

function updateStatement(relation: Relation, rows: readonly RowChange[]): ApplyStatement {
  const written = relation.columns.filter((column) => isWritten(column) && !isKey(relation, column));
  const set = written.map((column) => `${column.sql} = (x.after).${column.sql}`).join(", ");
  const text = `update only ${relation.sql} t set ${set}
    from (select i.image::${relation.sql} as before, i.next::${relation.sql} as after, i.image
      from unnest($1::text[], $2::text[]) i(image, next) offset 0) x
    where ${sameKey(relation, "x.before")} and ${sameRow(relation)}`;
  const values = [rows.map((row) => row.before), rows.map((row) => row.after)];
  return { kind: "update", relation, rows: rows.length, text, values };
}

function insertStatement(relation: Relation, rows: readonly RowChange[]): ApplyStatement {
  const written = relation.columns.filter(isWritten);
  const text = `insert into ${relation.sql} (${written.map((column) => column.sql).join(", ")})
    overriding system value
    select ${written.map((column) => `x.${column.sql}`).join(", ")}
    from unnest($1::text[]::${relation.sql}[]) x`;
  return { kind: "insert", relation, rows: rows.length, text, values: [rows.map((row) => row.after)] };
}

/**
 * A query for the rows of a table that are not as a change set found them: `now` is the row's text, null
 * where it is gone.
 */
export function movedStatement({ relation, rows }: TableChange): Statement {
  return {
    text: `select x.key, t.image as now
      from (select i.key, i.before, i.image::${relation.sql} as row
        from unnest($1::text[], $2::text[], $3::text[]) i(key, before, image) offset 0) x
      left join lateral (select ${imageSql(relation)} as image from only ${relation.sql} t
        where ${sameKey(relation, "x.row")}) t on true
      where x.before is distinct from t.image
      order by x.key`,
    values: [
      rows.map((row) => row.key),
      rows.map((row) => row.before),
      rows.map((row) => row.before ?? row.after),
    ],
  };
}

function isWritten(column: Column): boolean {
  return column.generated === "no";
}

function isKey(relation: Relation, column: Column): boolean {
  return keyColumns(relation).includes(column);
}

/** Tables in an order in which a foreign key points backwards; tables in a cycle as they come. */
function parentsFirst(changes: readonly TableChange[]): readonly TableChange[] {
  const done: TableChange[] = [];
  const visited = new Set<string>();
  const visit = (change: TableChange): void => {
    if (visited.has(change.relation.oid)) return;
    visited.add(change.relation.oid);
    for (const other of changes) {
      const { oid, rootOid } = other.relation;
      if (change.relation.parents.includes(oid) || change.relation.parents.includes(rootOid)) visit(other);
    }
    done.push(change);
  };
  for (const change of changes) visit(change);
  return done;
}
