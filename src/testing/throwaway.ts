import { type Database, openDatabase } from "../postgres/index.ts";
import { makeThrowaway } from "./database.ts";

const open = new Set<Database>();
let admin: Promise<Database> | undefined;
// Loaded only where vitest runs, so that a script may use the rest of the kit without it.
const vitest = "__vitest_worker__" in globalThis ? await import("vitest") : undefined;

/**
 * A fresh, migrated database on the server that vitest's globalSetup started; dropped when it is
 * closed, or at the end of the test file.
 */
export async function throwawayDatabase(): Promise<Database> {
  if (vitest === undefined) throw new Error("throwawayDatabase() works in vitest only; use makeThrowaway()");
  const server = vitest.inject("factotumServer");
  admin ??= openDatabase({ kind: "url", url: server.url });
  const db = await makeThrowaway(server, await admin);
  open.add(db);
  return db;
}

vitest?.afterAll(async () => {
  await Promise.all([...open].map(async (db) => await db.close()));
  await (await admin)?.close();
});
