/** An airline of four flights for the tests: the columns that the tools use, and rows of our own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { attach } from "factotum/changes";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { airlineTables } from "./tools.ts";

const SCHEMA = readFileSync(join(import.meta.dirname, "sample.sql"), "utf8");

/** Opens the sample airline. */
export async function openAirline(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, airlineTables));
  return db;
}
