/** Puts the example business into a database. */
import { readFileSync } from "node:fs";
import type { Transaction } from "factotum/postgres";

/** Any number: only has to differ from other advisory locks of the same database. */
const SCHEMA_LOCK = 7_316_201;

/**
 * Creates schema `netops` from `schema.sql` unless it is there already. Two processes that start at
 * once are safe: the second waits for the first and then finds the schema.
 *
 * @returns whether the schema was created now
 */
export async function applySchema(tx: Transaction): Promise<boolean> {
  await tx.query("select pg_advisory_xact_lock($1)", [SCHEMA_LOCK]);
  const found = await tx.query<{ there: boolean }>(
    "select exists (select from pg_namespace where nspname = 'netops') as there",
  );
  if (found.rows[0]?.there === true) return false;
  await tx.query(readFileSync(new URL("schema.sql", import.meta.url), "utf8"));
  return true;
}
