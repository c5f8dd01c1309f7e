/** A clerk who talks, over HTTP, with a person on the other side. */
import type { Agent, Converse } from "factotum/agents";
import { microUsd } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { defineConfig, type Factotum, type HttpServer, openFactotum, serveHttp } from "factotum/server";
import { reply, type ScriptedReply, throwawayDatabase } from "factotum/testing";
import { z } from "zod";
import { clerk, type Order, placeOrder, SCHEMA } from "./shop.ts";

/** A clerk whose model takes orders in conversation. */
export function talker(converse: Converse = {}, more: Partial<Agent<Order>> = {}): Agent<Order> {
  return clerk({
    ...{ tools: [placeOrder], checks: [], value: () => microUsd(0), converse },
    cascade: [{ kind: "model", name: "talker", model: "cheap" }],
    ...more,
  });
}

/** What the model answers: an order, the end, or words. */
export const order = (product: string, quantity = 1): ScriptedReply =>
  reply([{ name: "place_order", arguments: { product, quantity } }]);
/** The model is done. */
export const done = reply([{ name: "finish", arguments: { unsure: [] } }]);

/** A message as the API shows it. */
const Message = z.object({ id: z.string(), speaker: z.string(), text: z.string(), ends: z.boolean() });

/** The desk as a client of the HTTP API sees it. */
export type Desk = {
  readonly db: Database;
  readonly factotum: Factotum;
  readonly id: string;
  /** Posts a message; the status and the code of a refusal. */
  say(text: string, more?: object): Promise<readonly [number, string]>;
  /** Works until nothing is ready. */
  settle(): Promise<void>;
  /** `speaker: text` of every message. */
  talk(): Promise<readonly string[]>;
  story(): Promise<{ readonly status: string; readonly disposition: string | null }>;
  close(): Promise<void>;
};

/** Opens a desk with one run under way. */
export async function openDesk(agent: Agent<Order>, url: string, db?: Database): Promise<Desk> {
  const database = db ?? (await throwawayDatabase());
  const config = defineConfig({
    name: "talks",
    agents: [agent],
    models: [{ id: "local/talker", baseUrl: url, local: true }],
    prepare: async (tx) => {
      const { rows } = await tx.query("select to_regclass('shop.products') as there");
      if (rows[0]?.["there"] === null) await tx.query(SCHEMA);
    },
  });
  const surroundings = { env: { DATABASE_URL: database.url }, directory: ".", say: () => {} };
  const factotum = await openFactotum(config, surroundings);
  await factotum.prepare();
  const http: HttpServer = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  const worker = factotum.work();
  const send = async (path: string, body?: object): Promise<Response> =>
    fetch(`${http.url}${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      headers: { "content-type": "application/json" },
    });
  const started = await send("/runs", {
    agent: agent.name,
    key: "talk",
    input: { product: "?", quantity: 1 },
  });
  const { id } = z.object({ id: z.string() }).parse(await started.json());
  return {
    ...{ db: database, factotum, id },
    async say(text, more = {}) {
      const answered = await send(`/runs/${id}/messages`, { text, ...more });
      const body = z
        .object({ error: z.object({ code: z.string() }).optional() })
        .parse(await answered.json());
      return [answered.status, body.error?.code ?? ""];
    },
    settle: () => worker.drained(),
    async talk() {
      const answered = await send(`/runs/${id}/messages`);
      const { messages } = z.object({ messages: z.array(Message) }).parse(await answered.json());
      return messages.map(({ speaker, text }) => `${speaker}: ${text}`);
    },
    async story() {
      const answered = await send(`/runs/${id}`);
      return z
        .object({ status: z.string(), disposition: z.string().nullable() })
        .parse(await answered.json());
    },
    async close() {
      await http.close();
      await worker.stop();
      await factotum.close();
    },
  };
}
