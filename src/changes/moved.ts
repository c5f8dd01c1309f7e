import { movedStatement, type TableChange } from "./apply.ts";
import type { RowChange } from "./change-set.ts";
import { byTable, type ChangeSet } from "./change-set.ts";
import { ConflictError, type MovedRow } from "./errors.ts";
import type { Send } from "./pipeline.ts";
import type { Relation } from "./relation.ts";

/**
 * The rows of a change set beside the tables they are in.
 *
 * @throws {ConflictError} where a table is gone or its columns changed, which makes images unreadable
 */
export function tableChanges(
  set: ChangeSet,
  find: (name: string) => Relation | undefined,
): readonly TableChange[] {
  return [...byTable(set)].map(([name, rows]) => {
    const relation = find(name);
    if (relation === undefined) throw unreadable(rows, "its table no longer exists");
    const other = rows.filter((row) => row.fingerprint !== relation.fingerprint);
    if (other.length > 0) throw unreadable(other, "the table's columns were changed");
    return { relation, rows };
  });
}

/** Asks which rows are not as the change set found them. */
export async function findMoved(send: Send, changes: readonly TableChange[]): Promise<readonly MovedRow[]> {
  const answers = await send(changes.map(movedStatement));
  return changes.flatMap(({ relation, rows }, at) => {
    const before = new Map(rows.map((row) => [row.key, row.before]));
    return (answers[at]?.rows ?? []).map((row): MovedRow => {
      const key = String(row["key"]);
      return { table: relation.name, key, because: whatHappened(before.get(key) ?? null, row["now"]) };
    });
  });
}

function whatHappened(before: string | null, now: unknown): string {
  if (before === null) return "exists already";
  return now === null ? "is gone" : "was changed meanwhile";
}

function unreadable(rows: readonly RowChange[], because: string): ConflictError {
  return new ConflictError({ rows: rows.map(({ table, key }) => ({ table, key, because })) });
}
