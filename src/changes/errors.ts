import { FactotumError, type Retry } from "../kernel/index.ts";

/** Why staging failed. */
export type StageErrorCode =
  /** A table was written that the attempt did not declare, or that has no capture trigger. */
  | "undeclared-table"
  | "not-attached"
  /** An effect to a channel that the attempt did not declare, or one committed before that was touched. */
  | "undeclared-effect"
  | "effect-changed"
  /** The tool tried to end its own transaction. */
  | "escaped-transaction"
  /** A deferred constraint does not hold at the end of the work. */
  | "constraint-violated"
  /** TRUNCATE, ALTER and the like: not a change of rows. */
  | "schema-change"
  | "too-many-rows"
  | "too-long"
  | "too-much-data"
  /** The work's connection was ended under it, time and again: as a role may do to sessions of its own. */
  | "session-ended"
  /** The agent has no role of its own here, or Postgres refuses its login. */
  | "role-missing"
  /** A statement failed and the tool hid its error, so the transaction is lost. */
  | "transaction-aborted"
  /** The handle was used after its work had ended. */
  | "stage-over"
  /** Postgres or the connection failed around the work. */
  | "stage-failed";

/** Staged work that cannot become a change set. Everything it did was rolled back. */
export class StageError extends FactotumError {
  declare readonly code: StageErrorCode;

  constructor(fields: {
    readonly code: StageErrorCode;
    readonly message: string;
    readonly retry?: Retry;
    readonly cause?: unknown;
  }) {
    super({ retry: "never", ...fields });
  }
}

/** A row that is no longer as the change set found it. */
export type MovedRow = { readonly table: string; readonly key: string; readonly because: string };

/** A relied-on query with its parameters. */
export type MovedQuery = { readonly sql: string; readonly params: readonly unknown[] };

/**
 * The database moved under a change set: nothing of it was applied. Making the attempt again on fresh
 * data may well work, so `retry` is "later".
 */
export class ConflictError extends FactotumError {
  /** The rows that moved, as far as they could be named. */
  readonly rows: readonly MovedRow[];
  /** The queries relied on whose results are no longer the same. */
  readonly queries: readonly MovedQuery[];

  constructor(fields: {
    readonly rows: readonly MovedRow[];
    readonly queries?: readonly MovedQuery[];
    readonly because?: string;
    readonly cause?: unknown;
  }) {
    const named = fields.rows.slice(0, ROWS_NAMED_MAX);
    const list = named.map((row) => `${row.table} ${row.key}: ${row.because}`).join("; ");
    const more = fields.rows.length > named.length ? `; and ${fields.rows.length - named.length} more` : "";
    super({
      code: "conflict",
      retry: "later",
      message: `nothing was committed, because ${fields.because ?? "rows moved since they were read"}${
        list === "" ? "" : `: ${list}${more}`
      }; make the attempt again on fresh data`,
      cause: fields.cause,
    });
    this.rows = fields.rows;
    this.queries = fields.queries ?? [];
  }
}

/** What stands in the way of an undo. */
export type Dependant =
  | { readonly kind: "effect"; readonly id: string; readonly because: string }
  | { readonly kind: "change-set"; readonly id: string; readonly because: string }
  | { readonly kind: "row"; readonly table: string; readonly key: string; readonly because: string };

/** A change set that cannot be undone, because something later depends on it. Nothing was changed. */
export class UndoRefused extends FactotumError {
  readonly dependants: readonly Dependant[];

  constructor(id: string, dependants: readonly Dependant[], cause?: unknown) {
    const list = dependants
      .slice(0, ROWS_NAMED_MAX)
      .map((one) => (one.kind === "row" ? `${one.table} ${one.key} ${one.because}` : one.because));
    const later = dependants.some((one) => one.kind !== "effect");
    super({
      code: "undo-refused",
      retry: "never",
      message:
        `change set ${id} was not undone: ${list.join("; ")}` +
        (later ? "; undo what came later first, or correct the rows" : ""),
      cause,
    });
    this.dependants = dependants;
  }
}

/** A role for an agent that we may not make ourselves. Nothing was changed. */
export class RoleRefused extends FactotumError {
  /** Statements that an administrator runs, as they stand; then it works. */
  readonly sql: readonly string[];

  constructor(agent: string, role: string, sql: readonly string[], cause?: unknown, said?: string) {
    super({
      code: "role-refused",
      retry: "never",
      message:
        `the tools of agent ${agent} run as role ${role}, which cannot be made with the rights we have` +
        `${said === undefined ? "" : ` (${said})`}; as an administrator of the database run:\n` +
        `${sql.map((statement) => `${statement};`).join("\n")}\n` +
        "and try again, or set leastPrivilege: false in the configuration, which lets tools do all we may",
      cause,
    });
    this.sql = sql;
  }
}

const ROWS_NAMED_MAX = 5;
