/** The commit pass: what is committed can be undone exactly, and the same rows are never changed twice. */
import { type About, commit, ConflictError, undo } from "factotum/changes";
import type { RunId } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import type { Replayed } from "./businesses-replay.ts";
import { checksum, type Shapes } from "./businesses-rows.ts";

const SAMPLE = 24;
const about: About = { runId: "1" as RunId, attempt: 1, agent: "replay", because: "a recorded run" };

/** What a sample of change sets did when committed, committed again, and undone. */
export type Commits = {
  readonly sample: number;
  /** Commits after which the tables were no longer as before, as they should be. */
  readonly changed: number;
  /** Undos after which every table was again as before the commit. */
  readonly restored: number;
  /** Pairs of change sets on a common row; the second was refused with a conflict that names a row. */
  readonly sameRows: { readonly conflicts: number; readonly total: number };
};

/** Commits and undoes a sample of the change sets, spread over all of them. */
export async function commitPass(db: Database, shapes: Shapes, runs: readonly Replayed[]): Promise<Commits> {
  const staged = runs.filter((run) => run.changes.rows.length > 0);
  const step = Math.max(1, Math.floor(staged.length / SAMPLE));
  const sample = staged.filter((_, at) => at % step === 0).slice(0, SAMPLE);
  const before = await checksum(db, shapes);
  let changed = 0;
  let restored = 0;
  let conflicts = 0;
  let total = 0;
  for (const run of sample) {
    const id = await db.transaction((tx) => commit(tx, run.changes, about));
    if ((await checksum(db, shapes)) !== before) changed += 1;
    for (const other of staged.filter((one) => shareRow(one, run))) {
      total += 1;
      if (await conflictsLoudly(db, other)) conflicts += 1;
    }
    await db.transaction((tx) => undo(tx, id, about));
    if ((await checksum(db, shapes)) === before) restored += 1;
  }
  return { sample: sample.length, changed, restored, sameRows: { conflicts, total } };
}

class Committed extends Error {}

/** A commit that should fail is rolled back where it does not, so that one fault does not make others. */
async function conflictsLoudly(db: Database, run: Replayed): Promise<boolean> {
  try {
    await db.transaction(async (tx) => {
      await commit(tx, run.changes, about);
      throw new Committed();
    });
  } catch (error) {
    if (error instanceof ConflictError) return error.rows.length > 0;
    if (!(error instanceof Committed)) throw error;
  }
  return false;
}

function shareRow(one: Replayed, other: Replayed): boolean {
  const keys = new Set(one.changes.rows.map((row) => `${row.table} ${row.key}`));
  return other.changes.rows.some((row) => keys.has(`${row.table} ${row.key}`));
}
