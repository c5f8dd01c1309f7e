/** The shop in which workers are killed: an order takes from the stock and sends a letter. */
import { type Agent, defineAgent, judge, makeDriver, tool } from "factotum/agents";
import { attach } from "factotum/changes";
import { microUsd, type ModelId, systemClock } from "factotum/kernel";
import { makeModels } from "factotum/models";
import { type Channel, type Deliverer, startDeliverer } from "factotum/outbox";
import { invariant } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { startWorker, type Worker } from "factotum/runs";
import { z } from "zod";

/** The kinds of attempt that are killed: by code alone, and by a model whose change a judge looks at. */
export const scenarios = ["code", "model"] as const;
/** One of them. */
export type Scenario = (typeof scenarios)[number];

const STOCK = 1_000_000;
const LETTERS = "letters";
const Order = z.object({ quantity: z.number().int() });

/** Makes the shop's tables. */
export async function openShop(db: Database): Promise<void> {
  await db.query(`create schema shop;
    create table shop.stock (id integer primary key, left_over integer not null check (left_over >= 0));
    create table shop.orders (id integer generated always as identity primary key,
      quantity integer not null);
    insert into shop.stock values (1, ${STOCK})`);
  await db.transaction((tx) => attach(tx, ["shop.stock", "shop.orders"]));
}

const placeOrder = tool({
  name: "place_order",
  description: "Orders.",
  effect: "write",
  input: Order,
  output: z.object({ order: z.number() }),
  run: async (tx, { quantity }, { emit }) => {
    await tx.query("update shop.stock set left_over = left_over - $1", [quantity]);
    const { rows } = await tx.query<{ order: number }>(
      `insert into shop.orders (quantity) values ($1) returning id as "order"`,
      [quantity],
    );
    const order = rows[0]?.order ?? 0;
    await emit({ channel: LETTERS, body: { order } });
    return { order };
  },
});

/** An agent for each kind. */
export const agents: readonly Agent<z.infer<typeof Order>>[] = scenarios.map((name) =>
  defineAgent({
    ...{ name, version: 1, policy: "Order what is asked for.", input: Order, tools: [placeOrder] },
    tables: { "shop.stock": "write", "shop.orders": "write" },
    effects: [LETTERS],
    checks: [
      invariant("one order is placed", ({ diff }) =>
        diff.filter((row) => row.table === "shop.orders").length === 1 ? [] : ["not one order"],
      ),
    ],
    ...(name === "model" && {
      verifiers: [judge({ name: "reader", model: "cheap", instructions: "Read it." })],
    }),
    cascade:
      name === "model"
        ? [{ kind: "model", name: "cheap", model: "cheap" }]
        : [
            {
              kind: "code",
              name: "by rote",
              run: async ({ call, input }) => {
                await call("place_order", { quantity: input.quantity });
                return { kind: "finished", doubts: [] };
              },
            },
          ],
    value: () => microUsd(1_000),
    present: ({ quantity }) => ({ title: `order ${quantity}`, text: `${quantity}, please` }),
  }),
);

/** A worker of the shop, whose model answers at an address. */
export function work(db: Database, providerUrl: string, sweepMs: number): Worker {
  const id = "local/tiny" as ModelId;
  const price = { kind: "stated", inputUsdPerMtok: "1", outputUsdPerMtok: "2" } as const;
  const card = { id, provider: "openai-compatible", model: "tiny", outputTokensMax: 100, price } as const;
  const models = makeModels({ cards: [{ ...card, baseUrl: providerUrl }], keys: {} });
  const parts = { db, agents, models, ladder: [id], clock: systemClock, sleep: async () => {} };
  return startWorker({ db, drive: makeDriver(parts), sweepMs, concurrency: 1 });
}

/** Sends the shop's letters to an address. */
export function deliver(db: Database, address: string, sweepMs: number): Deliverer {
  const send: Channel["deliver"] = async ({ key, body }, { signal }) => {
    const headers = { "idempotency-key": key };
    const answer = await fetch(address, { method: "POST", body: JSON.stringify(body), headers, signal });
    return await answer.text();
  };
  return startDeliverer({ db, channels: { [LETTERS]: { deliver: send } }, leaseMs: 200, sweepMs });
}
