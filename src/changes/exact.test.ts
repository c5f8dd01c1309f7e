/** Capture and apply reproduce what SQL did, to the byte, and the user's triggers take effect once. */
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  diff,
  emptyChangeSet,
  peek,
  stage,
  undo,
} from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const SCHEMA = `
create schema shop; create schema "Odd Schema";
create type shop.mood as enum ('calm', 'Cross "x"');
create type shop.pair as (x int, y text);
create domain shop.positive as int check (value > 0);
create table shop.account (id int primary key, balance numeric(12,2) not null default 0,
  version int default 0, touched timestamptz default clock_timestamp());
create table shop.entry (id bigint generated always as identity primary key,
  account int references shop.account, amount numeric(12,2),
  twice numeric generated always as (amount * 2) stored, code uuid default gen_random_uuid(),
  made timestamptz default now(), serial serial);
create table shop.audit (id bigserial primary key, what text, who text,
  made timestamptz default clock_timestamp());
create function shop.on_entry() returns trigger language plpgsql as $$ begin
  insert into shop.audit (what, who) values (tg_op || new.id, current_user);
  update shop.account set balance = balance + new.amount, version = version + 1 where id = new.account;
  return new; end $$;
create trigger a_entry after insert on shop.entry for each row execute function shop.on_entry();
create function shop.on_account() returns trigger language plpgsql as $$ begin
  new.touched = clock_timestamp(); return new; end $$;
create trigger b_account before update on shop.account for each row execute function shop.on_account();
create table shop.parent (id int primary key, name text unique);
create table shop.child (id int primary key,
  parent int references shop.parent on delete cascade deferrable initially deferred);
create table shop.part (id int, kind int, v text, primary key (id, kind)) partition by list (kind);
create table shop.part1 partition of shop.part for values in (1);
create table shop.part2 (v text, kind int not null, id int not null, junk int);
alter table shop.part2 drop junk; alter table shop.part attach partition shop.part2 for values in (2);
create table "Odd Schema"."Compo site" ("A ""a" int, t text, "from" jsonb, primary key (t, "A ""a"));
create view shop.compo as select "A ""a" as a, t, "from" as j from "Odd Schema"."Compo site";
create table shop.place (id int primary key, pos int unique, late int unique deferrable);
create table shop.types (id int primary key, f4 real, f8 double precision, num numeric, num2 numeric(20,4),
  i8 bigint, b bytea, iv interval, m money, c shop.pair, dm shop.positive, md shop.mood, arr int[],
  arrt text[][], tz timestamptz, d date, j json, jb jsonb, ch char(5), ip inet, r int4range, bt varbit,
  tsv tsvector, ca shop.pair[], ut "char", rc regclass, lsn pg_lsn, dropped int,
  virt int generated always as (id * 10) virtual, big text);
alter table shop.types drop dropped;
`;
const TABLES = [
  ...["account", "entry", "audit", "parent", "child", "part", "place", "types"].map((name) => `shop.${name}`),
  "Odd Schema.Compo site",
];
const DATA = `
insert into shop.account values (1, 100), (2, 0);
insert into shop.parent values (1, 'x'), (2, 'y'); insert into shop.child values (1, 1), (2, 1), (3, 2);
insert into shop.part values (1, 1, 'a'), (2, 2, 'b');
insert into "Odd Schema"."Compo site" values (1, 'x,y) "', '{}');
insert into shop.place values (1, 1, 1), (2, 2, 2);
`;
const TYPED = `insert into shop.types values
 (1, '-0', '-0', 'NaN', 1.5000, 9223372036854775807, '\\x00ff', '1 mon -3 days 04:05:06.789', '$1,234.56',
  row(1, 'a"b,c'), 3, 'Cross "x"', '[0:1]={5,6}', '{{a,NULL},{"n,1","NULL"}}', 'infinity', '0044-03-15 BC',
  '{"b":1, "a":2,"b":3}', 'null', 'ab', '10.0.0.1/8', '[1,5)', B'101', 'a:1 b:2',
  array[row(1, null)::shop.pair], 'x', 'shop.account', '0/16B', default, repeat('long ', 5000)),
 (2, 'NaN', '-infinity', 1.10, null, null, '', '-1 mon +1 day', null, null, null, null,
  array_remove(array[1, null], null), null, '2024-02-29 12:00:00.000001+05:30', null, null,
  '{"n":1.00,"big":12345678901234567890.123}', null, null, 'empty', null, null, '{}', null, null, null,
  default, '')`;

let db: Database;

