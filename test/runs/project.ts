/** A shop as a whole project: configuration, database, worker, and the doors that a person comes in by. */
import type { Agent } from "factotum/agents";
import type { Database } from "factotum/postgres";
import { type Config, defineConfig, type Factotum, openFactotum } from "factotum/server";
import { throwawayDatabase } from "factotum/testing";
import { clerk, type Order, SCHEMA } from "../agents/shop.ts";

/** A project at work. */
export type Project = {
  readonly factotum: Factotum;
  readonly db: Database;
  readonly said: readonly string[];
  /** Starts what is due and works until nothing is ready. */
  settle(): Promise<void>;
  /** The shop's orders, oldest first, as product and quantity. */
  orders(): Promise<readonly string[]>;
  close(): Promise<void>;
};

/** A configuration of the shop. */
export function shopConfig(more: Partial<Config> = {}, agent: Partial<Agent<Order>> = {}): Config {
  return defineConfig({
    ...{ name: "shop", agents: [clerk(agent)], leastPrivilege: false, models: [] },
    async prepare(tx) {
      const { rows } = await tx.query("select to_regclass('shop.orders') as there");
      if (rows[0]?.["there"] === null) await tx.query(SCHEMA);
    },
    ...more,
  });
}

/** Opens a project on a database of its own, or on one that another process of it has. */
export async function openProject(config: Config, shared?: Database): Promise<Project> {
  const db = shared ?? (await throwawayDatabase());
  const said: string[] = [];
  const factotum = await openFactotum(config, {
    ...{ env: { DATABASE_URL: db.url }, directory: "/", say: (line: string) => void said.push(line) },
  });
  await factotum.prepare();
  const worker = factotum.work();
  return {
    ...{ factotum, db, said },
    settle: () => worker.drained(),
    async orders() {
      const { rows } = await db.query<{ made: string }>(
        `select p.name || ' ' || o.quantity as made from shop.orders o
         join shop.products p on p.id = o.product_id order by o.id`,
      );
      return rows.map((row) => row.made);
    },
    async close() {
      await worker.stop();
      await factotum.close();
    },
  };
}
