import type { Json, RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { RunError } from "./errors.ts";
import type { Reader } from "./run.ts";
import { jsonText } from "./text.ts";

/** One entry of a run's transcript. */
export type Step = {
  /** From 1, without gaps, in each run. */
  readonly seq: bigint;
  /**
   * What it is: the agent's word (`call`, `verdict`, `commit`), or `failure` and `cancelled` of this room.
   */
  readonly kind: string;
  readonly attempt: number | null;
  readonly data: Json;
  /** Business time. */
  readonly at: Date;
};

/** A step before it is written. */
export type NewStep = Pick<Step, "kind" | "attempt" | "data">;

const STEPS_LIMIT = 1_000;

/**
 * Steps of the turn that is open on a transaction. They are written together with the turn's end, in the same
 * statement: nobody can see a turn's steps before it commits, so a round trip for each would buy nothing.
 */
const pendingOf = new WeakMap<Transaction, { readonly runId: RunId; readonly steps: NewStep[] }>();

/** Steps as the three arrays that `insertSteps` takes: kinds, attempts, data. */
export type StepColumns = readonly [string[], (number | null)[], string[]];

/** Marks `tx` as a turn of the run: its steps wait for the turn's end. */
export function gatherSteps(tx: Transaction, runId: RunId): void {
  pendingOf.set(tx, { runId, steps: [] });
}

/** The steps that wait on `tx`; they wait no more. */
export function takePendingSteps(tx: Transaction): StepColumns {
  const steps = pendingOf.get(tx)?.steps.splice(0) ?? [];
  return columnsOf(steps);
}

function columnsOf(steps: readonly NewStep[]): StepColumns {
  return [
    steps.map((step) => step.kind),
    steps.map((step) => step.attempt),
    steps.map((step) => jsonText(step.data, `step "${step.kind}"`)),
  ];
}

/**
 * Inserts steps for each row (id, steps, updated_at) of `source`, whose `steps` already counts them and whose
 * time they get; $1 to $3 are the arrays.
 */
export function insertSteps(source: string): string {
  return `insert into factotum.steps (run_id, seq, kind, attempt, data, at)
    select o.id, o.steps - cardinality($1::text[]) + s.place, s.kind, s.attempt, s.data, o.updated_at
    from ${source} o,
      unnest($1::text[], $2::integer[], $3::json[]) with ordinality as s (kind, attempt, data, place)`;
}

/**
 * Adds a step to a run's transcript when `tx` commits.
 *
 * @throws {RunError} `run-unknown`
 */
export async function appendStep(tx: Transaction, runId: RunId, step: NewStep): Promise<void> {
  const pending = pendingOf.get(tx);
  if (pending?.runId === runId) {
    pending.steps.push(step);
    return;
  }
  await write(tx, runId, columnsOf([step]));
}

async function write(tx: Transaction, runId: RunId, columns: StepColumns): Promise<void> {
  const { rowCount } = await tx.query(
    `with counted as (
       update factotum.runs set steps = steps + cardinality($1::text[]) where id = $4
       returning id, steps, factotum.now() as updated_at)
     ${insertSteps("counted")}`,
    [...columns, runId],
  );
  if (rowCount === columns[0].length) return;
  throw new RunError({
    code: "run-unknown",
    retry: "never",
    runId,
    message: `there is no run ${runId} to add a step to; list the runs there are`,
  });
}

/**
 * Gives a new run, which has none yet, the first steps of another, at their own times.
 *
 * @param steps in order, numbered from 1
 */
export async function copySteps(tx: Transaction, runId: RunId, steps: readonly Step[]): Promise<void> {
  await tx.query(
    `with counted as (update factotum.runs set steps = $5 where id = $6 returning id)
     insert into factotum.steps (run_id, seq, kind, attempt, data, at)
     select c.id, s.place, s.kind, s.attempt, s.data, s.at
     from counted c, unnest($1::text[], $2::integer[], $3::json[], $4::timestamptz[])
       with ordinality as s (kind, attempt, data, at, place)`,
    [...columnsOf(steps), steps.map((step) => step.at), steps.length, runId],
  );
}

/** A run's transcript in order, from the step after `after`, at most `limit` (default and most: 1,000). */
export async function listSteps(
  tx: Reader | Transaction,
  runId: RunId,
  page: { readonly after?: bigint; readonly limit?: number } = {},
): Promise<readonly Step[]> {
  await writePending(tx, runId);
  const { rows } = await tx.query<Omit<Step, "seq"> & { seq: string }>(
    `select seq, kind, attempt, data, at from factotum.steps
     where run_id = $1 and seq > $2 order by seq limit $3`,
    [runId, String(page.after ?? 0n), Math.min(page.limit ?? STEPS_LIMIT, STEPS_LIMIT)],
  );
  return rows.map((row) => ({ ...row, seq: BigInt(row.seq) }));
}

/** A turn that reads its own transcript sees the steps it has just added. */
async function writePending(tx: Reader | Transaction, runId: RunId): Promise<void> {
  if (!("client" in tx) || pendingOf.get(tx)?.runId !== runId) return;
  const columns = takePendingSteps(tx);
  if (columns[0].length > 0) await write(tx, runId, columns);
}
