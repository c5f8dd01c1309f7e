import { InvariantError } from "../kernel/index.ts";
import type { RowEvent } from "./change-set.ts";
import { StageError } from "./errors.ts";
import { type Known, learn } from "./known.ts";
import type { Answer, Send, Statement } from "./pipeline.ts";
import { formatRecord, parseRecord } from "./record.ts";
import { attachedSql, fingerprintSql, type Relation } from "./relation.ts";

/** Row events of one stage or commit; more is no change set that a person could judge. */
export const EVENTS_MAX = 100_000;

/** What the capture triggers wrote in this transaction. */
export const CAPTURED: Statement = {
  text: `select relation::text as oid, before, after from factotum.captured
    where transaction = pg_catalog.pg_current_xact_id() limit ${EVENTS_MAX + 1}`,
};

/**
 * The tables this transaction wrote or redefined. Every write holds a lock to the end that a tool cannot
 * give up, so an undeclared one cannot hide; the counters tell a write from a cascade that found no row.
 */
export const LOCKS: Statement = {
  text: `select l.relation::text as oid, l.mode, n.nspname || '.' || c.relname as name, c.relkind = 'f' as foreign,
      rn.nspname || '.' || r.relname as root,
      pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
        + pg_stat_get_xact_tuples_deleted(c.oid) > 0 or current_setting('track_counts') = 'off' as written,
      ${attachedSql("l.relation")} as attached, ${fingerprintSql("l.relation")} as fingerprint
    from pg_catalog.pg_locks l
    left join pg_catalog.pg_class c on c.oid = l.relation
    left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class r on r.oid = case when c.relispartition then pg_partition_root(c.oid) else c.oid end
    left join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted
      and l.mode in ('RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      and l.relation not in ('factotum.captured'::regclass, 'factotum.staging'::regclass)
      and (c.relkind is null or c.relkind in ('r', 'p', 'f')) and coalesce(c.relpersistence, 'p') <> 't'`,
};

type Lock = {
  readonly oid: string;
  readonly mode: string;
  readonly name: string | null;
  readonly root: string | null;
  readonly foreign: boolean;
  readonly written: boolean;
  readonly attached: boolean;
  readonly fingerprint: string | null;
};

/**
 * Holds what a transaction wrote against what it declared.
 *
 * @throws {StageError} `undeclared-table`, `not-attached` or `schema-change`, naming the table
 */
export function checkLocks(answer: Answer, tables: readonly string[]): void {
  for (const lock of locksIn(answer)) {
    const name = lock.root ?? lock.name ?? `with the oid ${lock.oid}`;
    if (lock.mode === "AccessExclusiveLock" || lock.mode === "ShareLock" || lock.name === null) {
      throw new StageError({
        code: "schema-change",
        message:
          `a tool truncated, altered, created, dropped or locked table ${name}; only changes of rows can be ` +
          "staged, so nothing was kept: use DELETE, or change the schema outside the agent",
      });
    }
    if (!lock.written && !lock.foreign) continue;
    if (!tables.includes(name) && !tables.includes(lock.name)) throw undeclared(name, tables);
    if (lock.attached) continue;
    throw new StageError({
      code: "not-attached",
      message: `table ${name} was written but its changes cannot be seen; attach it first (factotum attach ${name})`,
    });
  }
}

/** Deferrable constraints of tables, by the names that SET CONSTRAINTS takes. */
export function deferredConstraints(known: Known, tables: readonly string[]): readonly string[] {
  const names = tables.flatMap((table) => known.byName.get(table)?.deferrable ?? []).map((one) => one.sql);
  return [...new Set(names)].sort();
}

/** The captured images as events, under their keys and the fingerprints of their columns. */
export async function eventsOf(
  seen: { readonly captured: Answer; readonly locks: Answer },
  known: Known,
  send: Send,
  tables: readonly string[],
): Promise<readonly RowEvent[]> {
  const rows = seen.captured.rows as { oid: string; before: string | null; after: string | null }[];
  if (rows.length > EVENTS_MAX) {
    throw new StageError({
      code: "too-many-rows",
      message: `a tool changed more than ${EVENTS_MAX} rows; nothing was kept: make smaller changes`,
    });
  }
  const fingerprints = new Map(locksIn(seen.locks).map((lock) => [lock.oid, lock.fingerprint]));
  const oids = [...new Set(rows.map((row) => row.oid))];
  const stale = oids.filter((oid) => known.byOid.get(oid)?.fingerprint !== fingerprints.get(oid));
  if (stale.length > 0) await learn(known, send, [], stale);
  return rows.flatMap(({ oid, before, after }) => {
    const relation = known.byOid.get(oid);
    if (relation === undefined) throw new InvariantError(`captured a row of an unknown table, oid ${oid}`);
    if (!tables.includes(relation.root) && !tables.includes(relation.name)) {
      throw undeclared(relation.root, tables);
    }
    return events(relation, before, after);
  });
}

/** One capture as events: two where the key changed, one for the row that left and one for the row that came. */
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
export function keyOf(relation: Relation, image: string): string {
  const values = parseRecord(image);
  return formatRecord(relation.key.map((at) => values[at] ?? null));
}

function locksIn(answer: Answer): readonly Lock[] {
  return answer.rows as unknown as readonly Lock[];
}

function undeclared(table: string, tables: readonly string[]): StageError {
  const list = tables.length === 0 ? "none" : tables.join(", ");
  return new StageError({
    code: "undeclared-table",
    message:
      `a tool wrote table ${table}, which the attempt did not declare (it declared ${list}); nothing was kept: ` +
      "declare the table as writable, or keep the tool away from it",
  });
}
