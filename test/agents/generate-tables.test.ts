/** What generated tools make of a schema: relations, names, checks, and changes that keep to them. */
import { throwawayDatabase } from "factotum/testing";
import type { Database, Transaction } from "factotum/postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generate, type Generated } from "./generated.ts";

const SCHEMA = `
  create schema shop; create schema sales;
  create domain shop.code as text check (value ~ '^[A-Z]{2}[0-9]+$');
  create table shop.customers (
    id bigint primary key, name varchar(20) not null, state text not null default 'new',
    email text check (length(email) >= 3 and length(email) <= 40), code shop.code, born date, token uuid,
    score numeric(6, 2) check (score >= 0 and score < 1000), tags text[] not null default '{}', extra jsonb,
    shown text generated always as (upper(name)) virtual,
    constraint state_known check (state in ('new', 'old', 'it''s')));
  comment on table shop.customers is 'Who buys.';
  comment on column shop.customers.state is 'How long we know them.';
  create table shop.orders (
    id integer generated always as identity primary key,
    customer_id bigint not null references shop.customers,
    referred_by bigint references shop.customers, total numeric(20, 4) not null default 0);
  create table shop.order_items (
    order_id integer references shop.orders, line integer,
    amount smallint not null check (amount between 1 and 99),
    primary key (order_id, line));
  create table shop.returns (
    id integer primary key, order_id integer not null, line integer not null,
    foreign key (order_id, line) references shop.order_items);
  create table shop.secrets (id integer primary key, customer_id bigint references shop.customers);
  create table sales.orders (
    id integer primary key, "order date" date, "and" boolean, "naïve ""quoted""" text);
  insert into shop.customers (id, name) values (1, 'Ada'), (2, 'Bo'), (9007199254740993, 'Big');
  insert into shop.orders (customer_id, referred_by, total)
    select 1 + n % 2, 1, n * 0.0001 from generate_series(0, 59) n;
  insert into shop.order_items select 1, n, n from generate_series(1, 25) n;
  insert into shop.returns values (1, 1, 3), (2, 1, 3);`;

let db: Database;
let all: Generated;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  all = await generate(db, {
    ...{ "shop.customers": "write", "shop.orders": "write", "shop.order_items": "write" },
    ...{ "shop.returns": "read", "sales.orders": "write" },
  });
});
afterAll(() => db.close());

/** Calls a tool in a transaction that is rolled back. */
async function within<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  let result: T | undefined;
  await db
    .transaction(async (tx) => {
      result = await work(tx);
      throw new Error("rolled back");
    })
    .catch((error: unknown) => {
      if (!(error instanceof Error) || error.message !== "rolled back") throw error;
    });
  return result as T;
}
const call = (name: string, input: object) => within((tx) => all.call(tx, name, input));

