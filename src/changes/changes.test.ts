import { beforeAll, describe, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  attached,
  blame,
  type ChangeSet,
  commit,
  ConflictError,
  detach,
  diff,
  emptyChangeSet,
  listCommitted,
  peek,
  showCommitted,
  stage,
  undo,
  UndoRefused,
} from "./index.ts";

const about: About = { runId: "7" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.site", "public.device"];
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query("create table public.site (id int primary key, name text not null)");
  await db.query(`create table public.device (id bigint generated always as identity primary key,
    site int not null references public.site on delete cascade, label text, made timestamptz default now())`);
  await db.query("insert into public.site values (1, 'a'), (2, 'b'), (3, 'c')");
}, 60_000);

const run = (sql: string) => async (tx: { query(sql: string): Promise<{ rowCount: number }> }) =>
  (await tx.query(sql)).rowCount;
const staged = async (base: ChangeSet, sql: string): Promise<ChangeSet> =>
  (await stage(db, base, { tables: TABLES }, run(sql))).changes;
const rows = async (sql: string) => (await db.query<{ row: string }>(sql)).rows.map((row) => row.row);

describe("a change set", () => {
  test("is staged unseen, read back by the next call, shown, committed, blamed and undone", async () => {
    await db.transaction((tx) => attach(tx, TABLES));
    expect(await db.transaction(attached)).toEqual(["public.device", "public.site"]);
    const before = await rows("select s::text as row from public.site s order by id");
    const one = await staged(emptyChangeSet, "update public.site set name = 'x, \"y\"' where id = 1");
    const two = await staged(
      one,
      "insert into public.device (site, label) select id, name from public.site where id = 1",
    );
    expect(await rows("select s::text as row from public.site s order by id")).toEqual(before);
    const found = await peek(db, two, async (tx) => {
      const { rows: seen } = await tx.query<{ label: string }>("select label from public.device");
      return { seen, diff: await diff(tx, two) };
    });
    expect(found.seen).toEqual([{ label: 'x, "y"' }]);
    expect(found.diff.map(({ kind, table, key }) => ({ kind, table, key }))).toEqual([
      { kind: "insert", table: "public.device", key: { id: "1" } },
      { kind: "update", table: "public.site", key: { id: "1" } },
    ]);
    expect(found.diff[1]?.fields).toEqual([{ column: "name", before: "a", after: 'x, "y"' }]);
    const id = await db.transaction((tx) => commit(tx, two, { ...about, model: "x/y" }));
    expect(await rows("select label as row from public.device")).toEqual(['x, "y"']);
    expect(await db.transaction((tx) => showCommitted(tx, id))).toEqual(found.diff);
    const [last] = await db.transaction((tx) => blame(tx, "public.site", ["1"]));
    expect(last).toMatchObject({ id, agent: "clerk", model: "x/y", change: found.diff[1] });
    const undone = await db.transaction((tx) => undo(tx, id, { ...about, because: "a mistake" }));
    expect(await rows("select s::text as row from public.site s order by id")).toEqual(before);
    expect(await rows("select label as row from public.device")).toEqual([]);
    const list = await db.transaction((tx) => listCommitted(tx, about.runId));
    expect(
      list.map(({ id: each, rows: count, undoes, undoneBy }) => ({ each, count, undoes, undoneBy })),
    ).toEqual([
      { each: id, count: 2, undoes: null, undoneBy: undone },
      { each: undone, count: 2, undoes: id, undoneBy: null },
    ]);
    await expect(db.transaction((tx) => undo(tx, id, about))).rejects.toThrow(UndoRefused);
  });

  test("that met a moved row is refused, and the caller's transaction goes on", async () => {
    const set = await staged(emptyChangeSet, "update public.site set name = 'mine'");
    await db.query("update public.site set name = 'theirs' where id = 2");
    await db.transaction(async (tx) => {
      const error = await commit(tx, set, about).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(ConflictError);
      expect(error).toMatchObject({
        retry: "later",
        rows: [{ table: "public.site", key: "(2)", because: "was changed meanwhile" }],
      });
      await tx.query("insert into public.site values (4, 'after')");
    });
    expect(await rows("select name as row from public.site order by id")).toEqual([
      "a",
      "theirs",
      "c",
      "after",
    ]);
  });

  test("that is empty is committed as the fact that nothing had to change", async () => {
    const id = await db.transaction((tx) => commit(tx, emptyChangeSet, { ...about, runId: "8" as RunId }));
    expect(await db.transaction((tx) => showCommitted(tx, id))).toEqual([]);
    expect(await db.transaction((tx) => listCommitted(tx, "8" as RunId))).toMatchObject([{ id, rows: 0 }]);
    expect(await db.transaction((tx) => diff(tx, emptyChangeSet))).toEqual([]);
  });

  test("stays in the history, which cannot be edited", async () => {
    await expect(db.query("update factotum.change_sets set because = ''")).rejects.toThrow(/history/);
    await expect(db.query("delete from factotum.change_rows")).rejects.toThrow(/history/);
    await expect(db.query("truncate factotum.change_sets cascade")).rejects.toThrow(/history/);
    expect(await rows("select count(*)::text as row from factotum.change_sets")).not.toEqual(["0"]);
  });

  test("leaves nothing on a table that is detached", async () => {
    await db.transaction((tx) => detach(tx));
    expect(
      await rows(`select tgname as row from pg_trigger where not tgisinternal and tgname like '%factotum%'
        and tgrelid <> 'factotum.outbox'::regclass`),
    ).toEqual([]);
  });
});
