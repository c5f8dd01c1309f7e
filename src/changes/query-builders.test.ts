/** Tools that speak through Kysely or Drizzle: the handle's `client` is all that they need. */
import { eq, sql as fragment } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { Kysely, PostgresDialect, sql } from "kysely";
import { beforeAll, describe, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type About, attach, commit, emptyChangeSet, stage } from "./index.ts";

type Tables = { product: { id: number; name: string; stock: number; tags: string[] | null } };
const product = pgTable("product", {
  id: integer().primaryKey(),
  name: text().notNull(),
  stock: integer().notNull(),
  tags: text().array(),
});
const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const options = { tables: ["public.product"] };
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(
    "create table public.product (id int primary key, name text not null, stock int not null, tags text[])",
  );
  await db.transaction((tx) => attach(tx, options.tables));
});

/** A pool of the one connection that a tool has. */
function kyselyOver({ client }: Transaction): Kysely<Tables> {
  const query = client.query.bind(client);
  const connect = async () => ({ query, release: () => undefined });
  const pool = { connect, end: async () => undefined, options: {} };
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

const staged = async (work: (tx: Transaction) => Promise<unknown>) =>
  await stage(db, emptyChangeSet, options, work);
const stock = async (id: number): Promise<unknown> =>
  (await db.query("select stock from public.product where id = $1", [id])).rows[0]?.["stock"];

/** What an error says, and what caused it. */
const chain = (error: unknown): string =>
  error instanceof Error ? `${error.message} ${chain(error.cause)}` : "";

describe.each([
  {
    name: "Kysely",
    write: async (tx: Transaction, id: number) => {
      const builder = kyselyOver(tx);
      await builder
        .insertInto("product")
        .values({ id, name: "lamp", stock: 3, tags: ["a", "b"] })
        .execute();
      await sql`savepoint s`.execute(builder);
      await builder.updateTable("product").set({ stock: 99 }).execute();
      await sql`rollback to savepoint s`.execute(builder);
      await builder
        .updateTable("product")
        .set((is) => ({ stock: is("stock", "+", 1) }))
        .where("id", "=", id)
        .execute();
      return await builder.selectFrom("product").selectAll().where("id", "=", id).execute();
    },
    inTransaction: (tx: Transaction) =>
      kyselyOver(tx)
        .transaction()
        .execute((inner) =>
          inner.insertInto("product").values({ id: 77, name: "x", stock: 1, tags: null }).execute(),
        ),
  },
  {
    name: "Drizzle",
    write: async (tx: Transaction, id: number) => {
      const builder = drizzle({ client: tx.client as never });
      await builder.insert(product).values({ id, name: "lamp", stock: 3, tags: ["a", "b"] });
      await builder.execute(fragment`savepoint s`);
      await builder.update(product).set({ stock: 99 });
      await builder.execute(fragment`rollback to savepoint s`);
      await builder
        .update(product)
        .set({ stock: fragment`${product.stock} + 1` })
        .where(eq(product.id, id));
      return await builder.select().from(product).where(eq(product.id, id));
    },
    inTransaction: (tx: Transaction) =>
      drizzle({ client: tx.client as never }).transaction((inner) =>
        inner.insert(product).values({ id: 77, name: "x", stock: 1 }),
      ),
  },
])("a tool over $name", ({ name, write, inTransaction }) => {
  const id = name.length;

  test("stages what it writes, reads it back, uses savepoints, and is committed", async () => {
    const { result, changes } = await staged((tx) => write(tx, id));
    expect(result).toEqual([{ id, name: "lamp", stock: 4, tags: ["a", "b"] }]);
    expect(changes.rows.map((row) => row.after)).toEqual([`(${id},lamp,4,"{a,b}")`]);
    expect(await stock(id)).toBeUndefined();
    await db.transaction((tx) => commit(tx, changes, about));
    expect(await stock(id)).toBe(4);
  });

  test("may not open a transaction of its own, and is told to use savepoints", async () => {
    const error = await staged(inTransaction).catch((thrown: unknown) => thrown);
    expect(chain(error)).toContain("use savepoints instead");
    expect(await stock(77)).toBeUndefined();
  });

  test("cannot write once its work is over", async () => {
    let late: Transaction | undefined;
    await staged(async (tx) => {
      late = tx;
    });
    const error = await write(late as Transaction, 78).catch((thrown: unknown) => thrown);
    expect(chain(error)).toContain("after its work had ended");
    expect(await stock(78)).toBeUndefined();
  });
});
