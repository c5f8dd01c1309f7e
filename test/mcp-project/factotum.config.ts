/** A small business for the tests of the Model Context Protocol: orders that take from a stock. */
import { defineAgent, defineConfig, invariant, microUsd, tool, z } from "factotum";

const Note = z.strictObject({ note: z.string().min(1) });
type Note = z.infer<typeof Note>;

/** Above this a person decides. */
const QUANTITY_UNASKED = 100;

const placeOrder = tool({
  name: "place_order",
  description: "Orders a product by its exact name and takes it off the stock.",
  effect: "write",
  input: z.strictObject({ product: z.string(), quantity: z.number().int().positive() }),
  output: z.strictObject({ order: z.number() }),
  run: async (tx, { product, quantity }) => {
    const { rows } = await tx.query<{ id: number }>(
      "update shop.products set stock = stock - $2 where name = $1 returning id",
      [product, quantity],
    );
    if (rows[0] === undefined) throw new Error(`we do not sell ${product}`);
    const made = await tx.query<{ order: number }>(
      `insert into shop.orders (product_id, quantity) values ($1, $2) returning id as "order"`,
      [rows[0].id, quantity],
    );
    return { order: made.rows[0]?.order ?? 0 };
  },
});

const clerk = defineAgent<Note>({
  name: "clerk",
  version: 1,
  policy: "Order what the customer asks for. Over 100 of anything is for a person to decide.",
  input: Note,
  tables: { "shop.products": "write", "shop.orders": "write" },
  tools: [placeOrder],
  generate: { "shop.products": "read", "shop.orders": "read" },
  checks: [
    invariant("every order takes from the stock", ({ diff }) =>
      diff.every((row) => row.table !== "shop.orders") || diff.some((row) => row.table === "shop.products")
        ? []
        : ["an order left the stock as it was"],
    ),
    invariant("a lamp comes alone", async ({ view }) => {
      const { rows } = await view.query(
        `select from shop.orders o join shop.products p on p.id = o.product_id
         where p.name = 'lamp' and o.quantity > 1`,
      );
      return rows.length === 0 ? [] : ["lamps are sold one at a time"];
    }),
    {
      name: "large orders",
      run: async ({ diff }) =>
        diff.some((row) => row.table === "shop.orders" && Number(row.after?.["quantity"]) > QUANTITY_UNASKED)
          ? [{ kind: "ask", because: "a large order" }]
          : [],
    },
  ],
  cascade: [
    { kind: "code", name: "nobody", run: async () => ({ kind: "stuck", because: "clients do the work" }) },
  ],
  value: () => microUsd(1_000_000),
  present: ({ note }) => ({ title: note.slice(0, 60), text: note }),
});

export default defineConfig({
  name: "mcp-shop",
  agents: [clerk],
  prepare: async (tx) => {
    await tx.query(`create schema if not exists shop;
      create table if not exists shop.products (
        id integer primary key, name text not null unique, stock integer not null check (stock >= 0));
      create table if not exists shop.orders (
        id integer generated always as identity primary key,
        product_id integer not null references shop.products, quantity integer not null);
      insert into shop.products values (1, 'lamp', 10), (2, 'chair', 500) on conflict do nothing;`);
  },
});
