import { randomBytes } from "node:crypto";
import OpenAI from "openai";
import { systemClock } from "../kernel/index.ts";
import { type CardConfig, discoverModels, type Env } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type Gateway, makeKey, openGateway } from "./index.ts";

/** Gateways before models that stand elsewhere, with one key to all of them. */
export type Clouds = {
  readonly db: Database;
  readonly secret: string;
  over(env: Env, models: CardConfig[]): Promise<Gateway>;
  openai(gateway: Gateway): OpenAI;
  close(): Promise<void>;
};

/** What a call costs in these tests. */
export const price = { inputUsdPerMtok: "1", outputUsdPerMtok: "10" };
/** What is said in most. */
export const messages = [{ role: "user" as const, content: "hi" }];

/** Makes the database and the key; each gateway is opened when it is asked for. */
export async function clouds(): Promise<Clouds> {
  const db = await throwawayDatabase();
  const { secret } = await db.transaction((tx) => makeKey(tx, { name: "clouds" }, randomBytes));
  const gateways: Gateway[] = [];
  return {
    ...{ db, secret },
    async over(env, models) {
      const { cards, keys } = discoverModels(env, { models });
      const gateway = await openGateway({
        ...{ db, cards, keys, clock: systemClock, random: randomBytes, host: "127.0.0.1", port: 0 },
        ...{ name: "clouds", secret: "a secret that the replicas share, of tests" },
      });
      gateways.push(gateway);
      return gateway;
    },
    openai: ({ url }) => new OpenAI({ apiKey: secret, baseURL: `${url}/v1`, maxRetries: 0 }),
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.close()));
    },
  };
}
