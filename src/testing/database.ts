import { createHash, randomBytes } from "node:crypto";
import { type Database, migrate, openDatabase, readMigrations } from "../postgres/index.ts";

/** A test server and the migrated database that new ones are copied from. */
export type TestServer = { readonly url: string; readonly template: string };

declare module "vitest" {
  interface ProvidedContext {
    factotumServer: TestServer;
  }
}

/** A migrated database of its own, dropped by `close()`. */
export async function makeThrowaway(server: TestServer): Promise<Database> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await onServer(server.url, async (admin) => {
    await admin.query(`create database ${name} template ${server.template}`);
  });
  const db = await openDatabase({ kind: "url", url: withDatabase(server.url, name) });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await db.close();
    await onServer(server.url, async (admin) => {
      await admin.query(`drop database if exists ${name} with (force)`);
    });
  };
  return Object.defineProperties({} as Database, {
    ...Object.getOwnPropertyDescriptors(db),
    close: {
      value: async () => {
        closing ??= close();
        await closing;
      },
    },
  });
}

/** Makes the template that `makeThrowaway` copies; its name changes with the migrations. */
export async function makeTemplate(url: string): Promise<TestServer> {
  const checksums = readMigrations().map((migration) => migration.checksum);
  const hash = createHash("sha256").update(checksums.join()).digest("hex").slice(0, 16);
  const template = `template_${hash}`;
  await onServer(url, async (admin) => {
    const session = await admin.session();
    await session.query("select pg_advisory_lock(hashtext($1))", [template]);
    const found = await session.query("select from pg_database where datname = $1", [template]);
    if (found.rowCount === 0) {
      const building = `building_${randomBytes(6).toString("hex")}`;
      await session.query(`create database ${building}`);
      const db = await openDatabase({ kind: "url", url: withDatabase(url, building) });
      try {
        await migrate(db);
      } finally {
        await db.close();
      }
      await session.query(`alter database ${building} rename to ${template}`);
    }
    await session.release();
  });
  return { url, template };
}

async function onServer(url: string, work: (admin: Database) => Promise<void>): Promise<void> {
  const admin = await openDatabase({ kind: "url", url });
  try {
    await work(admin);
  } finally {
    await admin.close();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
