/** The calendar of carriers' maintenance work: how statements enter it, and what a policy asks about it. */
export { type RefusalCode, StatementRefused } from "./errors.ts";
export {
  type AcceptedStatement,
  type CalendarCircuit,
  type CalendarEntry,
  type CalendarWindow,
  foldStatements,
  inOrder,
  isOver,
  worseImpact,
} from "./fold.ts";
export {
  type DownCircuit,
  type FreezeHit,
  freezesHit,
  type MaintenanceKey,
  type RedundancyConflict,
  redundantConflicts,
  type ShortNotice,
  shortNotice,
} from "./policy.ts";
export { type Recorded, recordStatement } from "./record.ts";
