import { type ChangeSet, changeSetOf, type Diff, type ReliedRead, type RowChange } from "../changes/index.ts";
import { jsonbText, type RunId, storableText } from "../kernel/index.ts";
import type { ToolCall, Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type Written, writingStatement } from "./attempt-writing.ts";
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

/** An attempt as it is read: its rows and its lists lie in tables of their own. */
type AttemptRow = Omit<Attempt, "changeSet"> & {
  readonly rows: readonly RowChange[];
  readonly relies: readonly ReliedRead[];
};

const items = (kind: "call" | "rely"): string =>
  `(select coalesce(json_agg(i.item order by i.position), '[]')
  from factotum.attempt_items i
  where i.run_id = a.run_id and i.number = a.number and i.kind = '${kind}')`;
const SELECT = `select a.run_id as "runId", a.number, a.rung, a.model, a.status, a.diff, a.verdicts,
    a.refusals, a.because, a.started_at as "startedAt", a.ended_at as "endedAt",
    ${items("call")} as calls, ${items("rely")} as relies,
    (select coalesce(json_agg(json_build_object('table', r.relation, 'key', r.key, 'before', r.before,
        'after', r.after, 'fingerprint', r.fingerprint)), '[]')
      from factotum.attempt_rows r where r.run_id = a.run_id and r.number = a.number) as rows
  from factotum.attempts a`;

/**
 * Writes an attempt, or brings the rows of one under way up to date.
 *
 * @param since what of it is known to be written: only what differs is then sent, so that a turn of a long
 * attempt costs what it changed
 */
export async function saveAttempt(tx: Transaction, attempt: AttemptRecord, since?: Written): Promise<void> {
  const { text, values } = writingStatement(attempt, since, [
    ...[attempt.rung, attempt.model, attempt.status],
    ...[attempt.diff, attempt.verdicts, attempt.refusals].map((part) => jsonbText(part)),
    attempt.because === null ? null : storableText(attempt.because),
  ]);
  await tx.query(text, values);
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
  const { rows } = await tx.query<AttemptRow>(`${SELECT} where a.run_id = $1 and a.number = $2`, [
    runId,
    number,
  ]);
  return rows.map(attemptOf)[0];
}

/** The attempts of a run in the order they were made. */
export async function listAttempts(
  tx: Pick<Transaction, "query">,
  runId: RunId,
): Promise<readonly Attempt[]> {
  const { rows } = await tx.query<AttemptRow>(`${SELECT} where a.run_id = $1 order by a.number`, [runId]);
  return rows.map(attemptOf);
}

function attemptOf({ rows, relies, ...attempt }: AttemptRow): Attempt {
  return { ...attempt, changeSet: changeSetOf(rows, relies) };
}
