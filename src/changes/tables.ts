import type { ClientBase } from "pg";
import { type ForeignKey, READ_FOREIGN_KEYS } from "./foreign-keys.ts";
import { relationsIn } from "./known.ts";
import type { Answer, Send, Statement } from "./pipeline.ts";
import { READ_RELATIONS, type Relation, relationParameters, versionSql } from "./relation.ts";

/** Tables as they are defined now, and the foreign keys from and to them. */
export type Tables = { readonly relations: readonly Relation[]; readonly keys: readonly ForeignKey[] };

/**
 * Tables as read on a connection before, used again as long as their versions say that nothing changed:
 * planning the catalog queries costs more than a small commit. By connection, since two servers may give
 * different tables the same numbers.
 */
const readBefore = new WeakMap<object, Map<string, Tables>>();
/** Sets of tables remembered for a connection. */
const REMEMBERED_MAX = 200;

const VERSIONS = `select n.nspname || '.' || c.relname as name, c.oid::text, ${versionSql("c.oid")} as version
  from unnest($1::text[], $2::text[]) w(schema, name)
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name`;

/** Asks for the versions of tables; `currentTables` takes the answer. */
export function versionsOf(names: readonly string[]): Statement {
  return { text: VERSIONS, values: relationParameters(names).slice(0, 2) };
}

/** The named tables, read again only where the versions say so; one that does not exist is missing. */
export async function currentTables(
  client: ClientBase,
  send: Send,
  names: readonly string[],
  versions: Answer | undefined,
): Promise<Tables> {
  const connection = connectionOf(client);
  const remembered = readBefore.get(connection) ?? new Map<string, Tables>();
  readBefore.set(connection, remembered);
  const id = JSON.stringify([...names].sort());
  const known = remembered.get(id);
  if (known !== undefined && isCurrent(known, versions)) return known;
  const parameters = relationParameters(names);
  const [relations, keys] = await send([
    { text: READ_RELATIONS, values: parameters },
    { text: READ_FOREIGN_KEYS, values: parameters.slice(0, 2) },
  ]);
  const tables: Tables = {
    relations: relationsIn(relations),
    keys: (keys?.rows ?? []).map((row) => row["key"] as ForeignKey),
  };
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(id, tables);
  return tables;
}

/** The driver's connection, the same behind every handle on a client. */
function connectionOf(client: ClientBase): object {
  return (client as ClientBase & { readonly connection?: object }).connection ?? client;
}

function isCurrent(tables: Tables, versions: Answer | undefined): boolean {
  const rows = (versions?.rows ?? []) as { name: string; oid: string; version: string }[];
  const found = new Map(rows.map((row) => [row.name, `${row.oid} ${row.version}`]));
  return (
    rows.length === tables.relations.length &&
    tables.relations.every((one) => found.get(one.name) === `${one.oid} ${one.version}`)
  );
}