const dump = async (tx: Pick<Transaction, "query">): Promise<string[]> => {
  const lists = TABLES.map((name) => {
    const [schema, table] = name.split(".");
    return `select '${name}' || t::text as row from "${schema}"."${table}" t`;
  });
  const { rows } = await tx.query<{ row: string }>(`${lists.join(" union all ")} order by 1`);
  return rows.map((row) => row.row);
};
const staged = async (base: ChangeSet, ...sql: string[]): Promise<ChangeSet> => {
  const work = async (tx: Transaction) => {
    for (const text of sql) await tx.query(text);
  };
  return (await stage(db, base, { tables: TABLES }, work)).changes;
};
/** Stages step on step, commits, undoes: staging is unseen, the view is the commit, undo is the identity. */
const round = async (...steps: string[]): Promise<ChangeSet> => {
  const before = await dump(db);
  let set = emptyChangeSet;
  for (const step of steps) set = await staged(set, step);
  expect(await dump(db)).toEqual(before);
  const seen = await peek(db, set, dump);
  const id = await db.transaction((tx) => commit(tx, set, about));
  expect(await dump(db)).toEqual(seen);
  await db.transaction((tx) => undo(tx, id, about));
  expect(await dump(db)).toEqual(before);
  return set;
};

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, TABLES));
});

beforeEach(async () => {
  const names = TABLES.map((name) =>
    name
      .split(".")
      .map((part) => `"${part}"`)
      .join("."),
  );
  await db.query(`truncate ${names.join(", ")} cascade`);
  await db.query(DATA);
});

describe("staged, committed and undone exactly", () => {
  test("user triggers, identity, serial, uuid, generated columns and clocks", async () => {
    const set = await round(
      "insert into shop.entry (account, amount) values (1, 5), (2, 7), (1, -2.50)",
      "insert into shop.entry (account, amount) values (1, 1)",
      "update shop.account set balance = balance * 2",
    );
    const kinds = (await db.transaction((tx) => diff(tx, set))).map((row) => `${row.table} ${row.kind}`);
    expect(kinds.filter((kind) => kind === "shop.audit insert")).toHaveLength(4);
    expect(kinds.filter((kind) => kind === "shop.account update")).toHaveLength(2);
  });

  test("cascades, and a deferred foreign key whose child comes first", async () => {
    expect((await round("delete from shop.parent where id = 1")).rows).toHaveLength(3);
    await expect(staged(emptyChangeSet, "insert into shop.child values (9, 9)")).rejects.toMatchObject({
      code: "constraint-violated",
    });
    const both = await staged(
      emptyChangeSet,
      "insert into shop.child values (9, 9)",
      "insert into shop.parent values (9, 'q')",
    );
    expect(both.rows).toHaveLength(2);
    await db.transaction((tx) => commit(tx, both, about));
  });

  test("upsert and MERGE on a composite key with odd names, and a write through a view", async () => {
    const table = `"Odd Schema"."Compo site"`;
    const set = await round(
      `insert into ${table} values (1, 'x,y) "', '{"z": 1.50}'), (2, 'n', 'null')
         on conflict (t, "A ""a") do update set "from" = excluded."from"`,
      `update shop.compo set j = '{"via": "view"}'`,
      `merge into ${table} c using (values (1, 'x,y) "'), (7, 'm')) s(a, b) on c."A ""a" = s.a and c.t = s.b
         when matched then delete when not matched then insert values (s.a, s.b, '[]')`,
    );
    expect(set.rows.map((row) => row.key)).toEqual(['("x,y) """,1)', "(m,7)", "(n,2)"]);
  });

  test("a row that moves between partitions", async () => {
    const set = await round(
      "update shop.part set kind = 2, v = 'moved' where id = 1",
      "update shop.part set v = 'again'",
    );
    const rows = await db.transaction((tx) => diff(tx, set));
    expect(rows.map((row) => [row.table, row.kind])).toEqual([
      ["shop.part", "delete"],
      ["shop.part", "insert"],
      ["shop.part", "update"],
    ]);
  });

  test("a swap of unique values, at once or late", async () => {
    const set = await round(
      "update shop.place set pos = -1 where id = 1",
      "update shop.place set pos = 1 where id = 2",
      "update shop.place set pos = 2 where id = 1",
      "update shop.place set pos = pos + 10, late = 3 - late",
    );
    expect(set.rows.map((row) => row.after)).toEqual(["(1,12,2)", "(2,11,1)"]);
  });

  test("a changed primary key, and a change taken back", async () => {
    const set = await staged(
      emptyChangeSet,
      "update shop.parent set id = 12 where id = 2",
      "update shop.child set parent = 12 where id = 3",
    );
    const back = await staged(
      set,
      "update shop.parent set id = 2 where id = 12",
      "update shop.child set parent = 2 where id = 3",
    );
    expect(back).toEqual(emptyChangeSet);
  });

  test("every type, to the byte", async () => {
    const set = await round(
      TYPED,
      "update shop.types set num = num + 1, arr = array_append(arr, null), f8 = '-0'",
    );
    const rows = await db.transaction((tx) => diff(tx, set));
    expect(rows[0]?.after).toMatchObject({
      f4: "-0",
      arr: "[0:2]={5,6,NULL}",
      jb: "null",
      num2: "1.5000",
      c: '(1,"a""b,c")',
    });
    expect(Object.keys(rows[0]?.after ?? {})).not.toContain("virt");
    expect(rows[1]?.after).toMatchObject({ num: "2.10", b: "\\x", big: "", iv: "-1 mons +1 day" });
    await db.query(TYPED);
    await round("delete from shop.types", "select 1");
  });
});
