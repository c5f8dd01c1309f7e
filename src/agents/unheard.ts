import { type Nudge, nudgeFromJson } from "../inbox/index.ts";
import type { RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, isNudged, takeNudges } from "../runs/index.ts";
import { listNudges } from "./steer.ts";

/**
 * Whether a person has said something to a run that no turn has read and that what it is about to commit
 * should have known. A budget bears on calls to come and on nothing that is staged: where nothing else was
 * said it is taken up here, in the turn that `tx` is.
 */
export async function isUnheeded(tx: Transaction, runId: RunId, attempt: number): Promise<boolean> {
  if (!(await isNudged(tx, runId))) return false;
  const waiting = (await listNudges(tx, runId)).filter((nudge) => nudge.takenAt === null);
  if (waiting.some(({ text, skip }) => text !== "" || skip)) return true;
  for (const { body, by } of await takeNudges(tx, runId)) {
    await noteNudge(tx, runId, nudgeFromJson(body), by, attempt);
  }
  return false;
}

/** Writes what was said into a run's timeline. */
export async function noteNudge(
  tx: Transaction,
  runId: RunId,
  { text, always, skip, budget, interrupt }: Nudge,
  by: string,
  attempt: number | null,
): Promise<void> {
  const data = {
    ...{ by, text },
    ...(always && { always }),
    ...(skip && { skip }),
    ...(interrupt && { interrupt }),
    ...(budget !== null && { budgetMicroUsd: String(budget) }),
  };
  await appendStep(tx, runId, { kind: "nudged", attempt, data });
}
