/** The databases that a page names in its addresses. */
import { type Database, openDatabase } from "factotum/postgres";
import { dropStrayRoles } from "../../src/testing/database.ts";

/** What a page works on; dropped with the roles that the page made. */
export type Databases = {
  /** The first that is named on the page, as its superuser sees it. */
  readonly first: Database | undefined;
  drop(): Promise<void>;
};

/** Makes the databases whose addresses a page gives, and forgets the roles it creates. */
export async function makeDatabases(text: string, serverUrl: string): Promise<Databases> {
  const names = [...new Set([...text.matchAll(/localhost:5432\/(\w+)/g)].map((match) => match[1] ?? ""))];
  const roles = [...new Set([...text.matchAll(/create role (\w+)/g)].map((match) => match[1] ?? ""))];
  const admin = await open(serverUrl);
  const session = await admin.session();
  // The same page may be run twice at a time, by two of us in one checkout.
  for (const name of names.toSorted()) await session.query("select pg_advisory_lock(hashtext($1))", [name]);
  const drop = async (): Promise<void> => {
    for (const name of names) await session.query(`drop database if exists ${name} with (force)`);
    await dropStrayRoles(admin);
    for (const role of roles) {
      const found = await session.query("select from pg_roles where rolname = $1", [role]);
      if (found.rowCount > 0) await session.query(`drop owned by ${role}; drop role ${role}`);
    }
  };
  await drop();
  for (const name of names) await session.query(`create database ${name}`);
  const [name] = names;
  const first = name === undefined ? undefined : await open(withDatabase(serverUrl, name));
  return {
    first,
    async drop() {
      await first?.close();
      await drop();
      await session.release();
      await admin.close();
    },
  };
}

const open = (url: string): Promise<Database> => openDatabase({ kind: "url", url });

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
