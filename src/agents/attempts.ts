import type { ChangeSet, Diff } from "../changes/index.ts";
import { jsonbText, type RunId, storableText } from "../kernel/index.ts";
import type { ToolCall, Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Refusal } from "./refusal.ts";
import type { Staged } from "./workshop.ts";

/** One try of one rung at a run. */
export type Attempt = {
  readonly runId: RunId;
  readonly number: number;
  readonly rung: string;
  readonly model: string | null;
  /** `compared`: made only to be compared with another, and never committed. */
  readonly status: "working" | "discarded" | "compared" | "asked" | "committed";
  readonly calls: readonly ToolCall[];
  readonly changeSet: ChangeSet;
  readonly diff: Diff;
  readonly verdicts: readonly Verdict[];
  /** Calls that guards refused. */
  readonly refusals: readonly Refusal[];
  readonly because: string | null;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
};

/** An attempt as it is written: the times are the database's. */
export type AttemptRecord = Omit<Attempt, "startedAt" | "endedAt">;

const COLUMNS = `run_id as "runId", number, rung, model, status, calls, change_set as "changeSet", diff,
  verdicts, refusals, because, started_at as "startedAt", ended_at as "endedAt"`;

/** Writes an attempt, or brings the row of one under way up to date. */
export async function saveAttempt(tx: Transaction, attempt: AttemptRecord): Promise<void> {
  await tx.query(
    `insert into factotum.attempts
       (run_id, number, rung, model, status, calls, change_set, diff, verdicts, refusals, because,
        ended_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
       case when $5 = 'working' then null else factotum.now() end)
     on conflict on constraint attempts_pkey do update set
       status = excluded.status, calls = excluded.calls, change_set = excluded.change_set,
       diff = excluded.diff, verdicts = excluded.verdicts, refusals = excluded.refusals,
       because = excluded.because,
       ended_at = excluded.ended_at`,
    [
      ...[attempt.runId, attempt.number, attempt.rung, attempt.model, attempt.status],
      ...[attempt.calls, attempt.changeSet, attempt.diff, attempt.verdicts, attempt.refusals].map((part) =>
        jsonbText(part),
      ),
      attempt.because === null ? null : storableText(attempt.because),
    ],
  );
}

/** An attempt as it is written. */
export function recordOf({ startedAt: _started, endedAt: _ended, ...record }: Attempt): AttemptRecord {
  return record;
}

/** What an attempt has staged, to go on from. */
export function stagedOf(attempt: AttemptRecord): Staged {
  const { calls, changeSet, verdicts, refusals } = attempt;
  return { calls, changeSet, refusals, guarded: verdicts.filter((verdict) => verdict.by === "guard") };
}

/** One attempt of a run, if it was made. */
export async function getAttempt(
  tx: Pick<Transaction, "query">,
  runId: RunId,
  number: number,
): Promise<Attempt | undefined> {
  const { rows } = await tx.query<Attempt>(
    `select ${COLUMNS} from factotum.attempts where run_id = $1 and number = $2`,
    [runId, number],
  );
  return rows[0];
}

/** The attempts of a run in the order they were made. */
export async function listAttempts(
  tx: Pick<Transaction, "query">,
  runId: RunId,
): Promise<readonly Attempt[]> {
  const { rows } = await tx.query<Attempt>(
    `select ${COLUMNS} from factotum.attempts where run_id = $1 order by number`,
    [runId],
  );
  return rows;
}
