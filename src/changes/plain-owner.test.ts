/** A role that owns its tables and is no superuser: what works as it is, and what one GRANT adds. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import { type Database, migrate, openDatabase, type Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  detach,
  emptyChangeSet,
  peek,
  rely,
  stage,
  undo,
} from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.parent", "public.child", "public.stamped"];
const SCHEMA = `
create table public.parent (id int primary key, name text unique);
create table public.child (id int primary key,
  parent int not null references public.parent on delete cascade);
create table public.stamped (id int primary key, v int, at timestamptz);
create function public.stamp() returns trigger language plpgsql as
  'begin new.at = clock_timestamp(); return new; end';
create trigger stamp before insert or update on public.stamped for each row execute function public.stamp();
insert into public.parent values (1, 'a'), (2, 'b'); insert into public.child values (1, 1), (2, 1);
insert into public.stamped values (1, 1), (2, 1);
`;
const role = `owner_${randomBytes(4).toString("hex")}`;

let admin: Database;
let db: Database;

beforeAll(async () => {
  admin = await throwawayDatabase();
  await admin.query(`create role ${role} login password 'secret'`);
  await admin.query(`create database ${role} owner ${role}`);
  const url = new URL(admin.url);
  url.username = role;
  url.password = "secret";
  url.pathname = `/${role}`;
  db = await openDatabase({ kind: "url", url: url.href });
  await migrate(db);
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, TABLES));
});

afterAll(async () => {
  await db.close();
  await admin.query(`drop database ${role} with (force)`);
  await admin.query(`revoke set on parameter session_replication_role from ${role}`);
  await admin.query(`drop role ${role}`);
});

const staged = async (base: ChangeSet, sql: string): Promise<ChangeSet> =>
  (await stage(db, base, { tables: TABLES }, (tx) => tx.query(sql))).changes;
const image = async (tx: Pick<Transaction, "query">): Promise<unknown> =>
  (
    await tx.query(`select p::text as row from public.parent p union all select c::text from public.child c
      union all select s::text from public.stamped s order by 1`)
  ).rows;
const commitAndUndo = async (set: ChangeSet): Promise<void> => {
  const before = await image(db);
  const seen = await peek(db, set, image);
  const id = await db.transaction((tx) => commit(tx, set, about));
  expect(await image(db)).toEqual(seen);
  await db.transaction((tx) => undo(tx, id, about));
  expect(await image(db)).toEqual(before);
};

test("without any grant, a read on top of own rows in two tables is asked again on top of them", async () => {
  const work = async (base: ChangeSet, child: number) =>
    await stage(db, base, { tables: TABLES }, async (tx) => {
      await tx.query("insert into public.child values ($1, 7)", [child]);
      return await rely(tx, "select count(*)::int as n from public.child where parent in (1, 7)");
    });
  const parent = await staged(emptyChangeSet, "insert into public.parent values (7, 'g')");
  const one = await work(parent, 71);
  const two = await work(one.changes, 72);
  expect([one.result, two.result]).toEqual([[{ n: 3 }], [{ n: 4 }]]);
  await commitAndUndo(two.changes);
  await db.query("insert into public.child values (9, 1)");
  await expect(db.transaction((tx) => commit(tx, two.changes, about))).rejects.toThrow(
    /reads differently now/,
  );
  await db.query("delete from public.child where id = 9");
});

test("without any grant, tables that have no user triggers can be changed", async () => {
  const one = await staged(emptyChangeSet, "insert into public.parent values (3, 'c')");
  const two = await staged(one, "insert into public.child values (3, 3)");
  const three = await staged(two, "delete from public.parent where id = 1");
  expect(three.rows).toHaveLength(5);
  await commitAndUndo(three);
  const child = await staged(emptyChangeSet, "insert into public.child values (4, 2)");
  await db.query("delete from public.parent where id = 2");
  await expect(db.transaction((tx) => commit(tx, child, about))).rejects.toMatchObject({ code: "conflict" });
  await db.query("insert into public.parent values (2, 'b')");
});

test("without any grant, a delete that would cascade to rows nobody saw is a conflict", async () => {
  await db.query(
    "create table public.far (id int primary key, parent int references public.parent on delete cascade)",
  );
  const set = await staged(emptyChangeSet, "delete from public.parent where id = 2");
  await db.query("insert into public.far values (1, 2)");
  await expect(db.transaction((tx) => commit(tx, set, about))).rejects.toThrow(
    /still referred to by public.far \(1\)/,
  );
  await db.query("drop table public.far");
  await commitAndUndo(set);
});

test("without any grant, referred rows that swap a unique value are refused: nothing cascades", async () => {
  const swapped = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
    await tx.query("update public.parent set name = 'c' where id = 1");
    await tx.query("update public.parent set name = 'a' where id = 2");
    await tx.query("update public.parent set name = 'b' where id = 1");
  });
  const refusal = {
    code: "conflict",
    message: expect.stringContaining("GRANT SET ON PARAMETER session_replication_role") as string,
  };
  // Deleted and inserted again, the parents would have taken their children along, in the view alone.
  await expect(staged(swapped.changes, "select 1")).rejects.toMatchObject(refusal);
  await expect(db.transaction((tx) => commit(tx, swapped.changes, about))).rejects.toMatchObject(refusal);
});

test("a table with triggers is refused where they would run twice, with the GRANT", async () => {
  const one = await staged(emptyChangeSet, "update public.stamped set v = 2");
  expect(one.rows).toHaveLength(2);
  const refusal = {
    code: "replica-mode-needed",
    message: expect.stringContaining("GRANT SET ON PARAMETER session_replication_role") as string,
  };
  await expect(staged(one, "select 1")).rejects.toMatchObject(refusal);
  await expect(db.transaction((tx) => commit(tx, one, about))).rejects.toMatchObject(refusal);
});

test("with the grant, triggers take effect once", async () => {
  await admin.query(`grant set on parameter session_replication_role to ${role}`);
  await db.close();
  const url = db.url;
  db = await openDatabase({ kind: "url", url });
  const one = await staged(emptyChangeSet, "update public.stamped set v = 2");
  const two = await staged(one, "delete from public.parent where id = 1");
  expect(two.rows).toHaveLength(5);
  await commitAndUndo(two);
});

test("another role's table is refused by name, and detaching needs no help", async () => {
  await db.transaction((tx) => detach(tx));
  await expect(db.transaction((tx) => attach(tx, ["factotum.absent"]))).rejects.toMatchObject({
    code: "table-missing",
  });
  const { rows } = await db.query(
    "select from pg_trigger where tgname like '%factotum%' and tgrelid <> 'factotum.outbox'::regclass",
  );
  expect(rows).toEqual([]);
});
