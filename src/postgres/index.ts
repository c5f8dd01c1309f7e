/** Room `postgres`: the database, embedded or the user's own. */
export { type ClockSetting, databaseClock, resetClock, setClock } from "./clock.ts";
export type { QueryResult, Session, Transaction } from "./connections.ts";
export { type Database, type DatabaseOptions, openDatabase, type TransactionOptions } from "./database.ts";
export { isConnectionFault, PostgresError, sqlStateOf, type StatementFault } from "./errors.ts";
export { migrate, type Migration, migrationsDirectory, readMigrations } from "./migrate.ts";
