import { randomBytes } from "node:crypto";
import { systemClock } from "../kernel/index.ts";
import { putBudget } from "../ledger/index.ts";
import { type CardConfig, discoverModels } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { type ScriptedProvider, scriptedProvider, throwawayDatabase } from "../testing/index.ts";
import { microUsd } from "../kernel/index.ts";
import {
  type Gateway,
  type GatewayOptions,
  type KeyTerms,
  makeKey,
  openGateway,
  type PhaseLimits,
} from "./index.ts";

/** A gateway over a scripted provider, with one key that may do everything. */
export type Opened = {
  readonly db: Database;
  readonly provider: ScriptedProvider;
  readonly gateway: Gateway;
  readonly secret: string;
  key(terms?: Partial<KeyTerms>): Promise<string>;
  /** Another replica on the same database. */
  replica(): Promise<Gateway>;
  close(): Promise<void>;
};

/**
 * Opens it; one model for each protocol, a spare one and a dear one.
 *
 * @param upstream another provider's address in the place of the scripted one
 * @param more what else each replica is made of
 * @param price what all but the dear one cost
 */
export async function opened(
  limits?: PhaseLimits,
  upstream?: string | ((providerUrl: string) => string),
  more: Partial<GatewayOptions> = {},
  price: NonNullable<CardConfig["price"]> = { inputUsdPerMtok: "1", outputUsdPerMtok: "10" },
): Promise<Opened> {
  const db = await throwawayDatabase();
  const provider = await scriptedProvider();
  const baseUrl = typeof upstream === "function" ? upstream(provider.url) : (upstream ?? provider.url);
  const at = { baseUrl, price, outputTokensMax: 1_000, keyFrom: "UPSTREAM_KEY" };
  const models: CardConfig[] = [
    { id: "openai/small", ...at },
    { id: "anthropic/claude-small", ...at },
    { id: "spare/second", provider: "openai-compatible", ...at },
    { id: "google/gemini-small", ...at },
    {
      ...{ id: "dear/large", provider: "openai-compatible", ...at },
      price: { inputUsdPerMtok: "5", outputUsdPerMtok: "50" },
    },
    { id: "thinker/deep", provider: "openai-compatible", wire: "responses", ...at },
  ];
  const found = discoverModels({ UPSTREAM_KEY: "upstream-secret" }, { models });
  const gateways: Gateway[] = [];
  const replica = async (): Promise<Gateway> => {
    const gateway = await openGateway({
      ...{ db, cards: found.cards, keys: found.keys, clock: systemClock, random: randomBytes },
      aliases: {
        quick: "openai/small",
        safe: ["openai/small", "spare/second"],
        thoughtful: ["spare/second", "thinker/deep"],
        mixed: ["anthropic/claude-small", "openai/small"],
      },
      ...{ host: "127.0.0.1", port: 0, name: "test", admin: { host: "127.0.0.1", port: 0 } },
      secret: "a secret that the replicas share, of tests",
      ...(limits !== undefined && { limits }),
      ...more,
    });
    gateways.push(gateway);
    return gateway;
  };
  const key = async (terms: Partial<KeyTerms> = {}): Promise<string> => {
    const made = await db.transaction((tx) => makeKey(tx, { name: "test", ...terms }, randomBytes));
    await Promise.all(gateways.map((each) => known(each.url, made.secret)));
    return made.secret;
  };
  const secret = await key();
  const gateway = await replica();
  return {
    ...{ db, provider, gateway, secret, key, replica },
    async close() {
      await Promise.all(gateways.map((each) => each.close()));
      await provider.close();
      await db.close();
    },
  };
}

/** Replicas hear of a new key from Postgres, a moment later. */
async function known(url: string, secret: string): Promise<void> {
  const headers = { authorization: `Bearer ${secret}` };
  for (;;) {
    const answer = await fetch(`${url}/v1/models`, { headers }).catch(() => null);
    // A replica that the test has closed learns nothing any more.
    if (answer === null) return;
    await answer.text();
    if (answer.ok) return;
  }
}

/** Makes a budget of so many micro-USD. */
export async function budget(db: Database, name: string, cap: number): Promise<string> {
  await db.transaction((tx) => putBudget(tx, name, { cap: microUsd(cap) }));
  return name;
}
