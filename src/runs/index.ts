/** Room `runs`: durable turns, wake-ups, workers. */
export { cancel, endRun, retryFailed } from "./control.ts";
export { FencedError, RunError } from "./errors.ts";
export { retryPolicy, type RetryPolicy } from "./failure.ts";
export type { Lease } from "./lease.ts";
export { countRuns, getRun, listRuns, type RunCounts, type RunFilter, type RunPage } from "./list.ts";
export { type Reader, type Run, type RunStatus, runStatuses } from "./run.ts";
export { leaseOutside } from "./outside.ts";
export { type RunOrder, startRun } from "./start.ts";
export { appendStep, listSteps, type NewStep, type Step } from "./steps.ts";
export type { TurnEnd } from "./hold.ts";
export type { TurnWork } from "./turn.ts";
export { type Nudge, nudge, takeNudges, wake } from "./wake.ts";
export { type Drive, startWorker, type Worker, type WorkerOptions } from "./worker.ts";
