/** A clerk who asks, people who answer, and the HTTP API between them. */
import type { Agent, AskAnswer, AskOrder, Rung } from "factotum/agents";
import type { Attention } from "factotum/inbox";
import { setClock } from "factotum/postgres";
import {
  type Config,
  defineConfig,
  type Factotum,
  type HttpServer,
  openFactotum,
  serveHttp,
} from "factotum/server";
import { throwawayDatabase } from "factotum/testing";
import { clerk, type Order, SCHEMA } from "../agents/shop.ts";

/** When the tests' business begins: a Monday, 09:00 in Oslo. */
const MORNING = new Date("2026-03-02T08:00:00Z");
export const HOUR_MS = 3_600_000;

/** A question of the clerk's, as a test has it. */
export const whichLamp = (more: Partial<AskOrder> = {}): AskOrder => ({
  question: "Which lamp is meant?",
  choices: [
    { id: "lamp", label: "The standing one" },
    { id: "chair", label: "None: a chair is meant" },
  ],
  ...more,
});

/** A rung that asks before it orders. `seen` gets what it was answered. */
export function askingRung(order: () => AskOrder, seen: AskAnswer[] = []): Rung<Order> {
  return {
    kind: "code",
    name: "asks",
    async run(work) {
      const answer = await work.ask(order());
      seen.push(answer);
      await work.call("place_order", { product: answer.choice, quantity: work.input.quantity });
      return { kind: "finished", doubts: [] };
    },
  };
}

/** The clerk with one rung. */
export const clerkWith = (rung: Rung<Order>, more: Partial<Agent<Order>> = {}): Agent<Order> =>
  clerk({ cascade: [rung], ...more });

/** The business at work, its clock standing where the test puts it. */
export type Office = {
  readonly factotum: Factotum;
  /** The root of everything over HTTP, without `/api`. */
  readonly http: string;
  /** Starts an order and works until nothing is ready. */
  order(product: string, quantity?: number): Promise<Awaited<ReturnType<Factotum["start"]>>["run"]>;
  /** Works until nothing is ready. */
  settle(): Promise<void>;
  /** Puts the business clock at so many hours after the morning, and works. */
  at(hours: number): Promise<void>;
  post(
    path: string,
    body: unknown,
    method?: string,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
  close(): Promise<void>;
};

/** Opens an office on a database of its own. */
export async function openOffice(
  agent: Agent<Order> | readonly Agent<Order>[],
  more: Partial<Config> & { readonly attention?: Attention } = {},
  url?: string,
): Promise<Office> {
  const database = await throwawayDatabase();
  await setClock(database, { at: MORNING, rate: 0 });
  const agents = Array.isArray(agent) ? (agent as readonly Agent<Order>[]) : [agent as Agent<Order>];
  const config = defineConfig({
    ...{ name: "office", agents, leastPrivilege: false },
    ...(url !== undefined && { models: [{ id: "local/clerk", baseUrl: url, local: true }] }),
    prepare: async (tx) => void (await tx.query(SCHEMA)),
    ...more,
  });
  const surroundings = { env: { DATABASE_URL: database.url }, directory: ".", say: () => {} };
  const factotum = await openFactotum(config, surroundings);
  await factotum.prepare();
  const http: HttpServer = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  const worker = factotum.work();
  const settle = (): Promise<void> => worker.drained();
  let orders = 0;
  return {
    ...{ factotum, settle, http: http.url.replace(/\/api$/, "") },
    async order(product, quantity = 1) {
      const key = String((orders += 1));
      const { run } = await factotum.start({
        agent: agents[0]?.name ?? "",
        key,
        input: { product, quantity },
      });
      await settle();
      return run;
    },
    async at(hours) {
      await setClock(database, { at: new Date(MORNING.getTime() + hours * HOUR_MS), rate: 0 });
      await settle();
    },
    async post(path, body, method = "POST") {
      const answer = await fetch(`${http.url}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { "content-type": "application/json" },
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    async close() {
      await http.close();
      await worker.stop();
      await factotum.close();
      await database.close();
    },
  };
}
