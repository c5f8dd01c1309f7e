/** Each way in which staging could go wrong, tried. */
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  ConflictError,
  detach,
  emptyChangeSet,
  peek,
  stage,
  undo,
  UndoRefused,
} from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.parent", "public.child", "public.place", "public.seat"];
const SCHEMA = `
create table public.parent (id int primary key);
create table public.child (id int primary key, parent int references public.parent on delete cascade);
create table public.place (id int primary key, pos int unique deferrable initially deferred);
create table public.seat (id int primary key, pos int, constraint seat_free check (pos < 1000));
create table public.undeclared (id int primary key, parent int references public.parent on delete cascade);
create table public.no_key (v int);
create table public.loud (id int primary key);
create function public.nothing() returns trigger language plpgsql as 'begin return null; end';
create trigger loud_always after insert on public.loud execute function public.nothing();
alter table public.loud enable always trigger loud_always;
create function public.siblings() returns trigger language plpgsql as $$ begin
  if pg_trigger_depth() = 1 then update public.seat set pos = pos + 100 where id <> new.id; end if;
  return null; end $$;
create trigger zz_siblings after update on public.seat for each row execute function public.siblings();
`;

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, TABLES));
});

beforeEach(async () => {
  await db.query("truncate public.parent, public.child, public.place, public.seat, public.undeclared");
  await db.query("insert into public.parent values (1), (2), (3)");
  await db.query("insert into public.child values (1, 1), (2, 1)");
  await db.query("insert into public.place values (1, 1), (2, 2)");
  await db.query("insert into public.seat values (1, 1), (2, 1)");
});

const staged = async (...sql: string[]): Promise<ChangeSet> => await stagedOn(emptyChangeSet, ...sql);
const stagedOn = async (base: ChangeSet, ...sql: string[]): Promise<ChangeSet> => {
  const work = async (tx: Transaction) => {
    for (const text of sql) await tx.query(text);
  };
  return (await stage(db, base, { tables: TABLES, statementTimeoutMs: 2_000 }, work)).changes;
};
const committed = async (set: ChangeSet) => await db.transaction((tx) => commit(tx, set, about));
const all = async (sql: string): Promise<unknown[]> => [...(await db.query(sql)).rows];

const throughDriver = async (tx: Transaction) => {
  await tx.client.query("delete from public.child; commit");
};
const escape = (sql: string) =>
  stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
    await tx.query("delete from public.child");
    const { client } = tx;
    const raw = Object.getPrototypeOf(client) as {
      query(this: typeof client, text: string): Promise<unknown>;
    };
    await raw.query.call(client, sql).catch(() => undefined);
    await raw.query.call(client, "delete from public.parent").catch(() => undefined);
  });
const attachRefusal = async (table: string) =>
  await db
    .transaction((tx) => attach(tx, [table]))
    .then(
      () => "attached",
      (error: unknown) => (error as { code: string }).code,
    );

describe("the database stays consistent where triggers are off", () => {
  test("a child whose parent has gone is not committed", async () => {
    const set = await staged("insert into public.child values (20, 2)");
    await db.query("delete from public.parent where id = 2");
    await expect(committed(set)).rejects.toThrow(
      /public.child \(20\): the row of public.parent it refers to is gone/,
    );
    expect(await all("select from public.child where id = 20")).toEqual([]);
  });

  test("a parent is not deleted while it gets a child", async () => {
    const set = await staged("delete from public.parent where id = 2");
    const other = await db.session();
    await other.query("begin");
    await other.query("insert into public.child values (50, 2)");
    const outcome = committed(set).then(
      () => "committed",
      (error: unknown) => error,
    );
    await other.query("commit");
    await other.release();
    expect(await outcome).toMatchObject({
      name: "ConflictError",
      message: expect.stringMatching(/public.parent \(2\): is still referred to by public.child \(50\)/),
    });
  });

  test("a deferrable unique constraint is held, though its trigger is off", async () => {
    const set = await staged("insert into public.place values (3, 7)");
    await db.query("insert into public.place values (4, 7)");
    await expect(committed(set)).rejects.toThrow(/public.place \(3\): another row stands in its way/);
  });

  test("a cascade goes with the change set, and only with it", async () => {
    const set = await staged("delete from public.parent where id = 1");
    expect(set.rows.map((row) => `${row.table} ${row.key}`)).toEqual([
      "public.child (1)",
      "public.child (2)",
      "public.parent (1)",
    ]);
    const id = await committed(set);
    expect(await all("select id from public.child")).toEqual([]);
    await db.transaction((tx) => undo(tx, id, about));
    expect(await all("select id from public.child order by id")).toEqual([{ id: 1 }, { id: 2 }]);
  });
});

