import { listCommitted, undo } from "../changes/index.ts";
import { forget } from "../context/index.ts";
import { withdraw } from "../inbox/index.ts";
import { type ChangeSetId, InputError, microUsd, type RunId } from "../kernel/index.ts";
import { bookValue, statementOf } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, endRun, getRun } from "../runs/index.ts";
import { NO_ATTEMPT } from "./attending.ts";
import { readState } from "./state.ts";

/**
 * Undoes everything a run committed, newest first, in one transaction: the rows, the value booked, what
 * was learned from it, and the run's further life.
 *
 * @returns the change sets that were undone
 * @throws {InputError} `nothing-to-undo`; what `changes.undo` throws when something later depends on a row
 */
export async function undoRun(tx: Transaction, runId: RunId, by: string): Promise<readonly ChangeSetId[]> {
  const run = await getRun(tx, runId, { lock: true });
  const committed = (await listCommitted(tx, runId)).filter(
    // What people were told of its questions is no work of its own.
    (set) => set.undoneBy === null && set.undoes === null && set.attempt !== NO_ATTEMPT,
  );
  if (committed.length === 0) {
    throw new InputError({
      code: "nothing-to-undo",
      message: `run ${runId} has no committed change to undo`,
    });
  }
  const state = readState(run.state);
  const because = `undone by ${by}`;
  const newestFirst = [...committed].reverse();
  for (const set of newestFirst) {
    await undo(tx, set.id, { runId, attempt: state.attempt, agent: run.agent, because });
  }
  const { value } = await statementOf(tx, runId);
  const { tenant, agent } = run;
  if (value !== 0n) await bookValue(tx, { runId, tenant, agent, value: microUsd(0n - value), because });
  await forget(tx, runId);
  await withdraw(tx, runId);
  const data = { by, changeSets: newestFirst.map((set) => set.id) };
  await appendStep(tx, runId, { kind: "undone", attempt: null, data });
  await endRun(tx, runId, { state: { ...state, disposition: "undone", question: null }, outcome: "undone" });
  return newestFirst.map((set) => set.id);
}
