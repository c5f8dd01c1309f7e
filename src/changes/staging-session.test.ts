/** Connections used for one staging after another. */
import { beforeAll, expect, test } from "vitest";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { attach, emptyChangeSet, peek, stage } from "./index.ts";

const options = { tables: ["public.thing"] };
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query("create table public.thing (id int primary key, name text)");
  await db.transaction((tx) => attach(tx, options.tables));
});

const pidOf = async (tx: Transaction): Promise<number> =>
  (await tx.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]?.pid ?? 0;
const staged = async (sql = "select"): Promise<number> => {
  const work = async (tx: Transaction): Promise<number> => {
    await tx.query(sql);
    return await pidOf(tx);
  };
  return (await stage(db, emptyChangeSet, options, work)).result;
};

test("the next staging finds the connection of the last, and nothing that its tool left there", async () => {
  const first = await staged("insert into public.thing values (1, 'a')");
  expect(await staged("set work_mem = '1MB'")).toBe(first);
  const settings = await peek(db, emptyChangeSet, async (tx) => {
    const { rows } = await tx.query<{ memory: string }>("select current_setting('work_mem') as memory");
    return { pid: await pidOf(tx), memory: rows[0]?.memory };
  });
  expect(settings.pid).toBe(first);
  expect(settings.memory).not.toBe("1MB");
});

test("a connection on which a tool prepared or dropped statements is not used again", async () => {
  const first = await staged();
  expect(await staged("prepare mine as select 1")).toBe(first);
  const second = await staged();
  expect(second).not.toBe(first);
  await expect(staged("deallocate all")).rejects.toThrow(/nothing was kept/);
  expect(await staged()).not.toBe(second);
});

test("a connection that the server closed meanwhile is not used again", async () => {
  const first = await staged();
  await db.query("select pg_terminate_backend($1)", [first]);
  const gone = async (): Promise<boolean> =>
    (await db.query("select from pg_stat_activity where pid = $1", [first])).rowCount === 0;
  while (!(await gone()));
  for (let n = 0; n < 20; n += 1) await db.query("select");
  expect(await staged()).not.toBe(first);
});

test("a tool that puts statements of its own in the place of ours commits nothing", async () => {
  const fresh = await throwawayDatabase();
  await fresh.query("create table public.thing (id int primary key, name text)");
  await fresh.transaction((tx) => attach(tx, options.tables));
  const { changes } = await stage(fresh, emptyChangeSet, options, async (tx) => {
    const { rows } = await tx.query<{ name: string }>("select name from pg_prepared_statements");
    for (const [at, { name }] of rows.entries()) {
      await tx.query(`deallocate "${name}"`);
      await tx.client.query({ name: `mine ${at}`, text: "select 1" });
    }
    await tx.query("insert into public.thing values (7, 'unchecked')");
  });
  expect(changes.rows).toHaveLength(1);
  // The base goes in by a statement that is new to the connection, and so the one that would be carried out.
  await stage(fresh, changes, options, (tx) => tx.query("select")).catch(() => undefined);
  expect((await fresh.query("select from public.thing")).rowCount).toBe(0);
});

test("what calls leave behind when they are rolled back, no later call reads", async () => {
  await db.query("create table public.tally (id int primary key, n int not null)");
  await db.query("insert into public.tally select id, 0 from generate_series(1, 200) id");
  await db.transaction((tx) => attach(tx, ["public.tally"]));
  // As after any autovacuum: plans are made by how little is there now.
  await db.query("vacuum factotum.captured, factotum.staging");
  const calls = 8;
  // Together more rows than may be written before each is held against the staging's bounds.
  const rewrite = (tx: Transaction) => tx.query("update public.tally set n = n + 1");
  const before = await scans();
  const first = (tx: Transaction) => tx.query("update public.tally set n = 1 where id = 1");
  let base = (await stage(db, emptyChangeSet, { tables: ["public.tally"] }, first)).changes;
  for (let call = 0; call < calls; call += 1) {
    base = (
      await stage(db, base, { tables: ["public.tally"] }, async (tx) => {
        for (let time = 0; time < 6; time += 1) await rewrite(tx);
      })
    ).changes;
  }
  expect(base.rows).toHaveLength(200);
  const after = await scans();
  expect(after.whole).toBe(before.whole);
  expect(after.byIndex - before.byIndex).toBeGreaterThan(calls);
});

/** How often captures and stagings were read, whole and by their index. */
async function scans(): Promise<{ readonly whole: number; readonly byIndex: number }> {
  const { rows } = await db.query<{ whole: number; byIndex: number }>(
    `select sum(seq_scan)::int as whole, sum(idx_scan)::int as "byIndex" from pg_stat_all_tables
     where relid in ('factotum.captured'::regclass, 'factotum.staging'::regclass)`,
  );
  return rows[0] ?? { whole: -1, byIndex: -1 };
}