describe("what is captured is what changed", () => {
  test("rows that a user trigger updates out of order come out right", async () => {
    const set = await staged("update public.seat set pos = pos + 10");
    expect(set.rows.map((row) => row.after)).toEqual(["(1,111)", "(2,111)"]);
    await committed(set);
    expect(await all("select pos from public.seat")).toEqual([{ pos: 111 }, { pos: 111 }]);
  });

  test("a trigger added to a table of the base meanwhile is a conflict", async () => {
    const tables = ["public.place"];
    const call = (base: ChangeSet) =>
      stage(db, base, { tables }, (tx) => tx.query("update public.place set pos = pos + 10 where id = 2"));
    const { changes } = await stage(db, emptyChangeSet, { tables }, (tx) =>
      tx.query("update public.place set pos = 30 where id = 1"),
    );
    await db.query(`create function public.bump() returns trigger language plpgsql as
      'begin new.pos = new.pos + 1; return new; end'`);
    await db.query(`create trigger bump before update on public.place
      for each row execute function public.bump()`);
    await expect(call(changes)).rejects.toMatchObject({ code: "conflict" });
    expect((await call(changes)).changes.rows.map((row) => row.after)).toEqual(["(1,30)", "(2,13)"]);
    await db.query("drop trigger bump on public.place");
  });

  test("what a savepoint takes back is not in it", async () => {
    const set = await staged(
      ...["savepoint a", "insert into public.parent values (8)", "rollback to a"],
      "insert into public.parent values (9)",
    );
    expect(set.rows.map((row) => row.key)).toEqual(["(9)"]);
  });

  test("a column added or renamed meanwhile is a conflict, also for the next call", async () => {
    const set = await staged("insert into public.parent values (31)");
    await db.query("alter table public.parent add extra int default 5");
    await expect(committed(set)).rejects.toThrow(/the table's columns were changed/);
    await expect(stagedOn(set, "select 1")).rejects.toThrow(ConflictError);
    const again = await staged("insert into public.parent values (31)");
    expect(again.rows[0]?.after).toBe("(31,5)");
    await db.query("alter table public.parent rename extra to more");
    await expect(committed(again)).rejects.toThrow(ConflictError);
    await db.query("alter table public.parent drop more");
    await committed(await staged("insert into public.parent values (31)"));
  });

  test("an id given by a sequence in the attempt is the id committed", async () => {
    await db.query("create table public.numbered (id int generated always as identity primary key, v int)");
    const tables = ["public.numbered"];
    await db.transaction((tx) => attach(tx, tables));
    const { result, changes } = await stage(db, emptyChangeSet, { tables }, async (tx) => {
      return (await tx.query("insert into public.numbered (v) values (1) returning id")).rows;
    });
    await db.query("insert into public.numbered (v) values (2)");
    await committed(changes);
    expect(result).toEqual([{ id: 1 }]);
    expect(await all("select id, v from public.numbered order by id")).toEqual([
      { id: 1, v: 1 },
      { id: 2, v: 2 },
    ]);
  });
});

describe("a tool cannot leave its transaction", () => {
  const ESCAPES = ["commit", "/* x */ COMMIT and chain", "rollback", "rollback and chain", "end", "begin"];

  test.each(ESCAPES)("by %s", async (sql) => {
    await expect(staged("delete from public.child", sql)).rejects.toMatchObject({
      code: "escaped-transaction",
    });
    expect(await all("select id from public.child")).toHaveLength(2);
  });

  test("by a second statement in one text, with or without parameters", async () => {
    for (const params of [undefined, []]) {
      const work = async (tx: Transaction) => {
        await tx.query("delete from public.child; commit", params);
      };
      await expect(stage(db, emptyChangeSet, { tables: TABLES }, work)).rejects.toThrow(
        /cannot insert multiple commands/,
      );
    }
    await expect(stage(db, emptyChangeSet, { tables: TABLES }, throughDriver)).rejects.toThrow(
      /multiple commands/,
    );
    expect(await all("select id from public.child")).toHaveLength(2);
  });

  test("past the guard: a pill refuses COMMIT, and a connection that left is dropped", async () => {
    await expect(escape("commit")).rejects.toMatchObject({ code: "escaped-transaction" });
    await expect(escape("rollback")).rejects.toMatchObject({ code: "escaped-transaction" });
    await expect(escape("rollback and chain")).rejects.toMatchObject({ code: "escaped-transaction" });
    expect(await all("select id from public.child")).toHaveLength(2);
    expect(await all("select id from public.parent")).toHaveLength(3);
  });

  test("by clearing the setting that captures: nothing is kept", async () => {
    await expect(staged("set local factotum.attempt = ''", "delete from public.child")).rejects.toMatchObject(
      {
        code: "escaped-transaction",
      },
    );
  });

  test("by keeping its handle", async () => {
    let kept: Transaction | undefined;
    await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      kept = tx;
      return Promise.resolve();
    });
    await expect(kept?.query("delete from public.child")).rejects.toMatchObject({ code: "stage-over" });
    await expect(kept?.client.query("delete from public.child")).rejects.toMatchObject({
      code: "stage-over",
    });
  });
});

