import { InvariantError } from "../kernel/index.ts";
import type { ChangeSet, RowEvent } from "./change-set.ts";
import { ConflictError, StageError } from "./errors.ts";
import { type Known, learn } from "./known.ts";
import type { Send, Statement } from "./pipeline.ts";
import { formatRecord, parseRecord } from "./record.ts";
import type { Relation } from "./relation.ts";

/** Row events of one stage or commit; more is no change set that a person could judge. */
export const EVENTS_MAX = 100_000;

/** What the capture triggers wrote in this transaction. */
export const CAPTURED: Statement = {
  text: `select c.oid, c.before, c.after from factotum.captured_here(${EVENTS_MAX + 1}) c`,
};

/**
 * What this transaction wrote or redefined, and whether it still is the one that was opened. Every write
 * holds a lock to the end that a tool cannot give up, so an undeclared one cannot hide; the counters tell a
 * write from a cascade that found no row. A function, because a tool may have a table of its own named like
 * a catalog, and because planning it once cost 2 ms a call.
 */
export const LOCKS: Statement = {
  text: `select l.oid, l.mode, l.relkind, l.written, l.ours, l.attached, l.version, l.xid, l.attempt
    from factotum.staging_locks() l`,
};

/** One lock of a staged transaction, with what is known of the table it is on. */
export type Lock = {
  readonly oid: string;
  readonly mode: string;
  /** Null of a table that the transaction dropped. */
  readonly relkind: string | null;
  readonly written: boolean;
  readonly ours: boolean;
  readonly attached: boolean;
  readonly version: string | null;
  readonly xid: string | null;
  readonly attempt: string | null;
};

/** What was seen of a staged transaction before it was rolled back. */
export type Seen = { readonly captured: readonly Captured[]; readonly locks: readonly Lock[] };

/** One row event as the trigger wrote it. */
export type Captured = {
  readonly oid: string;
  readonly before: string | null;
  readonly after: string | null;
};

/**
 * The row events of a staged transaction, held against what it declared.
 *
 * @throws {StageError} `undeclared-table`, `not-attached`, `schema-change` or `too-many-rows`
 * @throws {ConflictError} when a table was redefined between what we knew of it and what the work saw
 */
export async function witness(
  seen: Seen,
  known: Known,
  send: Send,
  { tables, base }: { readonly tables: readonly string[]; readonly base: ChangeSet },
): Promise<readonly RowEvent[]> {
  const { captured } = seen;
  if (captured.length > EVENTS_MAX) throw tooMany();
  const locks = seen.locks.filter((lock) => !lock.ours);
  const versions = new Map(locks.map((lock) => [lock.oid, lock.version]));
  const oids = new Set([...captured.map((row) => row.oid), ...locks.filter(matters).map((lock) => lock.oid)]);
  const stale = [...oids].filter((oid) => known.byOid.get(oid)?.version !== versions.get(oid));
  if (stale.length > 0) {
    const before = stale.flatMap((oid) => known.byOid.get(oid)?.name ?? []);
    await learn(known, send, [], stale);
    // The base went in by what was known before, and images are read by what is known now.
    const again = stale.filter((oid) => known.byOid.get(oid)?.version !== versions.get(oid));
    const redefined = base.rows.find((row) => before.includes(row.table));
    if (redefined !== undefined) throw moving(redefined.table);
    for (const lock of locks)
      if (again.includes(lock.oid) && !redefines(lock)) throw moving(`oid ${lock.oid}`);
  }
  for (const lock of locks) if (matters(lock)) checkLock(lock, known.byOid.get(lock.oid), tables);
  return captured.flatMap(({ oid, before, after }) => {
    const relation = known.byOid.get(oid);
    if (relation === undefined) throw new InvariantError(`captured a row of an unknown table, oid ${oid}`);
    if (!isDeclared(relation, tables)) throw undeclared(relation.root, tables);
    return events(relation, before, after);
  });
}

/** A foreign table keeps no counters; locking one to write counts as writing. */
function matters(lock: Lock): boolean {
  return lock.written || lock.relkind === "f" || redefines(lock);
}

function redefines(lock: Lock): boolean {
  return lock.mode === "AccessExclusiveLock" || lock.mode === "ShareLock" || lock.relkind === null;
}

function checkLock(lock: Lock, relation: Relation | undefined, tables: readonly string[]): void {
  const name = relation?.root ?? `with the oid ${lock.oid}`;
  if (redefines(lock) || relation === undefined) {
    throw new StageError({
      code: "schema-change",
      message:
        `a tool truncated, altered, created, dropped or locked table ${name}; only changes of rows can be ` +
        "staged, so nothing was kept: use DELETE, or change the schema outside the agent",
    });
  }
  if (!isDeclared(relation, tables)) throw undeclared(name, tables);
  if (lock.attached) return;
  throw new StageError({
    code: "not-attached",
    message: `table ${name} was written but is not attached; attach it first (factotum attach ${name})`,
  });
}

function isDeclared(relation: Relation, tables: readonly string[]): boolean {
  return tables.includes(relation.root) || tables.includes(relation.name);
}

/** Deferrable constraints of tables, by the names that SET CONSTRAINTS takes. */
export function deferredConstraints(known: Known, tables: readonly string[]): readonly string[] {
  const names = tables.flatMap((table) => known.byName.get(table)?.deferrable ?? []).map((one) => one.sql);
  return [...new Set(names)].sort();
}

/** One capture as events: where the key changed two, for the row that left and the row that came. */
export function events(relation: Relation, before: string | null, after: string | null): readonly RowEvent[] {
  const { name: table, fingerprint } = relation;
  const left = before === null ? null : keyOf(relation, before);
  const came = after === null ? null : keyOf(relation, after);
  if (left !== null && came !== null && left !== came) {
    return [
      { table, key: left, before, after: null, fingerprint },
      { table, key: came, before: null, after, fingerprint },
    ];
  }
  const key = left ?? came;
  if (key === null) throw new InvariantError(`a capture of ${table} holds no row`);
  return [{ table, key, before, after, fingerprint }];
}

/** The primary key of an image, as record text. */
function keyOf(relation: Relation, image: string): string {
  const values = parseRecord(image);
  return formatRecord(relation.key.map((at) => values[at] ?? null));
}

function moving(table: string): ConflictError {
  return new ConflictError({ rows: [], because: `table ${table} was redefined while work was staged on it` });
}

function tooMany(): StageError {
  return new StageError({
    code: "too-many-rows",
    message: `a tool changed more than ${EVENTS_MAX} rows; nothing was kept: make smaller changes`,
  });
}

function undeclared(table: string, tables: readonly string[]): StageError {
  const list = tables.length === 0 ? "none" : tables.join(", ");
  return new StageError({
    code: "undeclared-table",
    message:
      `a tool wrote table ${table}, which the attempt did not declare (it declared ${list}); nothing was ` +
      "kept: declare the table as writable, or keep the tool away from it",
  });
}