describe("rows of other tables", () => {
  test("come along foreign keys, both ways, of one column and of several, two deep", async () => {
    const found = await call("find_returns", { include: ["order_items", "order_items.order"], limit: 1 });
    expect(found.rows).toMatchObject([
      { id: 1, order_items: { line: 3, amount: 3, order: { id: 1, customer_id: 1 } } },
    ]);
    const order = await call("find_shop_orders", {
      where: { id: 1 },
      include: ["customer", "order_items.returns"],
    });
    expect(order.rows?.[0]).toMatchObject({ customer: { name: "Ada" } });
    const items = order.rows?.[0]?.["order_items"] as readonly {
      line: number;
      returns: readonly unknown[];
    }[];
    expect(items.map((one) => one.line)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    expect(items[2]?.returns).toHaveLength(2);
    expect(order["cut"]).toEqual(["order_items"]);
  });

  test("are told apart where two foreign keys lead to the same table", async () => {
    const description = all.tools.get("find_customers")?.description;
    expect(description).toContain("shop_orders_by_customer_id (rows of shop.orders)");
    expect(description).toContain("shop_orders_by_referred_by (rows of shop.orders)");
    const found = await call("find_customers", { include: ["shop_orders_by_customer_id"], limit: 1 });
    expect(found.rows?.[0]?.["shop_orders_by_customer_id"]).toHaveLength(20);
  });

  test("of tables that are not declared cannot be reached", async () => {
    await expect(call("find_customers", { include: ["secrets"] })).rejects.toThrow(
      "shop.customers cannot include secrets; it can include shop_orders_by_customer_id",
    );
    await expect(call("find_returns", { include: ["order_items.order.customer"] })).rejects.toThrow("2 deep");
    expect([...all.tools.keys()].filter((name) => name.includes("secret"))).toEqual([]);
  });
});

describe("names", () => {
  test("of tables that two schemas have are told apart by the schema", () => {
    const names = [...all.tools.keys()].filter((name) => name.startsWith("find_"));
    expect(names).toEqual([
      ...["find_customers", "find_shop_orders", "find_order_items", "find_returns", "find_sales_orders"],
    ]);
  });

  test("that providers of models refuse are replaced, and joining words make way for columns", async () => {
    const row = { id: 1, order_date: "2026-03-01", and: true, nai_ve_quoted_: "x" };
    const found = await within(async (tx) => {
      await all.call(tx, "insert_sales_orders", { row });
      const where = { and: true, and_: [{ order_date: { lt: "2026-04-01" } }] };
      return all.call(tx, "find_sales_orders", { where });
    });
    expect(found.rows).toEqual([row]);
  });

  test("of columns that are not there are answered with those that are", async () => {
    await expect(call("find_shop_orders", { where: { price: 1 } })).rejects.toThrow(
      "shop.orders has no column price; it has id, customer_id, referred_by, total",
    );
    const nested = { where: { or: [{ not: { price: 1 } }] } };
    await expect(call("find_shop_orders", nested)).rejects.toThrow("no column price");
    await expect(call("insert_shop_orders", { row: { id: 1, customer_id: 1 } })).rejects.toThrow(
      "no column id",
    );
    const deep = { not: { not: { not: { not: {} } } } };
    await expect(call("find_shop_orders", { where: deep })).rejects.toThrow("3 deep");
  });
});

test("types, checks, domains and comments become JSON Schema", () => {
  const schema = all.tools.get("insert_customers")?.inputSchema as {
    readonly properties: {
      readonly row: { readonly properties: Record<string, unknown>; readonly required: unknown };
    };
  };
  const { properties, required } = schema.properties.row;
  expect(required).toEqual(["id", "name"]);
  expect(properties).not.toHaveProperty("shown");
  expect(properties["name"]).toEqual({ type: "string", maxLength: 20 });
  expect(properties["state"]).toEqual({
    ...{ type: "string", enum: ["new", "old", "it's"], description: "How long we know them." },
  });
  const nullable = (name: string): unknown => (properties[name] as { anyOf: readonly unknown[] }).anyOf[0];
  expect(nullable("email")).toEqual({ type: "string", minLength: 3, maxLength: 40 });
  expect(nullable("code")).toEqual({ type: "string", pattern: "^[A-Z]{2}[0-9]+$" });
  expect(nullable("born")).toEqual({ type: "string", format: "date" });
  expect(nullable("token")).toEqual({ type: "string", format: "uuid" });
  expect(JSON.stringify(properties["score"])).toContain('"minimum":0,"exclusiveMaximum":1000');
  expect(JSON.stringify(properties["score"])).toContain("At most 4 digits before the point, 2 after.");
  const items = JSON.stringify(all.tools.get("insert_order_items")?.inputSchema);
  expect(items).toContain('"minimum":1,"maximum":99');
});

describe("changes", () => {
  const customer = { id: 5, name: "Cy", tags: ["a"], extra: [1, { b: null }], score: "12.30" };

  test("of up to a hundred rows at once, each with its own columns", async () => {
    const made = await call("insert_shop_orders", {
      rows: [{ customer_id: 1 }, { customer_id: 2, total: "1.5" }],
    });
    expect(made.rows).toMatchObject([{ customer_id: 1, total: "0.0000" }, { total: "1.5000" }]);
    const rows = Array.from({ length: 101 }, () => ({ customer_id: 1 }));
    await expect(call("insert_shop_orders", { rows })).rejects.toMatchObject({ code: "tool-input" });
    await expect(call("insert_shop_orders", {})).rejects.toThrow("either row or rows");
  });

  test("keep JSON lists, arrays, big integers and scales as they are", async () => {
    const made = await call("insert_customers", { row: { ...customer, id: "9007199254740995" } });
    expect(made).toMatchObject({ ...customer, id: "9007199254740995", shown: "CY" });
  });

  test("by upsert make a row, or set only what is given", async () => {
    const [made, set] = await within(async (tx) => [
      await all.call(tx, "upsert_customers", { row: customer }),
      await all.call(tx, "upsert_customers", { row: { id: 5, name: "Cyd" } }),
    ]);
    expect(made).toMatchObject({ name: "Cy", score: "12.30" });
    expect(set).toMatchObject({ name: "Cyd", score: "12.30", tags: ["a"] });
    expect(all.tools.has("upsert_shop_orders")).toBe(false);
  });

  test("are refused where the row is no longer as it was read", async () => {
    await within(async (tx) => {
      await all.call(tx, "insert_customers", { row: customer });
      const stale = { key: { id: 5 }, set: { name: "Dee" }, expect: { score: "12.30", state: "old" } };
      await expect(all.call(tx, "update_customers", stale)).rejects.toThrow(
        'the row of shop.customers is not as expected: state is "new", score is "12.30"; nothing was changed',
      );
      const fresh = { ...stale, expect: { score: 12.3, state: "new", born: null } };
      expect(await all.call(tx, "update_customers", fresh)).toMatchObject({ name: "Dee" });
      await expect(
        all.call(tx, "delete_customers", { key: { id: 5 }, expect: { name: "Cy" } }),
      ).rejects.toMatchObject({ code: "row-changed" });
      await expect(all.call(tx, "delete_customers", { key: { id: 6 } })).rejects.toMatchObject({
        code: "row-unknown",
      });
    });
  });

  test("take no word of the machine's clock", async () => {
    const born = { row: { ...customer, born: "today" } };
    await expect(call("insert_customers", born)).rejects.toThrow("must be written out");
  });
});

test("sums are exact where floating point is not", async () => {
  const { groups } = await call("aggregate_shop_orders", {
    sum: ["total"],
    avg: ["total"],
    count_distinct: ["customer_id"],
  });
  expect(groups).toMatchObject([{ count: 60, sum: { total: "0.1770" }, count_distinct: { customer_id: 2 } }]);
  const by = await call("aggregate_shop_orders", {
    group_by: ["customer_id"],
    largest_first: true,
    limit: 1,
  });
  expect(by).toMatchObject({ groups: [{ group: { customer_id: 1 }, count: 30 }], more: true });
});
