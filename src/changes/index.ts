/** Room `changes`: work is staged, shown, committed whole or thrown away, and can be undone. */
export type { About } from "./about.ts";
export { viewSchema } from "./agent-role.ts";
export { attach, attached, detach } from "./attach.ts";
export {
  type ChangeSet,
  changeSetOf,
  emptyChangeSet,
  type ReliedRead,
  type RelyParameter,
  type RowChange,
} from "./change-set.ts";
export { commit } from "./commit.ts";
export { OUTBOX_CHANNEL } from "./deliveries.ts";
export { diff, type Diff, type FieldDiff, type Row, type RowDiff } from "./diff.ts";
export { type Effect, emit, OUTBOX, writableWith } from "./emit.ts";
export { dropRoles, ensureRole, missingForRole, rotatePassword } from "./ensure-role.ts";
export {
  ConflictError,
  type Dependant,
  type MovedQuery,
  type MovedRow,
  RoleRefused,
  StageError,
  type StageErrorCode,
  UndoRefused,
} from "./errors.ts";
export { grantedToAll } from "./granted-to-all.ts";
export { type Blame, blame, type CommittedChangeSet, listCommitted, showCommitted } from "./history.ts";
export { rely, type RelyingView, type RelyOptions } from "./rely.ts";
export { inspect, peek, stage, type StageOptions } from "./stage.ts";
export { type Declared, grantOf, type TableAccess, type TableGrant, writable } from "./table-grant.ts";
export { undo } from "./undo.ts";
