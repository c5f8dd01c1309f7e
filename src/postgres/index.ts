/** Room `postgres`: the database, embedded or the user's own. */
export { type ClockSetting, databaseClock, resetClock, setClock } from "./clock.ts";
export type { Login, QueryResult, Session, Transaction } from "./connections.ts";
export { type Database, type DatabaseOptions, openDatabase, type TransactionOptions } from "./database.ts";
export {
  isConnectionFault,
  isServerTrouble,
  PostgresError,
  sqlStateOf,
  type StatementFault,
} from "./errors.ts";
export {
  type CheckConstraint,
  type Column,
  type ColumnType,
  type ExclusionConstraint,
  type ForeignKey,
  type ForeignKeyAction,
  introspect,
  type KeyConstraint,
  listTables,
  type Table,
  type TableKind,
} from "./introspect.ts";
export { copyIn, copyText } from "./copy-in.ts";
export { listenTo } from "./listen.ts";
export { sendTogether } from "./pipeline.ts";
export { makeRowText, type RowText } from "./row-text.ts";
export { type DeferredWork, isCommitUnknown, type Opening, type Prepared } from "./transaction.ts";
export { migrate, type Migration, migrationsDirectory, readMigrations } from "./migrate.ts";