describe("a tool is held to what it declared", () => {
  test("a write to another table is refused, also by a function or where it would cascade", async () => {
    const undeclared = {
      code: "undeclared-table",
      message: expect.stringContaining("public.undeclared") as string,
    };
    await expect(staged("insert into public.undeclared values (1, 1)")).rejects.toMatchObject(undeclared);
    await expect(
      staged("do $$ begin insert into public.undeclared values (1, 1); end $$"),
    ).rejects.toMatchObject(undeclared);
    await expect(staged("delete from public.parent where id = 3")).resolves.toMatchObject({
      rows: [{ key: "(3)" }],
    });
    await db.query("insert into public.undeclared values (1, 3)");
    await expect(staged("delete from public.parent where id = 3")).rejects.toMatchObject(undeclared);
  });

  test("TRUNCATE, which no row trigger sees, and DDL are refused", async () => {
    for (const sql of [
      ...["truncate public.seat", "alter table public.seat add x int", "drop table public.undeclared"],
      ...["create table public.fresh (id int)", "create index on public.undeclared (parent)"],
    ]) {
      await expect(staged(sql)).rejects.toMatchObject({ code: "schema-change" });
    }
    await expect(
      staged("create temp table scratch as select 1 as a", "insert into scratch values (2)"),
    ).resolves.toEqual(emptyChangeSet);
  });

  test("a declared table without the trigger is refused, not silently lost", async () => {
    await db.transaction((tx) => detach(tx, ["public.seat"]));
    await expect(staged("update public.seat set pos = 3")).rejects.toMatchObject({ code: "not-attached" });
    await db.transaction((tx) => attach(tx, ["public.seat"]));
  });

  test("a statement that takes too long, and an error that a tool hides", async () => {
    const slow = stage(db, emptyChangeSet, { tables: [], statementTimeoutMs: 50 }, (tx) =>
      tx.query("select pg_sleep(9)"),
    );
    await expect(slow).rejects.toMatchObject({ code: "statement-cancelled" });
    const hidden = stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await tx.query("select 1 / 0").catch(() => undefined);
    });
    await expect(hidden).rejects.toMatchObject({ code: "transaction-aborted" });
  });

  test("peek refuses writes, and sees the base", async () => {
    const base = await staged("delete from public.child");
    const seen = await peek(db, base, async (tx) => {
      const { rowCount } = await tx.query("select from public.child");
      await expect(tx.query("savepoint a")).resolves.toBeDefined();
      await expect(tx.query("delete from public.parent")).rejects.toMatchObject({ code: "read-only" });
      await tx.query("rollback to a");
      return rowCount;
    });
    expect(seen).toBe(0);
  });

  test("tables that cannot be staged are refused when they are attached", async () => {
    expect(await attachRefusal("public.no_key")).toBe("no-primary-key");
    expect(await attachRefusal("public.loud")).toBe("always-trigger");
    expect(await attachRefusal("public.absent")).toBe("table-missing");
    expect(await attachRefusal("pg_catalog.pg_stat_activity")).toBe("not-a-table");
  });
});

