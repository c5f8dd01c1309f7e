import { DatabaseError } from "pg";
import { FactotumError, messageOf, type Retry } from "../kernel/index.ts";

/** What Postgres said about a failed statement, as far as it said anything. */
export type StatementFault = {
  readonly sqlState: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
};

/**
 * Everything that goes wrong between us and Postgres. `code` names the kind of trouble
 * (`connection-lost`, `commit-unknown`, `constraint-violated`, `serialization-failed`, ...),
 * `fault` holds the five-letter SQLSTATE and the names Postgres gave, where the server answered.
 */
export class PostgresError extends FactotumError {
  readonly fault: StatementFault | undefined;

  constructor(fields: {
    code: string;
    retry: Retry;
    message: string;
    cause?: unknown;
    fault?: StatementFault;
  }) {
    super(fields);
    this.fault = fields.fault;
  }
}

/** The SQLSTATE of a thrown value, or undefined when Postgres never answered. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof PostgresError) return error.fault?.sqlState;
  return error instanceof DatabaseError ? error.code : undefined;
}

type Kind = { readonly code: string; readonly retry: Retry };

/** Exact states before classes; https://www.postgresql.org/docs/18/errcodes-appendix.html */
const KINDS: Readonly<Record<string, Kind>> = {
  "40001": { code: "serialization-failed", retry: "later" },
  "40P01": { code: "deadlock", retry: "later" },
  "55P03": { code: "lock-unavailable", retry: "later" },
  "57014": { code: "statement-cancelled", retry: "later" },
  "25P02": { code: "transaction-aborted", retry: "never" },
  "25006": { code: "read-only", retry: "never" },
  "42501": { code: "permission-denied", retry: "never" },
  "53100": { code: "disk-full", retry: "later" },
  "53200": { code: "server-out-of-memory", retry: "later" },
  "53300": { code: "too-many-connections", retry: "later" },
  "25P03": { code: "connection-lost", retry: "later" },
  "57P01": { code: "connection-lost", retry: "later" },
  "57P02": { code: "connection-lost", retry: "later" },
  "57P03": { code: "server-starting", retry: "later" },
  "57P05": { code: "connection-lost", retry: "later" },
  "28000": { code: "login-refused", retry: "never" },
  "28P01": { code: "login-refused", retry: "never" },
  "3D000": { code: "database-missing", retry: "never" },
};
const CLASSES: Readonly<Record<string, Kind>> = {
  "08": { code: "connection-lost", retry: "later" },
  "22": { code: "value-invalid", retry: "never" },
  "23": { code: "constraint-violated", retry: "never" },
  "42": { code: "statement-invalid", retry: "never" },
  "53": { code: "server-exhausted", retry: "later" },
  "58": { code: "server-trouble", retry: "later" },
  XX: { code: "server-trouble", retry: "later" },
};
const OTHER: Kind = { code: "statement-failed", retry: "never" };

/**
 * Any thrown value of the driver as a `PostgresError`; values that are not the driver's own pass
 * through unchanged, so that what a caller's function throws arrives as it was thrown.
 */
export function translated(error: unknown): unknown {
  if (error instanceof FactotumError) return error;
  if (error instanceof DatabaseError) return fromServer(error);
  if (isConnectionFault(error)) return connectionLost(error);
  return error;
}

/** Whether the trouble is with the connection, so that a fresh one may work. */
export function isConnectionFault(error: unknown): boolean {
  if (error instanceof PostgresError)
    return error.code === "connection-lost" || error.code === "server-starting";
  if (error instanceof FactotumError || !(error instanceof Error)) return false;
  if (error instanceof DatabaseError) {
    const kind = kindOf(error.code ?? "");
    return kind.code === "connection-lost" || kind.code === "server-starting";
  }
  return NETWORK_CODES.has(systemCodeOf(error)) || isDrivers(error.message);
}

/** Codes of a `PostgresError` that say nothing of what was asked. */
const SERVER_TROUBLE = new Set([
  "connection-lost",
  "commit-unknown",
  "connection-refused",
  "server-starting",
  "too-many-connections",
  "pool-exhausted",
]);

/** Whether an error is, or comes from, trouble between us and the server, whatever was asked of it. */
export function isServerTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (error instanceof PostgresError && SERVER_TROUBLE.has(error.code)) || isServerTrouble(error.cause);
}

/** Whether the server let us not in because all of its connections were in use. */
export function isFull(error: unknown): boolean {
  return sqlStateOf(error) === "53300";
}

/** The error code that the operating system gave (`ECONNREFUSED`), or "". */
export function systemCodeOf(error: unknown): string {
  if (error instanceof AggregateError) return systemCodeOf(error.errors[0]);
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

const NETWORK_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
/** pg 8.23 throws plain errors that begin so when a socket dies. */
const DRIVER_MESSAGES = [
  "Connection terminated",
  "Client has encountered a connection error",
  "Client was closed",
  "timeout expired",
  "This socket has been ended",
  "Cannot use a pool after",
];

function isDrivers(message: string): boolean {
  return DRIVER_MESSAGES.some((start) => message.startsWith(start));
}

function connectionLost(error: unknown): PostgresError {
  return new PostgresError({
    code: "connection-lost",
    retry: "later",
    message:
      `the connection to Postgres was lost (${messageOf(error)}); ` +
      `what was not committed is undone: try again`,
    cause: error,
  });
}

function kindOf(sqlState: string): Kind {
  return KINDS[sqlState] ?? CLASSES[sqlState.slice(0, 2)] ?? OTHER;
}

function fromServer(error: DatabaseError): PostgresError {
  const sqlState = error.code ?? "";
  const detail = error.detail === undefined ? "" : ` (${error.detail})`;
  const fault = {
    sqlState,
    ...(error.detail !== undefined && { detail: error.detail }),
    ...(error.hint !== undefined && { hint: error.hint }),
    ...(error.schema !== undefined && { schema: error.schema }),
    ...(error.table !== undefined && { table: error.table }),
    ...(error.column !== undefined && { column: error.column }),
    ...(error.constraint !== undefined && { constraint: error.constraint }),
  };
  return new PostgresError({
    ...kindOf(sqlState),
    message: `Postgres: ${error.message}${detail} [${sqlState}]`,
    cause: error,
    fault,
  });
}
