import { createHash, randomBytes } from "node:crypto";
import { type Database, migrate, openDatabase, readMigrations } from "../postgres/index.ts";

/** A test server and the migrated database that new ones are copied from. */
export type TestServer = {
  readonly url: string;
  readonly template: string;
  /** Whether the server waits for its disk: files are copied faster where it does not, rows where it does. */
  readonly fsync: boolean;
};

declare module "vitest" {
  interface ProvidedContext {
    factotumServer: TestServer;
  }
}

const NAME_BYTES = 8;
const HASH_LENGTH = 16;
/** Older than any test run: what a killed run left. */
const LEFT_OVER = "1 hour";

/**
 * A migrated database of its own, dropped by `close()`.
 *
 * @param admin a database on the same server, to create and drop from
 */
export async function makeThrowaway(server: TestServer, admin: Database): Promise<Database> {
  const name = `test_${randomBytes(NAME_BYTES).toString("hex")}`;
  const strategy = server.fsync ? "wal_log" : "file_copy";
  await admin.query(`create database ${name} template ${server.template} strategy ${strategy}`);
  const db = await openDatabase({ kind: "url", url: withDatabase(server.url, name) });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await db.close();
    await admin.query(`drop database if exists ${name} with (force)`);
    await dropStrayRoles(admin);
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

/** Makes the template that `makeThrowaway` copies, unless one of the same migrations is there. */
export async function makeTemplate(admin: Database): Promise<TestServer> {
  const checksums = readMigrations().map((migration) => migration.checksum);
  const hash = createHash("sha256").update(checksums.join()).digest("hex").slice(0, HASH_LENGTH);
  const template = `template_${hash}`;
  const session = await admin.session();
  try {
    // Runs in other processes may want the same one at the same moment.
    await session.query("select pg_advisory_lock(hashtext('factotum test template'))");
    await dropLeftOver(admin, template);
    const found = await session.query("select from pg_database where datname = $1", [template]);
    if (found.rowCount === 0) await build(admin, template);
  } finally {
    await session.release();
  }
  const { rows } = await admin.query<{ fsync: boolean }>("select current_setting('fsync')::boolean as fsync");
  return { url: admin.url, template, fsync: rows[0]?.fsync ?? true };
}

async function build(admin: Database, template: string): Promise<void> {
  const building = `building_${randomBytes(NAME_BYTES).toString("hex")}`;
  await admin.query(`create database ${building}`);
  const db = await openDatabase({ kind: "url", url: withDatabase(admin.url, building) });
  try {
    await migrate(db);
  } finally {
    await db.close();
  }
  await admin.query(`alter database ${building} rename to ${template}`);
}

async function dropLeftOver(admin: Database, keep: string): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    `select datname as name from pg_database
     where datname ~ '^(test|building|template)_[0-9a-f]+$' and datname <> $1
       and (pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification < now() - $2::interval`,
    [keep, LEFT_OVER],
  );
  for (const { name } of rows) await admin.query(`drop database if exists ${name} with (force)`);
  await dropStrayRoles(admin);
}

/** Drops the roles of agents whose database is gone: roles belong to the server. */
export async function dropStrayRoles(admin: Database): Promise<void> {
  const { rows } = await admin.query<{ role: string }>(
    `select quote_ident(r.rolname) as role from pg_roles r
     where r.rolname ~ '^factotum_agent_.*_[0-9]+$'
       and not exists (select from pg_database d where d.oid = substring(r.rolname, '[0-9]+$')::bigint::oid)`,
  );
  // Somebody else may be at it, too.
  for (const { role } of rows) await admin.query(`drop role if exists ${role}`).catch(() => undefined);
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
