import { FactotumError, InvariantError, messageOf } from "../kernel/index.ts";
import { type Database, isConnectionFault, sqlStateOf, type Transaction } from "../postgres/index.ts";
import { again, RedefinedError } from "./again.ts";
import { type ApplyMode, type ApplyStatement, applyStatements, type TableChange } from "./apply.ts";
import { type ChangeSet, netChange, withRelies } from "./change-set.ts";
import { checkEffects, emitting, writableWith } from "./emit.ts";
import { ConflictError, StageError } from "./errors.ts";
import { agentFrame, type Frame, ownFrame } from "./frame.ts";
import { givingUp } from "./losses.ts";
import { know, type Known, learn } from "./known.ts";
import { findMoved, tableChanges } from "./moved.ts";
import type { Answer, Statement } from "./pipeline.ts";
import { reliance } from "./rely.ts";
import { chooseMode, inTheWay } from "./replica.ts";
import { openStagingSession, type StagingSession } from "./staging-session.ts";
import { type Captured, deferredConstraints, type Lock, LOCKS, type Seen, witness } from "./witness.ts";

/** What staged work may do. */
export type StageOptions = {
  /** The tables it may write, as `schema.table`; each must have been attached. */
  readonly tables: readonly string[];
  /** The channels it may `emit` to; none by default. */
  readonly effects?: readonly string[];
  /** Longest time one statement may take, in milliseconds; 10 seconds by default. */
  readonly statementTimeoutMs?: number;
  /** Longest time all of the work may take, in milliseconds; 2 minutes by default. */
  readonly workTimeoutMs?: number;
  /** Most rows the work may change; 10,000 by default. The whole change set may have twice as many. */
  readonly rowsMax?: number;
  /** The agent as whose role the work runs; without, it has all the rights we have. */
  readonly as?: string;
  /** What `factotum.tenant()` answers to the work. */
  readonly tenant?: string;
};

const STATEMENT_MS_MAX = 10_000;
/** Longest wait for somebody else's lock; then all of the work is tried again. */
const LOCK_MS_MAX = 5_000;
const WORK_MS_MAX = 120_000;
const ROWS_MAX = 10_000;
/** Rows of all calls of an attempt together, as a multiple of those of one. */
const ATTEMPT_FACTOR = 2;
/** What one statement may answer: far more than a model can read, and far less than this process can hold. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Longest pause between two statements of a tool: rows it wrote stay locked as long. It is a worker's lease,
 * so that where a worker stands still, those who take over its runs need not wait for its locks as well.
 */
const IDLE_MS_MAX = 10_000;

/**
 * Runs work in a transaction of its own in which the base's changes are already made, notes what rows it
 * changes, and rolls back: nobody else ever sees it, and no lock outlives the call. What `work` throws
 * arrives as it was thrown, but after a deadlock, a serialization failure or a lost connection it is run
 * again: it must have no effect outside its transaction.
 *
 * @returns what `work` returned, and the base with its changes added, to be the next call's base
 * @throws {StageError} when the work cannot become a change set
 * @throws {ConflictError} when a row of the base moved
 */
export async function stage<T>(
  db: Database,
  base: ChangeSet,
  options: StageOptions,
  work: (tx: Transaction) => Promise<T>,
): Promise<{ readonly result: T; readonly changes: ChangeSet }> {
  return await again(givingUp((begun) => stageOnce(db, base, options, work, begun)));
}

