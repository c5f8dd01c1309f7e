import { InputError, type Json, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Agent } from "../agents/index.ts";
import type { Aliases, KeyTerms } from "../gateway/index.ts";
import type { Attention } from "../inbox/index.ts";
import type { DeclaredBudgets } from "../ledger/index.ts";
import type { CardConfig } from "../models/index.ts";
import type { Channels } from "../outbox/index.ts";
import type { Limit } from "../runs/index.ts";
import type { Channel } from "../terms/index.ts";

/** One piece of work for an agent. `key` makes it unique: the same key is never worked twice. */
export type WorkItem = {
  readonly kind: "work";
  readonly agent: string;
  readonly key: string;
  readonly input: Json;
  /** Whose work it is; `default`, the one business, unless told. */
  readonly tenant?: TenantId;
  /** Higher goes first; 0 unless told. */
  readonly priority?: number;
  /** What a person calls it, such as a file name. */
  readonly name: string;
};

/** Something in the intake that cannot be work, with the reason; the rest of the intake goes on. */
export type BadItem = { readonly kind: "bad"; readonly name: string; readonly because: string };

/** Where `factotum run` takes its work from. */
export type Intake = {
  /** The long option that names a source, such as `notices` for `--notices PATH`. */
  readonly option: string;
  readonly describe: string;
  /** @param path as the user gave it; undefined for the project's own sample */
  read(path: string | undefined, at: Date): AsyncIterable<WorkItem | BadItem>;
};

/** A business clock other than the machine's: a demo may start on a given day and run faster. */
export type ClockConfig = { readonly at: Date; readonly rate: number };

/**
 * The stateless model API: which names stand for which models, and where it listens. A gateway that serves
 * goes by changes at once, but for the port.
 */
export type GatewayConfig = {
  /** A name for one of `models`, or for several to try in order. */
  readonly aliases?: Aliases;
  /**
   * Public names of your own engines, whose addresses are private: `engines.example.com`, or `*.example.com`
   * for all below it. Local names and addresses written as numbers need no entry.
   */
  readonly privateHosts?: readonly string[];
  /** 7718 unless told. */
  readonly port?: number;
  /**
   * Where the models of an endpoint, the first part of a model's id, are served: what agreements are asked
   * about before a call. By default a stateless API on a cloud called as the endpoint is, in no region known.
   */
  readonly channels?: Readonly<Record<string, Partial<Channel>>>;
  /** What a new key may do where whoever makes it does not say. */
  readonly keyDefaults?: Omit<KeyTerms, "name" | "tenant" | "expiresAt">;
};

/** How people answer by links of their own, and how a chat tool proves who it is. */
export type LinksConfig = {
  /** Where people reach the HTTP API, such as `https://desk.example.net`. */
  readonly url: string;
  /**
   * `whsec_` and base64, as the secrets of webhooks; the first signs, any of several is believed. Read it
   * from the environment.
   */
  readonly secret: string | readonly string[];
  /** How long a link may be used, in hours of business time; 72 unless told. */
  readonly hours?: number;
};

/** How much of something is taken up at once, and in a minute. */
type Bounds = Pick<Limit, "atOnce" | "perMinute">;

/** Limits by name; `*` is each one that has none of its own, and has no rate. */
export type LimitsConfig = {
  readonly tenants?: Readonly<Record<string, Bounds>>;
  readonly agents?: Readonly<Record<string, Bounds>>;
  /** Whose models runs call: the first part of a model's id, such as `anthropic`. */
  readonly providers?: Readonly<Record<string, Bounds>>;
};

/** Everything a project tells Factotum; the default export of `factotum.config.ts`. */
export type Config = {
  /** Names the embedded database and appears in listings. */
  readonly name: string;
  readonly agents: readonly Agent[];
  /**
   * Agents as they were, by name and version: runs that such a version began are finished by it. Without it
   * they are migrated where the agent says how, else they wait.
   */
  readonly formerAgents?: readonly Agent[];
  /**
   * Makes the business ready in an empty database: schema and first rows. Must be safe to call again: it is
   * at every start, and once more where its transaction has to give way to another's.
   */
  prepare?(tx: Transaction): Promise<void>;
  readonly intake?: Intake;
  /** Models beside those that the environment offers, cheapest first. */
  readonly models?: readonly CardConfig[];
  readonly clock?: ClockConfig;
  /** Ways out of the database by name, for what tools `emit`; agents declare those they use in `effects`. */
  readonly channels?: Channels;
  /**
   * Budgets of model calls by their place in the tree: `company`, `company/TENANT` (`default` where there
   * is one business), `company/TENANT/AGENT`. One that a person changed since stays changed.
   */
  readonly budgets?: DeclaredBudgets;
  /** Who may be asked, where they are told, when they are left alone, and what their attention is worth. */
  readonly attention?: Attention;
  /** Lets people answer by signed links, and chat tools by signed calls; without it there are none. */
  readonly links?: LinksConfig;
  /** Port of the HTTP API; 7717 unless told. */
  readonly port?: number;
  /**
   * Tools run as a database role of their agent's, made from what it declares, unless this is false: then
   * they can do all that the login of Factotum can. For databases where no role can be made.
   */
  readonly leastPrivilege?: boolean;
  /** The stateless model API of `factotum gateway`. */
  readonly gateway?: GatewayConfig;
  /** How many runs one process works on at once. */
  readonly concurrency?: number;
  /** What all workers together take up; put in place whenever a worker starts. */
  readonly limits?: LimitsConfig;
};

/** Every part of a configuration; the compiler misses one that is forgotten here. */
const PARTS: { readonly [part in keyof Required<Config>]: true } = {
  ...{ name: true, agents: true, formerAgents: true, prepare: true, intake: true, models: true, clock: true },
  ...{ channels: true, budgets: true, port: true, leastPrivilege: true, gateway: true, concurrency: true },
  ...{ attention: true, links: true, limits: true },
};

/**
 * Types a configuration. Agents of different inputs may stand side by side.
 *
 * @throws {InputError} `config-broken` for a part that there is not: a misspelled one would be left out
 */
export function defineConfig(config: Config): Config {
  const strange = Object.keys(config).filter((name) => !(name in PARTS));
  if (strange.length === 0) return config;
  throw new InputError({
    code: "config-broken",
    message: `a configuration has no ${strange.join(", ")}; it has ${Object.keys(PARTS).join(", ")}`,
  });
}
