import { instruct } from "../context/index.ts";
import { makeNudge, type NewNudge, type Nudge, nudgeFromJson, nudgeToJson } from "../inbox/index.ts";
import { InputError, type Json, type RunId } from "../kernel/index.ts";
import { putBudget } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { getRun, nudge } from "../runs/index.ts";
import { runBudget } from "./spending.ts";

/** A nudge as it was given. */
export type Nudged = Nudge & {
  readonly id: string;
  readonly runId: RunId;
  readonly by: string;
  readonly at: Date;
  /** When a turn read it; null while it waits. */
  readonly takenAt: Date | null;
};

type Row = {
  readonly id: string;
  readonly run_id: RunId;
  readonly body: Json;
  readonly by: string;
  readonly at: Date;
  readonly taken_at: Date | null;
};

/** The most nudges that one run is given; more is a conversation, which an agent may have. */
const NUDGES_MAX = 1_000;

/**
 * Says something to a run under way, when `tx` commits: it is seen before the run's next step. A budget, and
 * what is always to be done, hold from the commit on, so that whoever says it is told where they cannot.
 *
 * @throws {InputError} `run-over`, `nudges-full`, `budget-below-spent`, `instructions-full`, and what
 * `makeNudge` throws; {RunError} `run-unknown`
 */
export async function steer(
  tx: Transaction,
  runId: RunId,
  given: NewNudge & { readonly by: string },
): Promise<Nudged> {
  const { by, ...said } = given;
  const made = makeNudge(said);
  const run = await getRun(tx, runId);
  const before = await listNudges(tx, runId);
  if (before.length >= NUDGES_MAX) {
    throw new InputError({
      code: "nudges-full",
      message: `run ${runId} was nudged ${before.length} times; skip it, or start another`,
    });
  }
  const { interrupt, always, text, budget } = made;
  const { tenant, agent } = run;
  if (budget !== null) await putBudget(tx, runBudget(run, { name: agent }), { cap: budget });
  if (always) await instruct(tx, { tenant, agent }, { text, by, runId });
  if (!(await nudge(tx, runId, { body: nudgeToJson(made), by, interrupt }))) {
    throw new InputError({
      code: "run-over",
      message:
        `run ${runId} is ${run.status}${run.outcome === null ? "" : ` (${run.outcome})`}, so nobody hears ` +
        "a nudge; undo it, or start another",
    });
  }
  return (await listNudges(tx, runId)).at(-1) as Nudged;
}

/** What was said to a run, oldest first. */
export async function listNudges(tx: Pick<Transaction, "query">, runId: RunId): Promise<readonly Nudged[]> {
  const { rows } = await tx.query<Row>(
    `select id, run_id, body, by, at, taken_at from factotum.nudges where run_id = $1 order by id`,
    [runId],
  );
  return rows.map(({ id, run_id: run, body, by, at, taken_at: takenAt }) => ({
    ...nudgeFromJson(body),
    ...{ id, runId: run, by, at, takenAt },
  }));
}
