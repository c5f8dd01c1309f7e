import fc from "fast-check";
import { attach, type Diff, diff, inspect, stage } from "../changes/index.ts";
import { introspect, type Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { afterAll, expect, test } from "vitest";
import { differences, type StagedDiff } from "./same-change.ts";

const tables = ["public.orders", "public.items", "public.stock"];
const db = await throwawayDatabase();
afterAll(() => db.close());
await db.query(`
  create table stock (name text primary key, n integer not null, touched_at timestamptz);
  create table orders (id bigint generated always as identity primary key, who text not null,
    token uuid not null default gen_random_uuid(), made_at timestamptz not null default now());
  create table items (order_id bigint not null references orders, place integer not null, name text not null,
    primary key (order_id, place));
  insert into stock values ('lamp', 10, null), ('chair', 5, null)`);
await db.transaction((tx) => attach(tx, tables));

async function staged(work: (tx: Transaction) => Promise<unknown>): Promise<StagedDiff> {
  const from = new Date();
  const { changes } = await stage(db, { rows: [] }, { tables }, work);
  const { result } = await inspect(db, changes, (tx) => diff(tx, changes));
  return { diff: result, from, to: new Date() };
}

async function compared(one: StagedDiff, other: StagedDiff): Promise<readonly string[]> {
  const described = await db.transaction((tx) => introspect(tx, tables), { readOnly: true });
  return differences(one, other, described);
}

/** Orders, each with its items, as an application would write them. */
const ordering = (orders: readonly (readonly string[])[]) => async (tx: Transaction) => {
  for (const [at, names] of orders.entries()) {
    const { rows } = await tx.query<{ id: string }>("insert into orders (who) values ($1) returning id", [
      `customer ${at % 2}`,
    ]);
    for (const [place, name] of names.entries()) {
      await tx.query("insert into items values ($1, $2, $3)", [rows[0]?.id, place, name]);
    }
  }
  await tx.query("update stock set n = n - 1, touched_at = now() where name = 'lamp'");
};

test("what the database gave is the same: ids, defaults, times, and references to them", async () => {
  const [one, other] = [
    await staged(ordering([["lamp", "chair"]])),
    await staged(ordering([["lamp", "chair"]])),
  ];
  const ids = (of: Diff) => of.find((row) => row.table === "public.orders")?.key["id"];
  expect(ids(one.diff)).not.toBe(ids(other.diff));
  expect(await compared(one, other)).toEqual([]);
});

test("another value, a row too many and one too few are named", async () => {
  const other = await staged(ordering([["lamp", "lamp"], []]));
  const found = await compared(await staged(ordering([["lamp", "chair"]])), other);
  expect(found).toHaveLength(3);
  expect(found.join("\n")).toMatch(/only the first: insert public.items .*name="chair"/);
  expect(found.join("\n")).toMatch(/only the further one: insert public.items .*name="lamp"/);
  expect(found.join("\n")).toMatch(/only the further one: insert public.orders .*who="customer 1"/);
});

test("an item that hangs on another order is a difference", async () => {
  const found = await compared(
    await staged(ordering([["lamp"], []])),
    await staged(ordering([[], ["lamp"]])),
  );
  expect(found).toHaveLength(2);
});

test("a time that was not now is a difference", async () => {
  const at = (when: string) => (tx: Transaction) =>
    tx.query("update stock set touched_at = $1 where name = 'lamp'", [when]);
  const found = await compared(await staged(at("2020-01-01T10:00Z")), await staged(at("2020-01-01T11:00Z")));
  expect(found.join("\n")).toContain("2020-01-01 10:00:00");
});

test("many differences are counted", async () => {
  const many = await staged(ordering(Array.from({ length: 20 }, () => [])));
  const found = await compared(many, await staged(ordering([])));
  expect([found.length, found.at(-1)]).toEqual([6, "and 15 more"]);
});

test("staging the same twice is the same, whatever it is, and staging something else is not", async () => {
  const orders = fc.array(fc.array(fc.constantFrom("lamp", "chair"), { maxLength: 2 }), { maxLength: 3 });
  const text = (all: readonly (readonly string[])[]): string =>
    JSON.stringify(
      all
        .map((names, at) => [at % 2, names])
        .map((one) => JSON.stringify(one))
        .sort(),
    );
  await fc.assert(
    fc.asyncProperty(orders, orders, async (left, right) => {
      const one = await staged(ordering(left));
      const again = await staged(ordering(left));
      const other = await staged(ordering(right));
      expect(await compared(one, again)).toEqual([]);
      expect((await compared(one, other)).length === 0).toBe(text(left) === text(right));
      expect((await compared(one, other)).length).toBe((await compared(other, one)).length);
    }),
    { numRuns: 12 },
  );
});
