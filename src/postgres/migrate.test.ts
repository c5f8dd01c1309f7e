import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { type Database, migrate, openDatabase, readMigrations } from "./index.ts";

const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});

/** A folder with our first migration and the given ones after it. */
function sqlFolder(...more: readonly string[]): string {
  const path = mkdtempSync(join(tmpdir(), "factotum-sql-"));
  folders.push(path);
  const first = readMigrations()[0]?.sql ?? "";
  for (const [at, sql] of [first, ...more].entries()) writeFile(path, at + 1, sql);
  writeFileSync(join(path, "README.md"), "not a migration");
  return path;
}

function writeFile(path: string, number: number, sql: string): void {
  writeFileSync(join(path, `${String(number).padStart(6, "0")}.sql`), sql);
}

async function emptyDatabase(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query("drop schema factotum cascade");
  return db;
}

test("the package's own migrations are found, apply once, and only touch schema factotum", async () => {
  const db = await emptyDatabase();
  const { applied } = await migrate(db);
  expect(applied).toEqual(readMigrations().map(({ number }) => number));
  expect(applied.length).toBeGreaterThan(0);
  expect(await migrate(db)).toEqual({ applied: [] });
  const { rows } = await db.query(
    "select nspname from pg_namespace where nspname !~ '^pg_|information_schema' order by 1",
  );
  expect(rows).toEqual([{ nspname: "factotum" }, { nspname: "public" }]);
});

test("several that start at once apply each migration once", async () => {
  const db = await emptyDatabase();
  const path = sqlFolder("create table factotum.a (id int)", "create table factotum.b (id int)");
  const others = await Promise.all([1, 2].map(async () => await openDatabase({ kind: "url", url: db.url })));
  const all = await Promise.all([db, ...others].map(async (each) => (await migrate(each, path)).applied));
  expect(all.flat().toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  await Promise.all(others.map(async (each) => await each.close()));
});

test("a migration that fails leaves nothing of itself, keeps the ones before, and is named", async () => {
  const db = await emptyDatabase();
  const path = sqlFolder(
    "create table factotum.a (id int)",
    "create table factotum.b (id int); select 1 / 0",
  );
  await expect(migrate(db, path)).rejects.toMatchObject({
    message: expect.stringContaining("sql/000003.sql"),
  });
  const { rows } = await db.query(
    "select to_regclass('factotum.a') is not null as a, to_regclass('factotum.b') is not null as b",
  );
  expect(rows).toEqual([{ a: true, b: false }]);
  writeFile(path, 3, "create table factotum.b (id int)");
  expect(await migrate(db, path)).toEqual({ applied: [3] });
});

test("an edited migration and a newer database are refused; line ends do not count as an edit", async () => {
  const db = await emptyDatabase();
  const path = sqlFolder("create table\nfactotum.a (id int)");
  await migrate(db, path);
  writeFile(path, 2, "create table\r\nfactotum.a (id int)");
  expect(await migrate(db, path)).toEqual({ applied: [] });
  writeFile(path, 2, "create table factotum.a (id bigint)");
  await expect(migrate(db, path)).rejects.toMatchObject({ code: "migration-edited", retry: "never" });
  await expect(migrate(db, sqlFolder())).rejects.toMatchObject({ code: "database-newer", retry: "never" });
});
