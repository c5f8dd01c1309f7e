import {
  type CallId,
  type Json,
  type MicroUsd,
  microUsd,
  type ModelId,
  type RunId,
} from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type CallOutcome, outcomeFromJson } from "./outcome.ts";

/** A call as it stands. */
export type CallRecord = {
  readonly id: CallId;
  readonly runId: RunId;
  readonly attempt: number;
  readonly model: ModelId;
  /** `digestOf` the call that was intended. */
  readonly digest: string;
  readonly state: "intended" | "answered" | "failed" | "unknown";
  /** Present once answered or failed: what a resumed run goes on with, instead of calling again. */
  readonly outcome: CallOutcome | null;
  readonly hold: MicroUsd;
  readonly intendedAt: Date;
  readonly endedAt: Date | null;
};

type Asker = Pick<Transaction, "query">;
type Row = Omit<CallRecord, "outcome" | "hold"> & { readonly outcome: Json | null; readonly hold: string };

const SELECT = `
  select id, run_id as "runId", attempt, model, digest, state, outcome, hold_micro_usd as hold,
    intended_at as "intendedAt", ended_at as "endedAt"
  from factotum.calls`;

/** A call by its id, or null. */
export async function getCall(tx: Asker, callId: CallId): Promise<CallRecord | null> {
  const { rows } = await tx.query<Row>(`${SELECT} where id = $1`, [callId]);
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

/** A run's calls, in the order they were intended. */
export async function listCalls(tx: Asker, runId: RunId): Promise<readonly CallRecord[]> {
  const { rows } = await tx.query<Row>(`${SELECT} where run_id = $1 order by intended_at, id`, [runId]);
  return rows.map(recordOf);
}

function recordOf(row: Row): CallRecord {
  return {
    ...row,
    outcome: row.outcome === null ? null : outcomeFromJson(row.outcome),
    hold: microUsd(BigInt(row.hold)),
  };
}
