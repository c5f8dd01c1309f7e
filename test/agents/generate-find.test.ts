/** Generated finds and aggregates against a naive oracle, over random tables, rows and conditions. */
import fc from "fast-check";
import { FactotumError, type Json } from "factotum/kernel";
import type { Database, Transaction } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generate, type Generated } from "./generated.ts";
import {
  cell,
  compare,
  conditions,
  holds,
  hundredths,
  type Kind,
  kinds,
  type Row,
  toJson,
} from "./generate-oracle.ts";

const RUNS = Number(process.env["FACTOTUM_RUNS"] ?? 25);
const SECOND_KEY = "part";

let db: Database;
beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query("create schema p; create type p.level as enum ('low', 'mid', 'high')");
});
afterAll(() => db.close());

type World = { readonly columns: Readonly<Record<string, Kind>>; readonly rows: readonly Row[] };

const world: fc.Arbitrary<World> = fc
  .array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 5 })
  .map((list) => Object.fromEntries(list.map((kind, at) => [`${kind}_${at}`, kind] as const)))
  .chain((columns) => {
    const own = Object.fromEntries(
      Object.entries(columns).map(([name, kind]) => [name, fc.option(cell(kind), { freq: 4 })]),
    );
    const rows = fc.array(fc.record(own), { maxLength: 12 }).map((made) =>
      // A key of two columns, so that neither alone tells rows apart.
      made.map((row, at) => ({ ...row, id: String(Math.floor(at / 2)), [SECOND_KEY]: String(at % 2) })),
    );
    return fc.record({
      columns: fc.constant({ ...columns, id: "integer", [SECOND_KEY]: "integer" } as const),
      rows,
    });
  });

/** Makes the table, and hands over its tools in a transaction that is rolled back. */
async function within(one: World, work: (tx: Transaction, tools: Generated) => Promise<void>): Promise<void> {
  const types = Object.entries(one.columns).map(([name, kind]) => `${name} ${sqlType(kind)}`);
  await db.query(`create table p.t (${types.join(", ")}, primary key (id, ${SECOND_KEY}))`);
  try {
    const tools = await generate(db, { "p.t": "read" });
    await db.transaction(async (tx) => {
      for (const row of one.rows) {
        const names = Object.keys(row);
        const slots = names.map((_, at) => `$${at + 1}`).join(", ");
        await tx.query(`insert into p.t (${names.join(", ")}) values (${slots})`, Object.values(row));
      }
      await work(tx, tools);
    });
  } finally {
    await db.query("drop table p.t");
  }
}

function sqlType(kind: Kind): string {
  if (kind === "level") return "p.level";
  return kind === "numeric" ? "numeric(20, 2)" : kind;
}

function shown({ columns }: World, row: Row): { readonly [column: string]: Json } {
  return Object.fromEntries(
    Object.entries(columns).map(([name, kind]) => [name, toJson(kind, row[name] ?? null)]),
  );
}

function byKey(a: Row, b: Row): number {
  return Number(a["id"]) - Number(b["id"]) || Number(a[SECOND_KEY]) - Number(b[SECOND_KEY]);
}

test("a find returns exactly the rows that fulfil its conditions, page by page in order", async () => {
  const cases = world.chain((one) => {
    const sortable = Object.entries(one.columns).filter(([, kind]) => kind !== "text");
    const ordering = fc.record({
      column: fc.constantFrom(...sortable.map(([name]) => name)),
      descending: fc.boolean(),
    });
    return fc.record({
      one: fc.constant(one),
      wheres: fc.array(conditions(one.columns), { minLength: 4, maxLength: 8 }),
      order: fc.uniqueArray(ordering, { maxLength: 2, selector: ({ column }) => column }),
      limit: fc.integer({ min: 1, max: 5 }),
    });
  });
  let some = 0;
  await fc.assert(
    fc.asyncProperty(cases, async ({ one, wheres, order, limit }) => {
      await within(one, async (tx, tools) => {
        for (const where of wheres) {
          const wanted = one.rows
            .filter((row) => holds(one.columns, where, row))
            .toSorted((a, b) => inOrder(one, order, a, b));
          if (wanted.length > 0 && wanted.length < one.rows.length) some += 1;
          const found: unknown[] = [];
          for (let cursor: unknown = undefined; ;) {
            const page = await tools.call(tx, "find_t", {
              where,
              order,
              limit,
              ...(cursor !== undefined && { cursor }),
            });
            found.push(...(page.rows ?? []));
            cursor = page["cursor"];
            if (cursor === undefined) break;
          }
          expect(found).toEqual(wanted.map((row) => shown(one, row)));
        }
      });
    }),
    { numRuns: RUNS },
  );
  expect(some).toBeGreaterThan(RUNS / 2);
});

