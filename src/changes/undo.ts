import { type ChangeSetId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { About } from "./about.ts";
import { inverse } from "./change-set.ts";
import { commitAs } from "./commit.ts";
import { ConflictError, type Dependant, UndoRefused } from "./errors.ts";
import { committedRows } from "./history.ts";
import { undoEffects } from "./undo-effects.ts";

/**
 * Takes a committed change set back by committing its inverse, inside the caller's transaction. Its effects
 * outside the database are never delivered; where one was, its contrary (`ifUndone`) is.
 *
 * @returns the id of the change set that undoes it
 * @throws {UndoRefused} naming what depends on it: a later change set, a row changed since, or an
 * effect that has left
 * @throws {InputError} `change-set-missing`
 */
export async function undo(tx: Transaction, id: ChangeSetId, about: About): Promise<ChangeSetId> {
  const rows = await committedRows(tx, id);
  const later = await laterChangeSets(tx, id);
  if (later.length > 0) throw new UndoRefused(id, later);
  const effects = await undoEffects(tx, id, rows);
  const back = inverse({ rows: effects.rows });
  try {
    const undone = await commitAs(tx, { rows: [...back.rows, ...effects.contraries] }, about, id);
    await effects.withdraw();
    return undone;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const moved = error.rows.map((row): Dependant => ({ kind: "row", ...row }));
    if (moved.length > 0) throw new UndoRefused(id, moved, error);
    throw new UndoRefused(id, [{ kind: "row", table: "", key: "", because: error.message }], error);
  }
}

/** Its own undo, and later change sets on its rows that still hold: neither undone nor an undo. */
async function laterChangeSets(tx: Transaction, id: ChangeSetId): Promise<readonly Dependant[]> {
  const { rows } = await tx.query<{ id: string; agent: string; run: string; row: string; undoes: boolean }>(
    `select s.id::text, s.agent, s.run_id::text as run, min(l.relation || ' ' || l.key) as row,
       coalesce(s.undoes = $1, false) as undoes
     from factotum.change_rows r
     join factotum.change_rows l on l.key = r.key and l.relation = r.relation and l.change_set > r.change_set
     join factotum.change_sets s on s.id = l.change_set
     where r.change_set = $1
       and (s.undoes = $1 or s.undoes is null)
       and not exists (select from factotum.change_sets u where u.undoes = s.id)
     group by s.id order by s.id`,
    [id],
  );
  return rows.map((row): Dependant => {
    const what = row.undoes
      ? `change set ${row.id} has undone it already`
      : `change set ${row.id} (${row.agent}, run ${row.run}) changed ${row.row} after it`;
    return { kind: "change-set", id: row.id, because: what };
  });
}
