import type { ClientBase } from "pg";
import { must } from "../kernel/index.ts";
import type { ChangeSet } from "./change-set.ts";
import { type ForeignKey, READ_FOREIGN_KEYS } from "./foreign-keys.ts";
import { MAY_REPLICATE, relationsIn } from "./known.ts";
import type { Answer, Send, Statement } from "./pipeline.ts";
import { READ_RELATIONS, type Relation, relationParameters, versionSql } from "./relation.ts";
import { PINNED } from "./settings.ts";

/** Everything a commit depends on, as it is now. */
export type Look = {
  readonly relations: readonly Relation[];
  readonly keys: readonly ForeignKey[];
  /** Whether this role may switch ordinary triggers off. */
  readonly replica: boolean;
  /** Settings to put back afterwards. */
  readonly settings: Readonly<Record<string, string>>;
  readonly isolation: string;
};

type Tables = { readonly relations: readonly Relation[]; readonly keys: readonly ForeignKey[] };

/** Tables as read on a connection before; used again as long as their versions say that nothing changed. */
const readBefore = new WeakMap<ClientBase, Map<string, Tables>>();
/** Sets of tables remembered for a connection. */
const REMEMBERED_MAX = 200;

const VERSIONS = `select n.nspname || '.' || c.relname as name, c.oid::text, ${versionSql("c.oid")} as version
  from unnest($1::text[], $2::text[]) w(schema, name)
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name`;

const KEPT = [...Object.keys(PINNED), "factotum.attempt", "session_replication_role"];
const SETTINGS: Statement = {
  text: `select current_setting('transaction_isolation') as isolation, (${MAY_REPLICATE}) as replica,
    json_build_object(${KEPT.map(nameAndValue).join(", ")}) as settings`,
};

function nameAndValue(name: string): string {
  return `'${name}', coalesce(current_setting('${name}', true), '')`;
}

/** Opens savepoint `factotum_commit` and reads, in one round trip where the tables are known. */
export async function look(client: ClientBase, send: Send, set: ChangeSet): Promise<Look> {
  const names = [...new Set(set.rows.map((row) => row.table))].sort();
  const parameters = relationParameters(names);
  const [, versions, settings] = await send([
    { text: "savepoint factotum_commit" },
    { text: VERSIONS, values: parameters.slice(0, 2) },
    SETTINGS,
  ]);
  const remembered = readBefore.get(client) ?? new Map<string, Tables>();
  readBefore.set(client, remembered);
  const id = JSON.stringify(names);
  let tables = remembered.get(id);
  if (tables === undefined || !isCurrent(tables, versions)) {
    const [relations, keys] = await send([
      { text: READ_RELATIONS, values: parameters },
      { text: READ_FOREIGN_KEYS, values: parameters.slice(0, 2) },
    ]);
    tables = {
      relations: relationsIn(relations),
      keys: (keys?.rows ?? []).map((row) => row["key"] as ForeignKey),
    };
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(id, tables);
  }
  const state = must(settings?.rows[0], "settings");
  return {
    ...tables,
    replica: state["replica"] === true,
    settings: state["settings"] as Record<string, string>,
    isolation: String(state["isolation"]),
  };
}

function isCurrent(tables: Tables, versions: Answer | undefined): boolean {
  const rows = (versions?.rows ?? []) as { name: string; oid: string; version: string }[];
  const found = new Map(rows.map((row) => [row.name, `${row.oid} ${row.version}`]));
  return (
    rows.length === tables.relations.length &&
    tables.relations.every((one) => found.get(one.name) === `${one.oid} ${one.version}`)
  );
}
