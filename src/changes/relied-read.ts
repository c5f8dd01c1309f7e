import { createHash } from "node:crypto";
import type { ReliedRead } from "./change-set.ts";
import type { Answer, Statement } from "./pipeline.ts";
import { PINNED, setLocal } from "./settings.ts";

/** Longest time one relied-on query may take. */
const READ_MS_MAX = 10_000;

const READING = { ...PINNED, transaction_read_only: "on", statement_timeout: String(READ_MS_MAX) };

/**
 * Statements that open a place in a transaction where queries read and nothing can be written. A role's
 * settings, or a tool's, do not change what comes out.
 */
export const ENTER: readonly Statement[] = [
  { text: "savepoint factotum_rely" },
  {
    text: `select ${setLocal(READING)}`,
  },
];

/** Statements that leave it as if it had not been; the locks of its reads go, too. */
export const LEAVE: readonly Statement[] = [
  { text: "rollback to savepoint factotum_rely" },
  { text: "release savepoint factotum_rely" },
];

/**
 * Tables that this transaction has read, whole ones for partitions: what Postgres locked to read, so that
 * one read by a function counts as well.
 */
const TABLES_READ: Statement = {
  text: `select distinct coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::oid::text as oid
    from pg_catalog.pg_lock_status() l join pg_catalog.pg_class c on c.oid = l.relation
    where l.pid = pg_catalog.pg_backend_pid() and l.granted and l.locktype = 'relation'
      and l.mode = 'AccessShareLock' and c.relkind in ('r', 'p', 'f', 'm')
      and c.relnamespace not in ('pg_catalog'::regnamespace, 'factotum'::regnamespace)`,
};

/** The queries, one answer each, and after them one for `tablesIn`. */
export function readStatements(queries: readonly Pick<ReliedRead, "sql" | "params">[]): readonly Statement[] {
  const reads = queries.map(({ sql, params }): Statement => ({ text: sql, values: params, foreign: true }));
  return [...reads, TABLES_READ];
}

/** Oids of the tables in the answer that comes after those of the queries. */
export function tablesIn(answer: Answer): ReadonlySet<string> {
  return new Set(answer.rows.map((row) => String(row["oid"])));
}

/** The rows of a query as Postgres text; null is SQL NULL. */
export function rowsOf(answer: Answer): readonly (readonly (string | null)[])[] {
  return answer.rows as readonly unknown[] as readonly (readonly (string | null)[])[];
}

/** Stands for columns and rows, the same for any order of them: without ORDER BY a query promises none. */
export function digestOf(answer: Answer): string {
  const columns = answer.fields.map((field) => [field.name, field.dataTypeID]);
  const rows = rowsOf(answer).map((row) => JSON.stringify(row));
  const hash = createHash("sha256").update(JSON.stringify(columns));
  for (const row of rows.sort()) hash.update("\n").update(row);
  return hash.digest("base64url");
}
