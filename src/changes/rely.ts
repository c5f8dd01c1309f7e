import { types } from "pg";
import { FactotumError, InputError, messageOf, must } from "../kernel/index.ts";
import { isConnectionFault, type Transaction } from "../postgres/index.ts";
import { searchPath } from "./agent-role.ts";
import { type ChangeSet, netChange, type ReliedRead, type RelyParameter } from "./change-set.ts";
import { StageError } from "./errors.ts";
import { type Known, learn } from "./known.ts";
import type { Answer, Send, Statement } from "./pipeline.ts";
import { digestOf, ENTER, LEAVE, readStatements, rowsOf, tablesIn } from "./relied-read.ts";
import { isQuery } from "./transaction-words.ts";
import type { StagingSession } from "./staging-session.ts";
import { type Captured, events } from "./witness.ts";

/** Queries one change set may rely on. */
const RELIES_MAX = 1_000;
/** Rows of the attempt's own that all of them together may lie on. */
const UNDER_MAX = 20_000;
/** Rows one of them may give: what a person could not weigh, an attempt should not rely on. */
const ROWS_MAX = 10_000;

/** How much a query is relied on. */
export type RelyOptions = {
  /**
   * Between the commit's check and its end nobody may write the tables that were read: the application's
   * writers wait for the commit, and the commit waits some seconds for theirs, or it is a conflict. Without
   * it only commits of change sets are held off. Firm in one read is firm in all reads of the change set.
   */
  readonly firm?: boolean;
};

type Reader = (sql: string, params: readonly RelyParameter[], options: RelyOptions) => Promise<Answer>;

const readers = new WeakMap<object, Reader>();

/** A handle on a staged view: a `Transaction`, or as much of it as a check gets. */
export type RelyingView = {
  readonly query: (sql: string, params?: readonly unknown[]) => Promise<unknown>;
};

/**
 * Runs a query in the staged view and makes the change set depend on its result: the commit asks again,
 * and where anything else comes out, a row more included, it is a `ConflictError`. Ask narrowly: every
 * column and row counts, and so does a clock or a random number in the query.
 *
 * @param tx the handle that `stage` or `inspect` gave to the work
 * @param sql one query that writes nothing; its rows are taken as a set, whatever their order
 * @param params plain data; a date or a bigint goes as text
 * @returns the rows, as `tx.query` would give them
 * @throws {InputError} `not-staged` outside of these, `not-a-query`; what Postgres says of the query
 */
export async function rely<R extends object = Record<string, unknown>>(
  tx: RelyingView,
  sql: string,
  params: readonly RelyParameter[] = [],
  options: RelyOptions = {},
): Promise<readonly R[]> {
  const read = readers.get(tx);
  if (read === undefined) {
    throw new InputError({
      code: "not-staged",
      message: "rely() was called with a handle that is not being staged on; use the one stage() gave",
    });
  }
  if (!isQuery(sql)) {
    throw new InputError({
      code: "not-a-query",
      message: `rely() takes a query that starts with select, with, values or table: ${sql.slice(0, 80)}`,
    });
  }
  const answer = await read(sql, params, options);
  const texts = rowsOf(answer);
  const parse = answer.fields.map((field) => parserOf(field.dataTypeID));
  return texts.map((row) => {
    const values = answer.fields.map(({ name }, at): [string, unknown] => {
      const text = row[at] ?? null;
      return [name, text === null ? null : must(parse[at], "a parser")(text)];
    });
    return Object.fromEntries(values) as R;
  });
}

/** The driver's own parser of a type, as `query` would use it; its types know the built-in oids only. */
const parserOf: (oid: number) => (text: string) => unknown = types.getTypeParser;

/** Collects what one staging relies on. */
export type Reliance = {
  /** Lets `work` use `rely` with its handle, as long as it runs. */
  during<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** All of it, that of the base first. */
  relies(): readonly ReliedRead[];
};

/** Where staged work asks. */
export type Asking = Pick<StagingSession, "role" | "send" | "ours"> & {
  readonly captured: Statement;
  readonly tenant?: string | undefined;
};

/** Makes the collector of a staging on top of `base`. */
export function reliance(asking: Asking, known: Known, base: ChangeSet): Reliance {
  const { role, send, ours, tenant } = asking;
  const reader = {
    ...(tenant !== undefined && { tenant }),
    ...(role !== undefined && { role: role.role, path: searchPath(role) }),
  };
  const as = tenant === undefined && role === undefined ? undefined : reader;
  const relies = new Map((base.relies ?? []).map((one) => [JSON.stringify(one), one]));
  const read: Reader = async (sql, params, { firm }) => {
    const statements = [asking.captured, ...ENTER, ...readStatements([{ sql, params }]), ...LEAVE];
    const answers = await ask(send, statements);
    const answer = must(answers[1 + ENTER.length], "an answer");
    if (answer.rows.length > ROWS_MAX) throw tooMuch(`a query gave more than ${ROWS_MAX} rows`);
    const captured = must(answers[0], "captured rows").rows as readonly unknown[] as readonly Captured[];
    const seen = tablesIn(must(answers[2 + ENTER.length], "tables"));
    const own = await ownChanges(ours, known, base, captured);
    // Where triggers cannot be switched off, a row may need those it refers to before it goes in again.
    const under = known.replica
      ? own.rows.filter((row) => seen.has(known.byName.get(row.table)?.rootOid ?? ""))
      : own.rows;
    const digest = digestOf(answer);
    const plain: ReliedRead = { sql, params: [...params], digest, under, ...(firm === true && { firm }) };
    const one = as === undefined ? plain : { ...plain, as };
    relies.set(JSON.stringify(one), one);
    const lying = [...relies.values()].reduce((sum, { under: rows }) => sum + rows.length, 0);
    if (relies.size > RELIES_MAX) throw tooMuch(`a change set relied on more than ${RELIES_MAX} queries`);
    if (lying > UNDER_MAX)
      throw tooMuch(`queries relied on more than ${UNDER_MAX} rows of the attempt's own`);
    return answer;
  };
  return {
    during: async (tx, work) => {
      readers.set(tx, read);
      try {
        return await work(tx);
      } finally {
        readers.delete(tx);
      }
    },
    relies: () => [...relies.values()],
  };
}

/** The query's failure undoes the query alone: a tool may go on after it. */
async function ask(send: Send, statements: readonly Statement[]): Promise<readonly Answer[]> {
  try {
    return await send(statements);
  } catch (error) {
    throw new FactotumError({
      code: "rely-failed",
      retry: isConnectionFault(error) ? "later" : "never",
      message: `a query to rely on failed: ${messageOf(error)}`,
      cause: error,
    });
  }
}

async function ownChanges(
  send: Send,
  known: Known,
  base: ChangeSet,
  captured: readonly Captured[],
): Promise<ChangeSet> {
  const unknown = [...new Set(captured.map((row) => row.oid))].filter((oid) => !known.byOid.has(oid));
  if (unknown.length > 0) await learn(known, send, [], unknown);
  const made = captured.flatMap(({ oid, before, after }) => {
    const relation = known.byOid.get(oid);
    return relation === undefined ? [] : events(relation, before, after);
  });
  return netChange(base, made);
}

function tooMuch(what: string): StageError {
  return new StageError({
    code: "too-many-rows",
    message: `${what}; nothing was kept: rely on less, such as a count or the few rows that decide`,
  });
}
