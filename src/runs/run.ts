import type { Json, RunId, TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/**
 * Where a run stands. `ready`: wants a turn, or has one right now; `waiting`: parked until a time or a
 * wake-up; `paused`: held up by a person; the other three are final, though `failed` and `cancelled` can be
 * taken up by `retryFailed`.
 */
export type RunStatus = "ready" | "waiting" | "paused" | "done" | "failed" | "cancelled";

/** Every status, in the order of a run's life. */
export const runStatuses: readonly RunStatus[] = [
  "ready",
  "waiting",
  "paused",
  "done",
  "failed",
  "cancelled",
];

/** A piece of work under way, as its row in factotum.runs says. */
export type Run = {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  readonly agentVersion: number;
  /** Unique in (tenant, agent): starting it twice yields the same run. Null: never the same. */
  readonly key: string | null;
  /** Higher goes first. */
  readonly priority: number;
  /** Whom its next turns call, where it said so; see `Limit`. */
  readonly provider: string | null;
  readonly input: Json;
  /** The agent's own; null until the first turn unless `startRun` gave one. */
  readonly state: Json;
  readonly status: RunStatus;
  /** What a done run came to, in the agent's words; null in every other status. */
  readonly outcome: string | null;
  /** Why it failed or was cancelled, or the last error while it is tried again. */
  readonly because: string | null;
  /**
   * The business time until which its last turn parked it; null: until it is woken. Kept when it is woken
   * before, so that its next turn can tell, and wait on.
   */
  readonly wakeAt: Date | null;
  /** Raised by every turn and every other change of status. */
  readonly version: bigint;
  /** Steps written so far. */
  readonly steps: bigint;
  /** Errors in a row. */
  readonly failures: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
};

/** What reading needs: a transaction, a session or the database itself. */
export type Reader = Pick<Transaction, "query">;

/** A row of factotum.runs as the driver parses it. */
export type RunRow = {
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly agent_version: number;
  readonly key: string | null;
  readonly priority: number;
  readonly provider: string | null;
  readonly input: Json;
  readonly state: Json;
  readonly status: RunStatus;
  readonly outcome: string | null;
  readonly because: string | null;
  readonly wake_at: Date | null;
  readonly version: string;
  readonly steps: string;
  readonly failures: number;
  readonly created_at: Date;
  readonly updated_at: Date;
};

/** The columns of `RunRow`, for a select or returning list on factotum.runs as `r`. */
export const runColumns =
  "r.id, r.tenant, r.agent, r.agent_version, r.key, r.priority, r.provider, r.input, r.state, r.status, " +
  "r.outcome, r.because, r.wake_at, r.version, r.steps, r.failures, r.created_at, r.updated_at";

/** Parses a row. */
export function runOf(row: RunRow): Run {
  return {
    id: row.id as RunId,
    tenant: row.tenant as TenantId,
    agent: row.agent,
    agentVersion: row.agent_version,
    key: row.key,
    priority: row.priority,
    provider: row.provider,
    input: row.input,
    state: row.state,
    status: row.status,
    outcome: row.outcome,
    because: row.because,
    wakeAt: row.wake_at,
    version: BigInt(row.version),
    steps: BigInt(row.steps),
    failures: row.failures,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
