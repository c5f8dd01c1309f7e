/** What the tests of this room share: effects committed as an agent's would be, and how they stand. */
import { type Effect, commit, emit, emptyChangeSet, stage, undo } from "../changes/index.ts";
import type { ChangeSetId, RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { type CommittedEffect, listEffects } from "./index.ts";

const about = { runId: "7" as RunId, attempt: 1, agent: "clerk", because: "a test" };

/** Commits one change set with these effects. */
export async function commitEffects(db: Database, effects: readonly Effect[]): Promise<ChangeSetId> {
  const options = { tables: [], effects: [...new Set(effects.map((one) => one.channel))] };
  const { changes } = await stage(db, emptyChangeSet, options, async (tx) => {
    for (const effect of effects) await emit(tx, effect);
  });
  return await db.transaction((tx) => commit(tx, changes, about), { retries: 5 });
}

/** Undoes it. */
export async function undoEffectsOf(db: Database, id: ChangeSetId): Promise<ChangeSetId> {
  return await db.transaction((tx) => undo(tx, id, { ...about, because: "a mistake" }), { retries: 5 });
}

/** The effects of a database in the order of their commits. */
export async function effectsOf(db: Database): Promise<readonly CommittedEffect[]> {
  return (await listEffects(db, { limit: 10_000 })).toReversed();
}