async function stageOnce<T>(
  db: Database,
  base: ChangeSet,
  options: StageOptions,
  work: (tx: Transaction) => Promise<T>,
  begun: () => void,
): Promise<{ readonly result: T; readonly changes: ChangeSet }> {
  const { effects = [] } = options;
  const tables = writableWith(options.tables, effects);
  return await inSession(db, tables, options.as, async (session) => {
    const known = await know(db, session.ours, [...tables, ...base.rows.map((row) => row.table)]);
    const oids = tables.flatMap((name) => known.byName.get(name)?.oid ?? []);
    const xid = await begin(session, known, base, { ...options, readOnly: false, oids });
    begun();
    const { captured } = frameOf(session);
    const reads = reliance({ ...session, captured, tenant: options.tenant }, known, base);
    const timeoutMs = options.workTimeoutMs ?? WORK_MS_MAX;
    const bounds = { timeoutMs, answerBytesMax: ANSWER_BYTES_MAX };
    const relying = (tx: Transaction) => reads.during(tx, () => emitting(tx, effects, work));
    const result = await session.lend(relying, bounds);
    const constraints = deferredConstraints(known, tables);
    const { clean, ...seen } = await finish(session, constraints, xid).catch((error: unknown) => {
      throw isOutdated(error) ? outdated(known, tables) : error;
    });
    const events = await witness(seen, known, session.ours, { tables, base });
    // What was held against the work is not what holds now: witness has read the tables again.
    if (deferredConstraints(known, tables).join() !== constraints.join()) throw outdated(known, tables);
    const changes = withRelies(netChange(base, events), reads.relies());
    checkEffects(changes, effects);
    checkSize(changes, options.rowsMax ?? ROWS_MAX);
    return { value: { result, changes }, clean };
  });
}

const frameOf = ({ role }: StagingSession): Frame => (role === undefined ? ownFrame : agentFrame(role));

function checkSize({ rows }: ChangeSet, rowsMax: number): void {
  if (rows.length <= rowsMax * ATTEMPT_FACTOR) return;
  throw new StageError({
    code: "too-many-rows",
    message:
      `an attempt changed ${rows.length} rows, and may change ${rowsMax * ATTEMPT_FACTOR}; ` +
      "nothing of the last call was kept: make smaller changes",
  });
}

/**
 * Runs work in the same view as `stage`, for reading only: a statement that writes fails.
 *
 * @throws {ConflictError} when a row of the base moved
 */
export async function peek<T>(
  db: Database,
  base: ChangeSet,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return await inView(db, base, (session) => session.lend(work));
}

/**
 * `peek` for work whose judgement decides, such as a check: what it relies on (`rely`) is added to the
 * change set, and asked again at the commit.
 *
 * @returns what `work` returned, and the base with what was relied on added
 * @throws {ConflictError} when a row of the base moved
 */
export async function inspect<T>(
  db: Database,
  base: ChangeSet,
  work: (tx: Transaction) => Promise<T>,
  { tenant }: Pick<StageOptions, "tenant"> = {},
): Promise<{ readonly result: T; readonly changes: ChangeSet }> {
  const use = async (session: StagingSession, known: Known) => {
    const reads = reliance({ ...session, captured: frameOf(session).captured, tenant }, known, base);
    const result = await session.lend((tx) => reads.during(tx, work));
    return { result, changes: withRelies(base, reads.relies()) };
  };
  return await again(() => inView(db, base, use, tenant));
}

/** Lends a view of the base that cannot be written to. */
async function inView<T>(
  db: Database,
  base: ChangeSet,
  use: (session: StagingSession, known: Known) => Promise<T>,
  tenant?: string,
): Promise<T> {
  return await inSession(db, undefined, undefined, async (session) => {
    const names = base.rows.map((row) => row.table);
    const known = await know(db, session.ours, names);
    await begin(session, known, base, {
      tables: [],
      oids: [],
      readOnly: true,
      ...(tenant !== undefined && { tenant }),
    });
    const value = await use(session, known);
    const answers = await session.send([ROLLBACK, unlock(session)]);
    return { value, clean: isClean(answers[1]) };
  });
}

const ROLLBACK: Statement = { text: "rollback" };
/** Not prepared: a tool could deallocate it, and what is sent after it would be committed one by one. */
const BEGIN: Statement = { text: "begin isolation level read committed", foreign: true };
/** Statements a connection may hold prepared, a tool's own among them, and still be used again. */
const PREPARED_MAX = 1_000;
/**
 * What a rollback leaves behind of a tool: session locks, which this gives back, prepared statements, and
 * Postgres' counters of rows written, which run on from one transaction to the next. Those are flushed, so
 * that the next work is counted from nothing: past 1,000 every row is held against the staging's bounds.
 */