function inOrder(
  one: World,
  order: readonly { readonly column: string; readonly descending: boolean }[],
  a: Row,
  b: Row,
): number {
  for (const { column, descending } of order) {
    const [x, y] = [a[column] ?? null, b[column] ?? null];
    if (x === null && y === null) continue;
    if (x === null) return 1;
    if (y === null) return -1;
    const placed = compare(one.columns[column] as Kind, x, y);
    if (placed !== 0) return descending ? -placed : placed;
  }
  return byKey(a, b);
}

test("an aggregate counts, adds up exactly and groups as adding by hand does", async () => {
  const cases = world.chain((one) =>
    fc.record({
      one: fc.constant(one),
      where: conditions(one.columns, 1),
      group: fc.option(fc.constantFrom(...Object.keys(one.columns))),
    }),
  );
  await fc.assert(
    fc.asyncProperty(cases, async ({ one, where, group }) => {
      await within(one, async (tx, tools) => {
        const numerics = Object.keys(one.columns).filter((name) => one.columns[name] === "numeric");
        const given = { where, sum: numerics, min: ["id"], group_by: group === null ? [] : [group] };
        const { groups } = await tools.call(tx, "aggregate_t", given);
        const rows = one.rows.filter((row) => holds(one.columns, where, row));
        const wanted =
          group === null ? new Map([["all", rows]]) : Map.groupBy(rows, (row) => row[group] ?? null);
        const told = [...wanted].map(([key, some]) => ({
          ...(group !== null && { group: { [group]: toJson(one.columns[group] as Kind, key) } }),
          count: some.length,
          ...(numerics.length > 0 && {
            sum: Object.fromEntries(numerics.map((name) => [name, sum(some, name)])),
          }),
          min: { id: least(some) },
        }));
        expect(sorted(groups)).toEqual(sorted(told));
      });
    }),
    { numRuns: RUNS },
  );
});

function sum(rows: readonly Row[], name: string): string | null {
  const values = rows.flatMap((row) =>
    row[name] === null || row[name] === undefined ? [] : [hundredths(row[name])],
  );
  if (values.length === 0) return null;
  const total = values.reduce((all, value) => all + value, 0n);
  const digits = String(total < 0n ? -total : total).padStart(3, "0");
  return `${total < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

const least = (rows: readonly Row[]): number | null =>
  rows.length === 0 ? null : Math.min(...rows.map((row) => Number(row["id"])));
const sorted = (groups: unknown): unknown[] =>
  (groups as unknown[]).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

test("SQL in any argument is a value or is refused, and changes nothing", async () => {
  const evil = fc.constantFrom(
    ...[
      "'; drop table p.t; --",
      '"; drop table p.t; --',
      "id) or true --",
      "$1",
      "\\",
      "\0",
      "p.t",
      "1; commit",
    ],
    ...[
      "id desc; delete from p.t",
      "(select version())",
      "%' or '1'='1",
      "\ud800",
      "__proto__",
      "constructor",
    ],
  );
  const value = fc.oneof(evil, fc.array(evil, { maxLength: 2 }), fc.dictionary(evil, evil, { maxKeys: 2 }));
  const where = fc.dictionary(fc.oneof(evil, fc.constantFrom("name", "id", "and", "or", "not")), value, {
    maxKeys: 3,
  });
  const call = fc.oneof(
    fc.record({
      name: fc.constant("find_t"),
      input: fc.record(
        {
          ...{
            where,
            cursor: evil,
            include: fc.array(evil, { maxLength: 2 }),
            limit: fc.oneof(evil, fc.constant(3)),
          },
          order: fc.array(fc.record({ column: evil, descending: fc.boolean() }), { maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
    }),
    fc.record({
      name: fc.constant("aggregate_t"),
      input: fc.record(
        { where, group_by: fc.array(evil), sum: fc.array(evil), min: fc.array(evil) },
        { requiredKeys: [] },
      ),
    }),
    fc.record({
      name: fc.constantFrom("insert_t", "update_t", "delete_t"),
      input: fc.record({ row: where, key: where, set: where, expect: where }, { requiredKeys: [] }),
    }),
  );
  await db.query(
    "create table p.t (id serial primary key, name text not null); insert into p.t (name) values ('one')",
  );
  const tools = await generate(db, { "p.t": "write" });
  const dump = async (tx: Pick<Transaction, "query">): Promise<unknown> =>
    (await tx.query("select * from p.t")).rows;
  const before = await dump(db);
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(call, async ({ name, input }) => {
      await db.transaction(async (tx) => {
        const answer = await tools.call(tx, name, input).catch((error: unknown) => {
          if (!(error instanceof FactotumError)) throw error;
          refused += 1;
        });
        const isWrite = answer !== undefined && name === "insert_t";
        expect(isWrite ? before : await dump(tx)).toEqual(before);
        await tx.query("delete from p.t where name <> 'one'");
      });
    }),
    { numRuns: RUNS * 8 },
  );
  expect(refused).toBeGreaterThan(RUNS);
  expect(await dump(db)).toEqual(before);
  await db.query("drop table p.t");
});
