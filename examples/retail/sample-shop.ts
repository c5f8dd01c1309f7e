/** A shop of two customers for the tests: the columns that the tools use, and rows of our own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tool, ToolContext } from "factotum/agents";
import { type ChangeSet, attach, emptyChangeSet, stage } from "factotum/changes";
import { type Json, type RunId, toJson } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { retailTables } from "./tools.ts";

const SCHEMA = readFileSync(join(import.meta.dirname, "sample.sql"), "utf8");

/** One attempt at a business: its tools, called one after another on a growing change set. */
export type Attempt = {
  call(tool: string, input: Json): Promise<Json>;
  /** The change set so far. */
  changes(): ChangeSet;
};

/** Opens the sample shop. */
export async function openShop(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, retailTables));
  return db;
}

/** Begins an attempt; a refused call throws and leaves the change set as it was. */
export function attempt(
  db: Database,
  tables: readonly string[],
  tools: readonly Tool[],
  base: ChangeSet = emptyChangeSet,
): Attempt {
  let changes = base;
  const context = { runId: "1" as RunId, input: null, at: new Date("2030-01-02T12:00:00Z") } as ToolContext;
  return {
    changes: () => changes,
    async call(name, input) {
      const found = tools.find((one) => one.name === name);
      if (found === undefined) throw new Error(`there is no tool ${name}`);
      const done = await stage(db, changes, { tables }, (tx) => found.call(tx, input, context));
      ({ changes } = done);
      return toJson(done.result);
    },
  };
}
