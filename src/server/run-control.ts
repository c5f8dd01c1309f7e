import { type Cancelled, cancelRun } from "../agents/index.ts";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import {
  appendStep,
  getRun,
  liftLimit,
  type Limit,
  type LimitLine,
  listLimits,
  listSchedules,
  listSteps,
  listWorkers,
  pauseRun,
  resumeRun,
  retryFailed,
  RunError,
  type ScheduleLine,
  setLimit,
  type Step,
  type WorkerLine,
} from "../runs/index.ts";
import type { Config } from "./config.ts";
import { versionsOf } from "./oversee.ts";
import { type HookRequest, schedulesOf, takeHook } from "./starts.ts";

/** What a person may do to a run under way, and what begins runs by itself. */
export type RunControl = {
  /**
   * Ends a run and all that it started, and takes back what they committed, unless it is to be kept.
   *
   * @throws {RunError} `run-unknown`, `run-over`
   */
  cancel(
    id: RunId,
    how: { readonly by: string; readonly because?: string; readonly keep?: boolean },
  ): Promise<readonly Cancelled[]>;
  /**
   * A run's timeline from the step after `after` on, at most `limit` steps and never more than 1,000.
   *
   * @throws {RunError} `run-unknown`
   */
  steps(id: RunId, page?: { readonly after?: bigint; readonly limit?: number }): Promise<readonly Step[]>;
  /** @throws {RunError} `run-unknown`, `run-over`, `run-paused` */
  pause(id: RunId, by: string): Promise<void>;
  /** @throws {RunError} `run-unknown`, `run-not-paused` */
  resume(id: RunId, by: string): Promise<void>;
  /**
   * Lets a failed run go on from where it stood, with all its tries again: what made it fail was mended.
   *
   * @throws {RunError} `run-unknown`, `run-not-failed`
   */
  retry(id: RunId, by: string): Promise<void>;
  /** The schedules of the configuration, with the time of their next occurrence. */
  schedules(): Promise<readonly ScheduleLine[]>;
  /** The workers of all processes and machines, and what they have in hand. */
  workers(): Promise<readonly WorkerLine[]>;
  /** What all workers together take up. */
  limits(): Promise<readonly LimitLine[]>;
  /**
   * Puts a limit; one that the configuration declares comes back when a worker starts.
   *
   * @throws {InputError} `limit-invalid`
   */
  setLimit(limit: Limit): Promise<void>;
  /** False: there was none. */
  liftLimit(limit: Pick<Limit, "kind" | "name">): Promise<boolean>;
  /** Starts the run of a signed webhook. */
  hook(
    name: string,
    request: HookRequest,
  ): Promise<{ readonly runId: string | null; readonly created: boolean }>;
};

/** Makes the door. */
export function makeRunControl(config: Config, db: Database): RunControl {
  return {
    cancel: (id, { by, because = `cancelled by ${by}`, keep = false }) =>
      cancelRun({ db, ...versionsOf(config) }, id, { by, because, keep }),
    async steps(id, page) {
      await getRun(db, id);
      return listSteps(db, id, page);
    },
    pause: (id, by) => db.transaction((tx) => pauseRun(tx, id, by)),
    resume: (id, by) => db.transaction((tx) => resumeRun(tx, id, by)),
    retry: (id, by) => db.transaction((tx) => retryRun(tx, id, by)),
    schedules: () => listSchedules(db, schedulesOf(config)),
    workers: () => listWorkers(db),
    limits: () => listLimits(db),
    setLimit: (limit) => db.transaction((tx) => setLimit(tx, limit)),
    liftLimit: (limit) => db.transaction((tx) => liftLimit(tx, limit)),
    hook: (name, request) => takeHook(config, db, name, request),
  };
}

/** A cancelled run stays so: what it did was taken back. */
async function retryRun(tx: Transaction, runId: RunId, by: string): Promise<void> {
  const { status } = await getRun(tx, runId, { lock: true });
  if (status === "failed" && (await retryFailed(tx, runId))) {
    await appendStep(tx, runId, { kind: "retried", attempt: null, data: { by } });
    return;
  }
  const instead = `factotum fork ${runId} goes through a run that is over once more`;
  const message = `run ${runId} is ${status}, not failed; nothing was changed. ${instead}`;
  throw new RunError({ code: "run-not-failed", retry: "never", runId, message });
}
