import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Gateway, Key, KeyId, KeyTerms, Offer } from "../gateway/index.ts";
import { InputError, isDecimalId, microUsd, systemClock } from "../kernel/index.ts";
import { type PriceBook, putBudget } from "../ledger/index.ts";
import { type Discovery, discoverModels } from "../models/index.ts";
import { type Database, databaseClock } from "../postgres/index.ts";
import type { Config, GatewayConfig } from "./config.ts";
import type { Changeable } from "./fresh-config.ts";
import { followPrices } from "./prices.ts";
import { followConfig } from "./reload.ts";
import { watchServing } from "./serving.ts";
import type { Surroundings } from "./surroundings.ts";

/** A key that was just made, with its text, which is shown this once. */
export type NewKey = { readonly key: Key; readonly secret: string };

/** Where a gateway listens, and what it goes by. */
export type ServeOptions = {
  readonly host: string;
  readonly port: number;
  readonly adminPort?: number;
  /** The configuration's file and what that is made of: while it serves, a change of them is put in force. */
  readonly follow?: { readonly path: string; readonly files: readonly string[] };
};

/** A gateway that serves, and goes by its configuration as it is now. */
export type ServingGateway = Gateway & {
  /** Reads the configuration anew, where it is followed; one that is broken is told and changes nothing. */
  reload(): Promise<void>;
};

/** The stateless model API of a project, and the keys to it. */
export type GatewayDoor = {
  /** Starts to listen; any number of processes may, on one database. */
  serve(options: ServeOptions): Promise<ServingGateway>;
  /** @param cap of the budget named in `terms`, which is made where it is missing */
  createKey(terms: KeyTerms, cap?: { readonly usd: number }): Promise<NewKey>;
  listKeys(): Promise<readonly Key[]>;
  revokeKey(id: KeyId): Promise<Key>;
  rotateKey(id: KeyId, graceSeconds: number): Promise<NewKey>;
};

const MICRO_PER_USD = 1_000_000;
/** What is shown to operators has no key of its own, so it stays on the machine. */
const ADMIN_HOST = "127.0.0.1";

/** Most commands need no gateway, which is a quarter of all there is to load. */
const loadGateway = async () => await import("../gateway/index.ts");

/** What a gateway is opened over: the database, what was stated of prices, and the models there are. */
type Ground = { readonly db: Database; readonly prices: PriceBook; readonly models: Discovery };

/** Makes the door; nothing listens yet. */
export function makeGatewayDoor(
  config: Config,
  { db, prices, models }: Ground,
  { say, env }: Pick<Surroundings, "say" | "env">,
): GatewayDoor {
  return {
    serve: async ({ host, port, adminPort, follow }) => {
      const secret = env["FACTOTUM_GATEWAY_SECRET"];
      const serving = await watchServing(db, models.cards, config.gateway?.channels ?? {}, say);
      const { openGateway } = await loadGateway();
      let business = await databaseClock(db);
      const gateway = await openGateway({
        priceClock: { now: () => business.now() },
        forbids: serving.forbids,
        ...offerOf(prices, models, config.gateway ?? {}),
        ...{ db, clock: systemClock, random: randomBytes },
        ...(adminPort !== undefined && { admin: { host: ADMIN_HOST, port: adminPort } }),
        ...{ host, port, say, name: `gateway ${hostname()}:${process.pid}` },
        ...(secret !== undefined && secret !== "" && { secret }),
      });
      let inForce = { found: models, terms: config.gateway ?? {} };
      const take = async ({ models: cards, gateway: terms }: Changeable): Promise<void> => {
        const found = discoverModels(env, { models: [...cards] });
        // Looked over before anything changes.
        gateway.prepare(offerOf(prices, found, terms));
        await serving.watch(found.cards, terms.channels ?? {});
        inForce = { found, terms };
        reprice();
      };
      const reprice = (): void => gateway.prepare(offerOf(prices, inForce.found, inForce.terms))();
      const readClock = async (): Promise<void> => void (business = await databaseClock(db));
      const following = followPrices(db, prices, { changed: reprice, beside: readClock, say });
      const followed = follow === undefined ? null : followConfig({ ...follow, take, say });
      return {
        ...gateway,
        reload: async () => followed?.reload(),
        async close() {
          await followed?.close();
          await following.close();
          await gateway.close();
          await serving.close();
        },
      };
    },
    createKey: async (given, cap) => {
      const { makeKey } = await loadGateway();
      return db.transaction(async (tx) => {
        const terms = { ...config.gateway?.keyDefaults, ...given };
        if (terms.budget !== undefined && cap !== undefined) {
          await putBudget(tx, terms.budget, { cap: microUsd(Math.round(cap.usd * MICRO_PER_USD)) });
        }
        return makeKey(tx, terms, randomBytes);
      });
    },
    listKeys: async () => (await loadGateway()).listKeys(db),
    revokeKey: async (id) => {
      const { revokeKey } = await loadGateway();
      return db.transaction((tx) => revokeKey(tx, id));
    },
    rotateKey: async (id, graceSeconds) => {
      const { rotateKey } = await loadGateway();
      return db.transaction((tx) => rotateKey(tx, id, graceSeconds, randomBytes));
    },
  };
}

function offerOf(prices: PriceBook, { cards, keys }: Discovery, config: GatewayConfig): Offer {
  const { aliases, privateHosts } = config;
  return {
    ...{ cards: cards.map((card) => prices.priced(card)), keys },
    ...(aliases !== undefined && { aliases }),
    ...(privateHosts !== undefined && { privateHosts }),
  };
}

/** A key's number, as typed. @throws {InputError} `key-invalid` */
export function parseKeyId(text: string): KeyId {
  if (isDecimalId(text)) return text as KeyId;
  throw new InputError({
    code: "key-invalid",
    message: `${JSON.stringify(text)} is no key's number; factotum key list shows them`,
  });
}
