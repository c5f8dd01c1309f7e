/** A small business for the tests of the command line and the HTTP API: orders, booked by code alone. */
import { readFile } from "node:fs/promises";
import {
  type BadItem,
  defineAgent,
  defineConfig,
  invariant,
  microUsd,
  tool,
  type WorkItem,
  z,
} from "factotum";

const Order = z.strictObject({ id: z.string(), customer: z.string(), amount: z.number().int() });
type Order = z.infer<typeof Order>;

/** Above this a person decides. */
const AMOUNT_UNASKED = 1_000;

const bookOrder = tool({
  name: "book_order",
  description: "Books an order.",
  effect: "write",
  input: Order,
  output: z.strictObject({ id: z.string() }),
  run: async (tx, { id, customer, amount }) => {
    await tx.query("insert into shop.orders (id, customer, amount) values ($1, $2, $3)", [
      id,
      customer,
      amount,
    ]);
    return { id };
  },
});

const clerk = defineAgent<Order>({
  name: "clerk",
  version: 1,
  policy: "Book every order; nothing for free; large ones only with a person's word.",
  input: Order,
  tables: { "shop.orders": "write" },
  tools: [bookOrder],
  checks: [
    invariant("an order is booked", ({ diff }) => (diff.length === 1 ? [] : ["no order was booked"])),
    {
      name: "large orders",
      run: async ({ input }) =>
        input.amount > AMOUNT_UNASKED ? [{ kind: "ask", because: `${input.amount} is a large order` }] : [],
    },
  ],
  cascade: [
    {
      kind: "code",
      name: "book",
      run: async ({ input, call }) => {
        if (input.amount === 0) return { kind: "refuse", because: "nothing is ordered" };
        await call("book_order", input);
        return { kind: "finished", doubts: [] };
      },
    },
  ],
  value: () => microUsd(2_000_000),
  present: ({ id, customer, amount }) => ({ title: `order ${id}`, text: `${customer} orders for ${amount}` }),
});

export default defineConfig({
  name: "shop",
  agents: [clerk],
  prepare: async (tx) => {
    await tx.query(`create schema if not exists shop;
      create table if not exists shop.orders (
        id text constraint orders_pkey primary key,
        customer text not null,
        amount integer not null constraint amount_positive check (amount > 0))`);
  },
  intake: {
    option: "orders",
    describe: "a file with one order as JSON on each line",
    read: (path) => readOrders(path),
  },
});

async function* readOrders(path: string | undefined): AsyncGenerator<WorkItem | BadItem> {
  if (path === undefined) return;
  const lines = (await readFile(path, "utf8")).split("\n").filter(Boolean);
  for (const [at, line] of lines.entries()) {
    const name = `line ${at + 1}`;
    try {
      const input = Order.parse(JSON.parse(line));
      yield { kind: "work", agent: "clerk", key: input.id, input, name };
    } catch {
      yield { kind: "bad", name, because: "it is not an order" };
    }
  }
}