const UNLOCK = `select pg_catalog.pg_advisory_unlock_all(), pg_catalog.pg_stat_force_next_flush(),
    (select pg_catalog.count(*) filter (where from_sql) = 0
        and pg_catalog.count(*) between $1 and ${PREPARED_MAX}
      from pg_catalog.pg_prepared_statements) as clean`;
const unlock = (session: StagingSession): Statement => ({ text: UNLOCK, values: [session.prepared()] });
const isClean = (unlocked: Answer | undefined): boolean => unlocked?.rows[0]?.["clean"] === true;

async function inSession<T>(
  db: Database,
  tables: readonly string[] | undefined,
  as: string | undefined,
  use: (session: StagingSession) => Promise<{ readonly value: T; readonly clean: boolean }>,
): Promise<T> {
  const session = await openStagingSession(db, tables, as);
  let done: { readonly value: T; readonly clean: boolean };
  try {
    done = await use(session);
  } catch (error) {
    await abandon(session);
    throw error;
  }
  session.keep(done.clean);
  return done.value;
}

/** Rolls back after a failure; a connection that cannot is closed, which does the same. */
async function abandon(session: StagingSession): Promise<void> {
  try {
    const answers = await session.send([ROLLBACK, unlock(session)]);
    session.keep(isClean(answers[1]));
  } catch {
    session.destroy();
  }
}

/** `oids`: of the tables that may be written. */
type Entry = StageOptions & { readonly readOnly: boolean; readonly oids: readonly string[] };

/** Opens the transaction with the base's changes made in it; answers its id. */
async function begin(session: StagingSession, known: Known, base: ChangeSet, entry: Entry): Promise<unknown> {
  if (base.rows.length === 0) return await enter(session, [], "triggers", entry);
  const changes = await readable(session, known, base);
  const ways = waysToApply(changes, known.replica);
  for (const [at, { mode, replace }] of ways.entries()) {
    try {
      return await enter(session, applyStatements(changes, mode, replace), mode, entry);
    } catch (error) {
      await session.send([ROLLBACK]);
      const refused = error instanceof ConflictError || (sqlStateOf(error) ?? "").startsWith("23");
      if (refused && at < ways.length - 1) continue;
      throw await explained(session, known, base, error);
    }
  }
  throw new InvariantError("no way to put the base's rows in was tried");
}

/** Why the base's rows could not be put in: rows that moved, columns that changed, or what Postgres said. */
async function explained(
  session: StagingSession,
  known: Known,
  base: ChangeSet,
  error: unknown,
): Promise<unknown> {
  if (sqlStateOf(error) === undefined && !(error instanceof ConflictError)) return stageFailed(error);
  const names = [...new Set(base.rows.map((row) => row.table))];
  await learn(known, session.ours, names);
  const rows = await findMoved(
    session.ours,
    tableChanges(base, (name) => known.byName.get(name)),
  );
  if (rows.length > 0) return new ConflictError({ rows, cause: error });
  if (sqlStateOf(error)?.startsWith("23") === true || !known.replica)
    return new ConflictError({ rows, because: inTheWay(error, known.replica), cause: error });
  return error instanceof FactotumError ? error : stageFailed(error);
}

type Way = { readonly mode: ApplyMode; readonly replace: boolean };

/**
 * Where the user has no triggers, those of foreign keys do no harm, and leaving them on is worth a try:
 * switching to replica mode and back makes Postgres plan every prepared statement again, 3 ms a call.
 */
function waysToApply(changes: readonly TableChange[], replica: boolean): readonly Way[] {
  const mode = chooseMode(changes, replica);
  // With triggers on, deleting a row to insert it again would cascade to rows that refer to it, unseen.
  const replaces = mode === "replica" || !changes.some(({ relation }) => relation.referred);
  const ways: readonly Way[] = [{ mode, replace: false }, ...(replaces ? [{ mode, replace: true }] : [])];
  const quiet = changes.every(({ relation }) => relation.userTriggers.length === 0);
  return quiet && mode === "replica" ? [{ mode: "triggers", replace: false }, ...ways] : ways;
}