describe("attempts side by side", () => {
  test("see nothing of each other, and the second to commit the same row is told", async () => {
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let arrived: (() => void) | undefined;
    const there = new Promise<void>((resolve) => (arrived = resolve));
    const first = stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await tx.query("insert into public.parent values (100)");
      arrived?.();
      await gate;
      return (await tx.query("select id from public.parent where id >= 100")).rows;
    });
    await there;
    const second = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await tx.query("insert into public.parent values (101)");
      return (await tx.query("select id from public.parent where id >= 100")).rows;
    });
    release?.();
    expect((await first).result).toEqual([{ id: 100 }]);
    expect(second.result).toEqual([{ id: 101 }]);
    expect((await first).changes.rows.map((row) => row.key)).toEqual(["(100)"]);
    expect(second.changes.rows.map((row) => row.key)).toEqual(["(101)"]);
    await committed(second.changes);
    await expect(committed(second.changes)).rejects.toMatchObject({
      rows: [{ table: "public.parent", key: "(101)", because: "exists already" }],
    });
  });

  test("a base row that moved is a conflict at the next call, too", async () => {
    const base = await staged("update public.place set pos = 50 where id = 1");
    await db.query("update public.place set pos = 60 where id = 1");
    await expect(stagedOn(base, "select 1")).rejects.toMatchObject({
      code: "conflict",
      rows: [{ key: "(1)" }],
    });
    await db.query("delete from public.place where id = 1");
    await expect(peek(db, base, (tx) => tx.query("select 1"))).rejects.toMatchObject({
      rows: [{ because: "is gone" }],
    });
  });

  test("an undo names the later change set, or the row that moved", async () => {
    const one = await committed(await staged("update public.place set pos = 50 where id = 1"));
    const two = await committed(await staged("update public.place set pos = 51 where id = 1"));
    const refusal = db.transaction((tx) => undo(tx, one, about));
    await expect(refusal).rejects.toMatchObject({ dependants: [{ kind: "change-set", id: two }] });
    await db.transaction((tx) => undo(tx, two, about));
    await db.query("update public.place set pos = 52 where id = 1");
    await expect(db.transaction((tx) => undo(tx, one, about))).rejects.toMatchObject({
      name: UndoRefused.name,
      dependants: [{ kind: "row", table: "public.place", key: "(1)" }],
    });
    await db.query("update public.place set pos = 50 where id = 1");
    await db.transaction((tx) => undo(tx, one, about));
    expect(await all("select pos from public.place where id = 1")).toEqual([{ pos: 1 }]);
  });
});
