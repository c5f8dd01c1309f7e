import type { Database } from "../postgres/index.ts";
import type { Answer, Send } from "./pipeline.ts";
import { READ_RELATIONS, type Relation, relationParameters } from "./relation.ts";

/**
 * What this process knows of a database's tables. Reading the catalogs costs as much as a staged call, so
 * staging remembers; a table that changed is found out by its fingerprint and read again. A deferrable
 * constraint added meanwhile is missed by staging only: the commit reads afresh.
 */
export type Known = {
  /** Whether the role may switch ordinary triggers off. */
  readonly replica: boolean;
  readonly byName: Map<string, Relation>;
  readonly byOid: Map<string, Relation>;
};

const knownOf = new WeakMap<Database, Known>();

/** Tables remembered for one database; beyond it memory starts afresh. */
const KNOWN_MAX = 2_000;

/** Whether this role may set session_replication_role; null on servers before 15, which cannot grant it. */
export const MAY_REPLICATE = `select coalesce(
  pg_catalog.has_parameter_privilege('session_replication_role', 'set'), false) as replica`;

/** What is known, with the named tables in it as far as they exist. */
export async function know(db: Database, send: Send, names: readonly string[]): Promise<Known> {
  const known = knownOf.get(db) ?? (await firstLook(send));
  if (known.byName.size > KNOWN_MAX) forget(known);
  knownOf.set(db, known);
  const missing = [...new Set(names)].filter((name) => !known.byName.has(name));
  if (missing.length > 0) await learn(known, send, missing);
  return known;
}

/** Reads tables into what is known, over what was there. */
export async function learn(
  known: Known,
  send: Send,
  names: readonly string[],
  oids: readonly string[] = [],
): Promise<void> {
  const [answer] = await send([{ text: READ_RELATIONS, values: relationParameters(names, oids) }]);
  for (const relation of relationsIn(answer)) {
    known.byName.set(relation.name, relation);
    known.byOid.set(relation.oid, relation);
  }
}

/** The tables in an answer to `READ_RELATIONS`. */
export function relationsIn(answer: Answer | undefined): readonly Relation[] {
  return (answer?.rows ?? []).map((row) => row["relation"] as Relation);
}

async function firstLook(send: Send): Promise<Known> {
  const [answer] = await send([{ text: MAY_REPLICATE }]);
  return { replica: answer?.rows[0]?.["replica"] === true, byName: new Map(), byOid: new Map() };
}

function forget(known: Known): void {
  known.byName.clear();
  known.byOid.clear();
}
