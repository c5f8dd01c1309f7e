/** History of ugly data: odd names, values that no terminal should see, tables that changed since. */
import { beforeAll, describe, expect, test } from "vitest";
import { must, type RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  blame,
  type ChangeSet,
  commit,
  diff,
  emptyChangeSet,
  showCommitted,
  stage,
  undo,
} from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
/** Names with a space, a quote, a dot, a capital, a reserved word, and 63 bytes of two-byte letters. */
const LONG = "ä".repeat(31);
const ODD = `Odd "Schema.Ta.ble"; drop table x; --`;
const SCHEMA = `
create schema "Odd ""Schema";
create table "Odd ""Schema"."Ta.ble""; drop table x; --" (
  "from" text, "a ""b" int, "${LONG}" text, "select" jsonb, "Tags" text[], primary key ("from", "a ""b"));
create table public.plain (id int primary key, v text, d jsonb, n numeric, at timestamptz, u uuid, s text[]);
create table public.when_key (day timestamptz, u uuid, n numeric(10,2), primary key (day, u, n));
`;

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, [ODD, "public.plain", "public.when_key"]));
});

const staged = async (table: string, sql: string, params: readonly unknown[] = []): Promise<ChangeSet> =>
  (await stage(db, emptyChangeSet, { tables: [table] }, (tx) => tx.query(sql, params))).changes;
const committed = (set: ChangeSet) => db.transaction((tx) => commit(tx, set, about));
const told = (table: string, ...key: readonly string[]) => db.transaction((tx) => blame(tx, table, key));

const NAMED = `insert into "Odd ""Schema"."Ta.ble""; drop table x; --" values ($1, $2, $3, $4, $5)`;
const VALUES = [
  ["unicode", "\u{1F9A5} \u0301e \u202Eright to left\u202C \u200Bnothing \uFEFF \u{10FFFF} 日本語"],
  ["terminal escapes", "\u001b[2J\u001b]0;owned\u0007\u009b31m\r\b\u007f"],
  [
    "every other control character",
    Array.from({ length: 31 }, (_, at) => String.fromCharCode(at + 1)).join(""),
  ],
  ["what record text is made of", `(,")\\\\""{} NULL null ''`],
  ["nothing, which is not null", ""],
  ["half a megabyte", 'é"\\'.repeat(125_000)],
] as const;

describe("a row of odd names", () => {
  test.each(VALUES)("keeps %s in key and value, staged, shown, blamed and undone", async (_, value) => {
    // A key is indexed, and an index entry has a limit.
    const key = value.slice(0, 300);
    const json = JSON.stringify({ [key]: value });
    const set = await staged(ODD, NAMED, [key, -7, value, json, [key, null, ""]]);
    const [shown] = await db.transaction((tx) => diff(tx, set));
    const { kind, table, key: of } = must(shown, "a row");
    expect({ kind, table, of }).toEqual({ kind: "insert", table: ODD, of: { from: key, 'a "b': "-7" } });
    expect(shown?.after?.[LONG] === value).toBe(true);
    expect(JSON.stringify(JSON.parse(shown?.after?.["select"] ?? "")) === json).toBe(true);
    const id = await committed(set);
    // Compared as text: a matcher takes a second for a value of this size.
    const text = JSON.stringify(shown);
    expect(JSON.stringify(await db.transaction((tx) => showCommitted(tx, id))) === `[${text}]`).toBe(true);
    const [one, ...more] = await told(ODD, key, "-7");
    expect(more).toEqual([]);
    expect(JSON.stringify(one?.change) === text).toBe(true);
    await db.transaction((tx) => undo(tx, id, about));
    expect((await told(ODD, key, "-7")).map((each) => each.change.kind)).toEqual(["delete", "insert"]);
  });

  test("cannot hold a NUL: it is refused where it is written and where it is asked for", async () => {
    await expect(staged(ODD, NAMED, ["a\0b", 1, "", "{}", []])).rejects.toMatchObject({
      code: "value-invalid",
    });
    await expect(staged(ODD, NAMED, ["a", 1, "", String.raw`{"a": "\u0000"}`, []])).rejects.toMatchObject({
      code: "value-invalid",
    });
    await expect(told(ODD, "a\0b", "1")).rejects.toMatchObject({ code: "key-unfit" });
    await expect(told("public.no\0such", "1")).rejects.toMatchObject({ code: "table-unknown" });
  });
});

describe("a key", () => {
  test("may be written in any form that its types take, as long as the table is there", async () => {
    const uuid = "0b8f4f62-3e1c-4d5e-9a3b-000000000001";
    await committed(
      await staged("public.when_key", "insert into public.when_key values ($1, $2, $3)", [
        ...["2026-03-29 02:30:00+01", uuid, "5"],
      ]),
    );
    for (const key of [
      ["2026-03-29 01:30:00+00", uuid, "5.00"],
      ["2026-03-29T02:30:00+01:00", uuid.toUpperCase(), "5"],
      ["2026-03-29T01:30:00Z", `{${uuid}}`, "5.0"],
    ])
      expect(await told("public.when_key", ...key), key.join()).toHaveLength(1);
    await expect(told("public.when_key", "soon", uuid, "5")).rejects.toMatchObject({
      code: "key-unfit",
      message: expect.stringContaining("soon"),
    });
    await expect(told("public.when_key", "2026-03-29")).rejects.toMatchObject({ code: "key-unfit" });
  });
});

describe("what was committed before a table changed", () => {
  test("is told by the names of then: columns renamed, dropped, the table renamed and gone", async () => {
    await committed(
      await staged("public.plain", "insert into public.plain (id, v, n, s) values (1, 'x', 1.50, '{a,b}')"),
    );
    await db.query("alter table public.plain rename v to words");
    await db.query("alter table public.plain drop n");
    await committed(await staged("public.plain", "update public.plain set words = 'y' where id = 1"));
    await db.query("alter table public.plain rename id to number");
    await db.query("alter table public.plain alter number type bigint");
    await committed(await staged("public.plain", "update public.plain set words = 'z' where number = 1"));
    const fields = async (table: string) =>
      (await told(table, "1")).map(({ change }) =>
        change.fields.map(({ column, before, after }) => `${column} ${before ?? "-"} ${after ?? "-"}`).join(),
      );
    const all = ["words y z", "words x y", "id - 1,v - x,n - 1.50,s - {a,b}"];
    expect(await fields("public.plain")).toEqual(all);
    await db.query("alter table public.plain rename to renamed");
    expect(await fields("public.plain")).toEqual(all);
    await committed(await staged("public.renamed", "update public.renamed set words = 'a' where number = 1"));
    expect(await fields("public.renamed")).toEqual(["words z a"]);
    // Another table that takes the old name goes on with the history of that name.
    await db.query("create table public.plain (id int primary key, other text)");
    await db.transaction((tx) => attach(tx, ["public.plain"]));
    await committed(await staged("public.plain", "insert into public.plain values (1, 'new')"));
    expect(await fields("public.plain")).toEqual(["id - 1,other - new", ...all]);
    await db.query("drop table public.renamed, public.plain");
    expect(await fields("public.plain")).toEqual(["id - 1,other - new", ...all]);
    expect(await fields("public.renamed")).toEqual(["words z a"]);
    expect(await told("public.plain", "2")).toEqual([]);
  });
});
