import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import {
  type Gateway,
  type Key,
  type KeyId,
  type KeyTerms,
  listKeys,
  makeKey,
  openGateway,
  revokeKey,
  rotateKey,
} from "../gateway/index.ts";
import { InputError, isDecimalId, microUsd, systemClock } from "../kernel/index.ts";
import { putBudget } from "../ledger/index.ts";
import type { Discovery } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import type { Config } from "./config.ts";
import { watchServing } from "./serving.ts";

/** A key that was just made, with its text, which is shown this once. */
export type NewKey = { readonly key: Key; readonly secret: string };

/** The stateless model API of a project, and the keys to it. */
export type GatewayDoor = {
  /** Starts to listen; any number of processes may, on one database. */
  serve(at: { readonly host: string; readonly port: number; readonly adminPort?: number }): Promise<Gateway>;
  /** @param cap of the budget named in `terms`, which is made where it is missing */
  createKey(terms: KeyTerms, cap?: { readonly usd: number }): Promise<NewKey>;
  listKeys(): Promise<readonly Key[]>;
  revokeKey(id: KeyId): Promise<Key>;
  rotateKey(id: KeyId, graceSeconds: number): Promise<NewKey>;
};

const MICRO_PER_USD = 1_000_000;
/** What is shown to operators has no key of its own, so it stays on the machine. */
const ADMIN_HOST = "127.0.0.1";

/** Makes the door; nothing listens yet. */
export function makeGatewayDoor(
  config: Config,
  db: Database,
  models: Discovery,
  say: (line: string) => void,
  secret: string | undefined,
): GatewayDoor {
  return {
    serve: async ({ host, port, adminPort }) => {
      const serving = await watchServing(db, models.cards, config.gateway?.channels ?? {}, say);
      const gateway = await openGateway({
        forbids: serving.forbids,
        ...{ db, cards: models.cards, keys: models.keys, clock: systemClock, random: randomBytes },
        ...(adminPort !== undefined && { admin: { host: ADMIN_HOST, port: adminPort } }),
        ...{ host, port, say, name: `gateway ${hostname()}:${process.pid}` },
        ...(secret !== undefined && secret !== "" && { secret }),
        ...(config.gateway?.aliases !== undefined && { aliases: config.gateway.aliases }),
      });
      const close = async (): Promise<void> => {
        await gateway.close();
        await serving.close();
      };
      return { ...gateway, close };
    },
    createKey: (terms, cap) =>
      db.transaction(async (tx) => {
        if (terms.budget !== undefined && cap !== undefined) {
          await putBudget(tx, terms.budget, { cap: microUsd(Math.round(cap.usd * MICRO_PER_USD)) });
        }
        return makeKey(tx, terms, randomBytes);
      }),
    listKeys: () => listKeys(db),
    revokeKey: (id) => db.transaction((tx) => revokeKey(tx, id)),
    rotateKey: (id, graceSeconds) => db.transaction((tx) => rotateKey(tx, id, graceSeconds, randomBytes)),
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
