import { defaultTenant, type Json, must, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { RunError } from "./errors.ts";
import { type Run, runColumns, runOf, type RunRow } from "./run.ts";
import { jsonText } from "./text.ts";

/** What a run is started from. */
export type RunOrder = {
  /** `default` by default. */
  readonly tenant?: TenantId;
  readonly agent: string;
  readonly agentVersion: number;
  /** What makes it the same run if it is ordered again; omitted, every order is another run. */
  readonly key?: string;
  readonly input: Json;
  /** The state that the first turn finds; null by default. */
  readonly state?: Json;
  /** Higher goes first; 0 by default. */
  readonly priority?: number;
  /** Whom its first turns call, so that a limit on that provider holds for it. */
  readonly provider?: string;
  /** The run begins parked until this business time, for whoever drives it from outside. */
  readonly parkedUntil?: Date;
  /** Business time past which it is ended, whatever it does. */
  readonly deadline?: Date;
};

/** The channel on which workers hear of new and woken runs. */
export const channel = "factotum_runs";

/**
 * Starts a run when `tx` commits; workers are told at the same moment. Race-free on (tenant, agent, key):
 * of any number of orders with the same key, one creates the run and the others get it, whatever their
 * input.
 *
 * @throws {RunError} `start-unseen` in a repeatable-read transaction that cannot see the run another one
 * created
 */
export async function startRun(
  tx: Transaction,
  order: RunOrder,
): Promise<{ readonly run: Run; readonly created: boolean }> {
  const tenant = order.tenant ?? defaultTenant;
  const { rows } = await tx.query<RunRow>(
    `with created as (
       insert into factotum.runs as r
         (tenant, agent, agent_version, key, input, state, priority, provider, status, wake_at)
       values ($1, $2, $3, $4, $5, $6, $7, $10,
         case when $9::timestamptz is null then 'ready' else 'waiting' end, $9)
       on conflict on constraint runs_key_unique do nothing
       returning ${runColumns})
     select r.*, pg_notify($8, 'ready')::text as told from created r`,
    [
      tenant,
      order.agent,
      order.agentVersion,
      order.key ?? null,
      jsonText(order.input, "input"),
      jsonText(order.state ?? null, "state"),
      order.priority ?? 0,
      channel,
      order.parkedUntil ?? null,
      order.provider ?? null,
    ],
  );
  const created = rows[0];
  if (created !== undefined) {
    if (order.deadline !== undefined) await setDeadline(tx, created.id, order.deadline);
    return { run: runOf(created), created: true };
  }
  const key = must(order.key, "the key of a run that exists already");
  const found = await tx.query<RunRow>(
    `select ${runColumns} from factotum.runs r where tenant = $1 and agent = $2 and key = $3`,
    [tenant, order.agent, key],
  );
  if (found.rows[0] !== undefined) return { run: runOf(found.rows[0]), created: false };
  throw new RunError({
    code: "start-unseen",
    retry: "later",
    message: `run ${order.agent}/${key} was started by a transaction that this one cannot see; try again`,
  });
}

/** Whoever ends overdue runs is told, since it may rest until a later one. */
async function setDeadline(tx: Transaction, runId: string, deadline: Date): Promise<void> {
  await tx.query(
    `with set as (update factotum.runs set deadline_at = $2 where id = $1 returning id)
     select pg_notify('factotum_watch', '')::text from set`,
    [runId, deadline],
  );
}
