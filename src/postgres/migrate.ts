import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError, InvariantError } from "../kernel/index.ts";
import type { Session } from "./connections.ts";
import type { Database } from "./database.ts";

/** One numbered file of SQL. */
export type Migration = { readonly number: number; readonly sql: string; readonly checksum: string };

/** The folder `sql/` of this package, the same from `src/` and from `dist/`. */
export const migrationsDirectory: string = join(import.meta.dirname, "..", "..", "sql");

/** "fact" in hexadecimal: the advisory lock that migrating processes queue at. */
const LOCK = 0x66616374;
const FILE = /^(\d{6})\.sql$/;

/** The migrations in a folder, in the order of their numbers. */
export function readMigrations(directory: string = migrationsDirectory): readonly Migration[] {
  const names = readdirSync(directory)
    .filter((name) => FILE.test(name))
    .sort();
  return names.map((name) => {
    const sql = readFileSync(join(directory, name), "utf8").replaceAll("\r\n", "\n");
    return {
      number: Number(FILE.exec(name)?.[1]),
      sql,
      checksum: createHash("sha256").update(sql).digest("hex"),
    };
  });
}

/**
 * Brings schema `factotum` up to date: each missing migration in a transaction of its own, one
 * process at a time.
 *
 * @throws {InputError} `migration-edited` when an applied file changed, `database-newer` when the
 * database was written by a newer Factotum
 */
export async function migrate(db: Database, directory?: string): Promise<{ applied: number[] }> {
  const migrations = readMigrations(directory);
  const session = await db.session();
  try {
    await session.query("select pg_advisory_lock($1)", [LOCK]);
    return { applied: await applyMissing(session, migrations) };
  } finally {
    await session.release();
  }
}

async function applyMissing(session: Session, migrations: readonly Migration[]): Promise<number[]> {
  const done = await appliedBefore(session);
  checkKnown(done, migrations);
  const applied: number[] = [];
  for (const { number, sql, checksum } of migrations) {
    if (done.has(number)) continue;
    try {
      await session.query("begin");
      await session.query(sql);
      await session.query("insert into factotum.migrations (number, checksum) values ($1, $2)", [
        number,
        checksum,
      ]);
      await session.query("commit");
    } catch (error) {
      throw failed(number, error);
    }
    applied.push(number);
  }
  return applied;
}

async function appliedBefore(session: Session): Promise<Map<number, string>> {
  const found = await session.query<{ there: boolean }>(
    "select to_regclass('factotum.migrations') is not null as there",
  );
  if (found.rows[0]?.there !== true) return new Map();
  const { rows } = await session.query<{ number: number; checksum: string }>(
    "select number, checksum from factotum.migrations order by number",
  );
  return new Map(rows.map((row) => [row.number, row.checksum]));
}

function checkKnown(done: ReadonlyMap<number, string>, migrations: readonly Migration[]): void {
  const known = new Map(migrations.map(({ number, checksum }) => [number, checksum]));
  for (const [number, checksum] of done) {
    const ours = known.get(number);
    if (ours === undefined) {
      throw new InputError({
        code: "database-newer",
        message:
          `the database has migration ${fileName(number)}, which this Factotum does not know; ` +
          `run the version that wrote it, or a newer one`,
      });
    }
    if (ours !== checksum) {
      throw new InputError({
        code: "migration-edited",
        message:
          `sql/${fileName(number)} was changed after it was applied to this database; ` +
          `put the file back and write the change as a new migration`,
      });
    }
  }
}

function fileName(number: number): string {
  return `${String(number).padStart(6, "0")}.sql`;
}

function failed(number: number, error: unknown): unknown {
  return error instanceof Error
    ? Object.assign(error, { message: `sql/${fileName(number)}: ${error.message}` })
    : new InvariantError(`migration ${number} threw no error`);
}
