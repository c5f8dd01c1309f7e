/** A small business for the tests of this room: a shop with stock, and a clerk who takes orders. */
import { z } from "zod";
import {
  type Agent,
  defineAgent,
  makeDriver,
  openSpending,
  type Rung,
  type Spending,
  tool,
} from "factotum/agents";
import { attach } from "factotum/changes";
import { listQuestions, type Question } from "factotum/inbox";
import { microUsd, type ModelId, type RunId, systemClock } from "factotum/kernel";
import { makeModels } from "factotum/models";
import { type Check, invariant } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { type Drive, getRun, type Run, startRun, startWorker, type Worker } from "factotum/runs";
import { throwawayDatabase } from "factotum/testing";

/** What a customer wrote. */
export const Order = z.object({ product: z.string(), quantity: z.number().int() });
/** An order as the clerk gets it. */
export type Order = z.infer<typeof Order>;

/** Makes the business. */
export const SCHEMA = `
  create schema shop;
  create table shop.products (
    id integer primary key, name text not null unique, stock integer not null check (stock >= 0));
  comment on table shop.products is 'What we sell.';
  create table shop.orders (
    id integer generated always as identity primary key,
    product_id integer not null references shop.products, quantity integer not null check (quantity > 0));
  insert into shop.products values (1, 'lamp', 10), (2, 'chair', 500);`;

/** Stages an order and takes it off the stock. */
export const placeOrder = tool({
  name: "place_order",
  description: "Stages an order for a product by its exact name.",
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

/** Knows products by their exact names, and the other names it was taught. */
export const exactRung: Rung<Order> = {
  kind: "code",
  name: "exact",
  async run(work) {
    const taught = work.lessons.find((lesson) => lesson.topic === work.input.product)?.content;
    const product = typeof taught === "string" ? taught : work.input.product;
    const { rows } = await work.view.query("select 1 from shop.products where name = $1", [product]);
    if (rows.length === 0) return { kind: "stuck", because: `there is no product ${product}` };
    await work.call("place_order", { product, quantity: work.input.quantity });
    return { kind: "finished", doubts: [] };
  },
};

const ordersWhatWasAsked: Check<Order> = {
  name: "what was asked is ordered",
  run: async ({ input, diff }) => {
    const ordered = diff.filter((row) => row.table === "shop.orders").map((row) => row.after?.["quantity"]);
    if (ordered.length === 1 && ordered[0] === String(input.quantity)) return [];
    return [
      { kind: "fail", because: `asked for ${input.quantity}, ordered ${ordered.join(", ") || "nothing"}` },
    ];
  },
};

const bigOrders: Check<Order> = {
  name: "policy",
  run: async ({ input }) =>
    input.quantity > 100 ? [{ kind: "ask", because: `${input.quantity} is a big order` }] : [],
};

/** The clerk, with whatever a test changes about it. */
export function clerk(more: Partial<Agent<Order>> = {}): Agent<Order> {
  return defineAgent<Order>({
    ...{ name: "clerk", version: 1, policy: "Order what the customer asks for.", input: Order },
    tables: { "shop.products": "write", "shop.orders": "write" },
    tools: [placeOrder],
    generate: { "shop.products": "read" },
    checks: [
      ordersWhatWasAsked,
      bigOrders,
      invariant("no product is created", ({ diff }) =>
        diff.filter((row) => row.table === "shop.products" && row.kind === "insert").map(() => "one was"),
      ),
    ],
    cascade: [
      exactRung,
      { kind: "model", name: "cheap", model: "cheap" },
      { kind: "model", name: "strong", model: "strong" },
    ],
    value: () => microUsd(2_000_000),
    present: ({ product, quantity }) => ({
      title: `order ${product}`,
      text: `${quantity} x ${product}, please`,
    }),
    learn: async ({ input, calls }) => {
      const product = Order.safeParse(calls[0]?.input).data?.product;
      return product === undefined ? [] : [{ topic: input.product, shape: "name", content: product }];
    },
    ...more,
  });
}

/** The shop at work. */
export type Shop = {
  readonly db: Database;
  readonly worker: Worker;
  /** What those who watch the process were told of its budgets. */
  readonly said: readonly string[];
  /** Starts an order and works until nothing is ready. */
  order(order: Order, key?: string): Promise<Run>;
  /** Works until nothing is ready, and reads the run again. */
  settle(id: RunId): Promise<Run>;
  questions(): Promise<readonly Question[]>;
  stock(product: string): Promise<number>;
  orders(): Promise<number>;
  close(): Promise<void>;
};

/** A database of its own with the shop's tables, ready for agents. */
export async function shopDatabase(): Promise<Database> {
  const db = await throwawayDatabase();
  await openTables(db);
  return db;
}

/** Makes the shop's tables in a migrated database. */
export async function openTables(db: Database): Promise<void> {
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, ["shop.products", "shop.orders"]));
}

/** What drives a worker of the shop; `urls` are providers that stand for a cheap and a strong model. */
export function clerkDriver(
  db: Database,
  agent: Agent<Order>,
  urls: readonly string[],
  spending?: Spending,
): Drive {
  const ladder = urls.map((_, at) => `local${at}/tiny` as ModelId);
  const cards = urls.map((baseUrl, at) => ({
    ...{ id: ladder[at] as ModelId, provider: "openai-compatible" as const, model: "tiny", baseUrl },
    ...{ outputTokensMax: 1_000, price: STATED_PRICE },
  }));
  const models = makeModels({ cards, keys: {} });
  const sleep = (): Promise<void> => Promise.resolve();
  const paid = spending === undefined ? {} : { spending };
  return makeDriver({ db, agents: [agent], models, ladder, clock: systemClock, sleep, ...paid });
}

/** Opens a shop on a database of its own; `urls` are providers that stand for a cheap and a strong model. */
export async function openShop(agent: Agent<Order>, urls: readonly string[] = []): Promise<Shop> {
  const db = await shopDatabase();
  const said: string[] = [];
  const spending = openSpending(db, { name: "shop", say: (line) => said.push(line) });
  const worker = startWorker({ db, drive: clerkDriver(db, agent, urls, spending) });
  const settle = async (id: RunId): Promise<Run> => {
    await worker.drained();
    return getRun(db, id);
  };
  const number = async (sql: string, ...params: unknown[]): Promise<number> =>
    Number((await db.query<{ n: string }>(sql, params)).rows[0]?.n);
  return {
    ...{ db, worker, settle, said },
    async order(input, key) {
      const made = { agent: agent.name, agentVersion: 1, input, ...(key === undefined ? {} : { key }) };
      const { run } = await db.transaction((tx) => startRun(tx, made));
      return settle(run.id);
    },
    questions: () => listQuestions(db),
    stock: (product) => number("select stock as n from shop.products where name = $1", product),
    orders: () => number("select count(*) as n from shop.orders"),
    async close() {
      await worker.stop();
      await spending.close();
      await db.close();
    },
  };
}

/** One dollar a million tokens in, two out: easy to check by hand. */
const STATED_PRICE = { kind: "stated", inputUsdPerMtok: "1", outputUsdPerMtok: "2" } as const;
