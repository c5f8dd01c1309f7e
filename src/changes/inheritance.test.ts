/** Tables that inherit: rows of a child are read through its parent; its triggers and keys are its own. */
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  blame,
  type ChangeSet,
  commit,
  emptyChangeSet,
  peek,
  stage,
  undo,
} from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const PARENT = "public.vehicle";
const CHILD = "public.lorry";
const SCHEMA = `
create table public.vehicle (id int primary key, plate text not null unique, km numeric default 0);
create table public.extras (note text);
create table public.lorry (axles int not null, primary key (id)) inherits (public.extras, public.vehicle);
create table public.trip (id int primary key, vehicle int references public.vehicle);
`;

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, [PARENT, CHILD, "public.trip"]));
});

beforeEach(async () => {
  await db.query("truncate public.vehicle, public.lorry, public.trip");
  await db.query("insert into public.vehicle values (1, 'car', 10), (2, 'van', 20)");
  await db.query("insert into public.lorry (id, plate, km, axles, note) values (2, 'big', 5, 3, 'é')");
});

const rows = async (tx: Pick<Transaction, "query">): Promise<readonly unknown[]> =>
  (
    await tx.query(`select tableoid::regclass::text, id, plate, km, null as axles, null as note
      from only public.vehicle union all
      select tableoid::regclass::text, id, plate, km, axles, note from public.lorry order by 1, 2`)
  ).rows;
const staged = async (tables: readonly string[], ...sql: string[]): Promise<ChangeSet> => {
  const work = async (tx: Transaction) => {
    for (const text of sql) await tx.query(text);
  };
  return (await stage(db, emptyChangeSet, { tables }, work)).changes;
};
const committed = (set: ChangeSet) => db.transaction((tx) => commit(tx, set, about));

test("a write through the parent is captured and committed in the table that holds the row", async () => {
  const before = await rows(db);
  const set = await staged(
    [PARENT, CHILD],
    "update public.vehicle set km = km + 1",
    "insert into public.lorry (id, plate, axles) values (9, 'new', 2)",
    "delete from public.vehicle where plate = 'car'",
  );
  expect(set.rows.map(({ table, key }) => `${table} ${key}`)).toEqual([
    ...[`${CHILD} (2)`, `${CHILD} (9)`, `${PARENT} (1)`, `${PARENT} (2)`],
  ]);
  const seen = await peek(db, set, rows);
  const id = await committed(set);
  expect(await rows(db)).toEqual(seen);
  // One key, two rows: the history of either is its own.
  const told = await db.transaction((tx) => Promise.all([blame(tx, PARENT, ["2"]), blame(tx, CHILD, ["2"])]));
  expect(told.map((list) => list.map((one) => one.change.after?.["plate"]))).toEqual([["van"], ["big"]]);
  await db.transaction((tx) => undo(tx, id, about));
  expect(await rows(db)).toEqual(before);
});

test("a write that reaches a child which was not declared is refused", async () => {
  await expect(staged([PARENT], "update public.vehicle set km = 0")).rejects.toMatchObject({
    code: "undeclared-table",
    message: expect.stringContaining(CHILD),
  });
  const set = await staged([PARENT], "update only public.vehicle set km = 0");
  expect(set.rows).toHaveLength(2);
});

test("a foreign key to the parent is not met by a child's row, at the commit either", async () => {
  await db.query("insert into public.lorry (id, plate, axles) values (1, 'twin', 2)");
  // A user's trigger makes the commit go the way on which Postgres' own check is off.
  await db.query(`create or replace function public.nothing() returns trigger language plpgsql as
    'begin return new; end'`);
  await db.query(`create or replace trigger quiet before insert on public.trip
    for each row execute function public.nothing()`);
  const set = await staged(["public.trip"], "insert into public.trip values (1, 1)");
  await db.query("delete from only public.vehicle where id = 1");
  await expect(committed(set)).rejects.toThrow(/the row of public.vehicle it refers to is gone/);
});

test("a child without a key of its own is refused when it is attached", async () => {
  await db.query("create table public.bicycle () inherits (public.vehicle)");
  await expect(db.transaction((tx) => attach(tx, ["public.bicycle"]))).rejects.toMatchObject({
    code: "no-primary-key",
  });
  await db.query("drop table public.bicycle");
});