/** The base beside its tables, which are read again where the images do not fit what is known. */
async function readable(
  session: StagingSession,
  known: Known,
  base: ChangeSet,
): Promise<readonly TableChange[]> {
  const find = (name: string) => known.byName.get(name);
  try {
    return tableChanges(base, find);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const names = [...new Set(base.rows.map((row) => row.table))];
    for (const name of names) known.byName.delete(name);
    await learn(known, session.ours, names);
    return tableChanges(base, find);
  }
}

/** One round trip: begin, put the base's rows in, arm the pill and the capture. */
async function enter(
  session: StagingSession,
  applied: readonly ApplyStatement[],
  mode: ApplyMode,
  entry: Entry,
): Promise<unknown> {
  const frame = frameOf(session);
  const put = frame.put(applied, mode === "replica" && applied.length > 0);
  const settings = {
    ...(entry.readOnly ? { transaction_read_only: "on" } : { "factotum.attempt": "staging" }),
    statement_timeout: String(entry.statementTimeoutMs ?? STATEMENT_MS_MAX),
    lock_timeout: String(LOCK_MS_MAX),
    idle_in_transaction_session_timeout: String(IDLE_MS_MAX),
  };
  const { tenant, rowsMax = ROWS_MAX, oids } = entry;
  const arming = { settings, tenant, rowsMax, tables: oids };
  const answers = await session.send([BEGIN, ...put.map(({ statement }) => statement), frame.arm(arming)]);
  put.forEach(({ rows }, at) => {
    if (rows !== undefined && frame.touched(answers[1 + at]) !== rows) throw new ConflictError({ rows: [] });
  });
  return answers.at(-1)?.rows[0]?.["xid"];
}

/** One round trip: hold the user's deferred constraints against the work, read what it changed, roll back. */
async function finish(
  session: StagingSession,
  constraints: readonly string[],
  xid: unknown,
): Promise<Seen & { readonly clean: boolean }> {
  const check =
    constraints.length > 0 ? [{ text: `set constraints ${constraints.join(", ")} immediate` }] : [];
  let answers: readonly Answer[];
  try {
    const { captured } = frameOf(session);
    answers = await session.send([...check, captured, LOCKS, ROLLBACK, unlock(session)]);
  } catch (error) {
    throw finishFailed(error);
  }
  const captured = answers.at(-4)?.rows as readonly unknown[] as readonly Captured[];
  const locks = answers.at(-3)?.rows as readonly unknown[] as readonly Lock[];
  // The pill's lock is always there, so there is a row to look at.
  if (locks[0]?.xid === xid && locks[0]?.attempt === "staging") {
    return { captured, locks, clean: isClean(answers.at(-1)) };
  }
  throw new StageError({
    code: "escaped-transaction",
    message: "a tool left its transaction, or cleared factotum.attempt in it; nothing was kept",
  });
}

const UNDEFINED_OBJECT = "42704";

/** A constraint that was known is no more. */
function isOutdated(error: unknown): boolean {
  return error instanceof StageError && sqlStateOf(error.cause) === UNDEFINED_OBJECT;
}

/** Forgets tables, so that the next try reads them. */
function outdated(known: Known, tables: readonly string[]): RedefinedError {
  for (const table of tables) known.byName.delete(table);
  return new RedefinedError(`constraints of ${tables.join(", ")} were changed while work was staged on them`);
}

function finishFailed(error: unknown): StageError {
  const state = sqlStateOf(error) ?? "";
  if (state.startsWith("23")) {
    return new StageError({
      code: "constraint-violated",
      message: `staged work breaks a constraint checked at the end: ${messageOf(error)}; nothing was kept`,
      cause: error,
    });
  }
  if (state === "25P02") {
    return new StageError({
      code: "transaction-aborted",
      message:
        "a statement failed inside a tool, which hid the error, so Postgres dropped the whole transaction; " +
        "let the error through, or use a savepoint",
      cause: error,
    });
  }
  return stageFailed(error);
}

function stageFailed(error: unknown): StageError {
  return new StageError({
    code: "stage-failed",
    retry: isConnectionFault(error) ? "later" : "never",
    message: `staging failed, nothing was kept: ${messageOf(error)}`,
    cause: error,
  });
}
