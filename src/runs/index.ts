/** Room `runs`: durable turns, wake-ups, workers. */
export {
  type ChildOrder,
  CHILDREN_MAX,
  childrenOf,
  DEPTH_MAX,
  getJoin,
  type Join,
  type Kinship,
  kinshipOf,
  lockTree,
  startChildren,
  type Until,
} from "./children.ts";
export { cancel, deadlineDueInMs, endRun, overdueRuns, pauseRun, resumeRun, retryFailed } from "./control.ts";
export { FencedError, RunError } from "./errors.ts";
export {
  checkLimit,
  declareLimits,
  type Limit,
  type LimitLine,
  liftLimit,
  limitKinds,
  listLimits,
  setLimit,
} from "./limits.ts";
export {
  type BadEvents,
  type EventStart,
  listBadEvents,
  type TableEvent,
  takeEvents,
  unwatchTables,
  type Watched,
  watchTables,
} from "./events.ts";
export { retryPolicy, type RetryPolicy } from "./failure.ts";
export type { Lease } from "./lease.ts";
export { countRuns, getRun, listRuns, type RunCounts, type RunFilter, type RunPage } from "./list.ts";
export { type Calendar, type Timing, type Weekday } from "./occurrences.ts";
export { type Duty, type Overseer, type OverseerOptions, startOverseer } from "./overseer.ts";
export {
  declareSchedules,
  fireSchedules,
  leaveSchedules,
  listSchedules,
  type Missed,
  type Schedule,
  scheduleDueInMs,
  type ScheduleLine,
} from "./schedules.ts";
export { type Reader, type Run, type RunStatus, runStatuses } from "./run.ts";
export { leaseOutside } from "./outside.ts";
export { type RunOrder, type Started, startRun, startRuns } from "./start.ts";
export { appendStep, copySteps, listSteps, type NewStep, type Step } from "./steps.ts";
export type { TurnEnd } from "./hold.ts";
export { becauseText } from "./text.ts";
export type { TurnWork } from "./turn.ts";
export { isNudged, type Nudge, nudge, takeNudges, wake, wakeAll } from "./wake.ts";
export { type Drive, startWorker, type Worker, type WorkerOptions } from "./worker.ts";
export { listWorkers, type WorkerLine } from "./workers.ts";
