import type { ClientBase } from "pg";
import { must } from "../kernel/index.ts";
import type { ChangeSet } from "./change-set.ts";
import { MAY_REPLICATE } from "./known.ts";
import type { Send, Statement } from "./pipeline.ts";
import { relationParameters } from "./relation.ts";
import { PINNED } from "./settings.ts";
import { currentTables, type Tables, versionsOf } from "./tables.ts";

/** Everything a commit depends on, as it is now. */
export type Look = Tables & {
  /** Whether this role may switch ordinary triggers off. */
  readonly replica: boolean;
  /** Settings to put back afterwards. */
  readonly settings: Readonly<Record<string, string>>;
  readonly isolation: string;
};

const KEPT = [...Object.keys(PINNED), "factotum.attempt", "session_replication_role"];
const SETTINGS: Statement = {
  text: `select current_setting('transaction_isolation') as isolation, (${MAY_REPLICATE}) as replica,
    json_build_object(${KEPT.map(nameAndValue).join(", ")}) as settings`,
};

function nameAndValue(name: string): string {
  return `'${name}', coalesce(current_setting('${name}', true), '')`;
}

/**
 * Locks tables among commits, to the end of the transaction and in one order: those written so that others
 * may write them too, those relied on so that nobody else may. They are advisory: readers, and writers that
 * are no commit of ours, neither wait for them nor are waited for.
 *
 * @param relied oids of whole tables
 */
export function lockTables(written: readonly string[], relied: readonly string[]): Statement {
  return {
    text: `select case when x.alone then pg_catalog.pg_advisory_xact_lock(x.key)::text
        else pg_catalog.pg_advisory_xact_lock_shared(x.key)::text end
      from (select (${TABLE_LOCKS}::bigint << 32) + w.oid::bigint as key, bool_or(w.alone) as alone
        from (select coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::oid, false
            from unnest($1::text[], $2::text[]) n(schema, name)
            join pg_catalog.pg_namespace s on s.nspname = n.schema
            join pg_catalog.pg_class c on c.relnamespace = s.oid and c.relname = n.name
          union all select r.oid::oid, true from unnest($3::text[]) r(oid)) w(oid, alone)
        group by 1 order by 1 offset 0) x`,
    values: [...relationParameters(written).slice(0, 2), relied],
  };
}

/** Any number: tells these advisory locks from others of the same database. */
const TABLE_LOCKS = 7_316_506;

/** Opens savepoint `factotum_commit` and reads, in one round trip where the tables are known. */
export async function look(client: ClientBase, send: Send, set: ChangeSet): Promise<Look> {
  const names = [...new Set(set.rows.map((row) => row.table))].sort();
  const [, , versions, settings] = await send([
    // Before the savepoint, because going back to it would give the locks back.
    lockTables(names, []),
    { text: "savepoint factotum_commit" },
    versionsOf(names),
    SETTINGS,
  ]);
  const tables = await currentTables(client, send, names, versions);
  const state = must(settings?.rows[0], "settings");
  return {
    ...tables,
    replica: state["replica"] === true,
    settings: state["settings"] as Record<string, string>,
    isolation: String(state["isolation"]),
  };
}
