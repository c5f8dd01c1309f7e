import { InputError, type ModelId } from "../kernel/index.ts";
import {
  type CardConfig,
  type DatedPriceConfig,
  type ModelsConfig,
  parseModelsConfig,
  type PriceConfig,
} from "./config.ts";
import { contextTokensOf, defaultModel, type Role } from "./defaults.ts";
import { type Endpoint, endpoints, type Env, keyOf, urlIsSet, urlOf } from "./endpoints.ts";
import type { Keys } from "./make-models.ts";
import type { ModelCard, PlainPrice } from "./spec.ts";

/** The most output, reasoning included, that a call may ask of a model whose card does not say. */
export const OUTPUT_TOKENS_MAX_DEFAULT = 16_384;

/** What was found. */
export type Discovery = {
  readonly cards: readonly ModelCard[];
  readonly keys: Keys;
  /** The models to try, cheapest first: the listed order, or one provider's cheap and strong default. */
  readonly cascade: readonly ModelId[];
  /** What is configured but cannot work, in sentences, for `doctor`. */
  readonly problems: readonly string[];
};

/**
 * Finds the models that the environment and a config file configure. None is required: with nothing
 * configured all lists are empty.
 *
 * `FACTOTUM_MODELS` (`provider/model, …`, cheapest first) decides alone which models form the cascade, the
 * config's `models` come next, and else each provider with a key has a cheap and a strong default.
 *
 * @throws {InputError} `models-config`, `models-list`
 */
export function discoverModels(env: Env, config: ModelsConfig = {}): Discovery {
  const stated = parseModelsConfig(config).models ?? [];
  const listed = (env["FACTOTUM_MODELS"] ?? "")
    .split(",")
    .map((id) => id.trim())
    .filter((id) => id !== "");
  const fromConfig = new Map(stated.map((card) => [card.id, cardOf(card, env)]));
  const fromList = listed.map((id) => fromConfig.get(id) ?? cardOf({ id }, env));
  const defaults = listed.length + stated.length > 0 ? [] : defaultsOf(env);
  const cards = new Map([...fromConfig.values(), ...fromList, ...defaults].map((card) => [card.id, card]));
  const keys = keysOf(env, stated);
  const order = listed.length > 0 ? fromList : [...fromConfig.values(), ...defaults.slice(0, 2)];
  return {
    cards: [...cards.values()],
    keys,
    cascade: [...new Set(order.map((card) => card.id))],
    problems: [...cards.values()].flatMap((card) => problemOf(card, keys)),
  };
}

function defaultsOf(env: Env): ModelCard[] {
  const roles: readonly Role[] = ["cheap", "strong"];
  return endpoints.flatMap((endpoint) => {
    const { provider } = endpoint;
    // Behind an address of one's own the default models may not be served: list them.
    if (provider === "openai-compatible" || provider === "azure" || provider === "bedrock") return [];
    if (urlIsSet(endpoint, env)) return [];
    if (keyOf(endpoint, env) === undefined) return [];
    const models = roles.map((role) => defaultModel(provider, role)).filter((model) => model !== null);
    return models.map((model) => cardOf({ id: `${provider}/${model}` }, env));
  });
}

function cardOf(config: CardConfig, env: Env): ModelCard {
  const slash = config.id.indexOf("/");
  const name = config.id.slice(0, slash);
  const endpoint = endpoints.find((each) => each.name === name);
  const provider = config.provider ?? endpoint?.provider ?? "openai-compatible";
  const baseUrl = config.baseUrl ?? (endpoint === undefined ? null : urlOf(endpoint, env));
  const model = config.model ?? config.id.slice(slash + 1);
  if (slash < 1 || model === "" || (ADDRESSED.has(provider) && baseUrl === null)) {
    throw new InputError({ code: "models-list", message: notServed(config.id) });
  }
  const contextTokens = config.contextTokens ?? contextTokensOf(provider, model);
  const price = priceOf(config, endpoint);
  return {
    id: config.id as ModelId,
    provider,
    model,
    ...(baseUrl === null ? {} : { baseUrl }),
    ...(config.wire === undefined ? {} : { wire: config.wire }),
    ...(config.lacks === undefined ? {} : { lacks: config.lacks }),
    ...(config.apiVersion === undefined ? {} : { apiVersion: config.apiVersion }),
    ...(contextTokens === null ? {} : { contextTokens }),
    outputTokensMax: config.outputTokensMax ?? OUTPUT_TOKENS_MAX_DEFAULT,
    ...(price === null ? {} : { price }),
    ...(config.batch === undefined ? {} : { batch: config.batch }),
  };
}

/** Providers that have no address of their own. */
const ADDRESSED: ReadonlySet<string> = new Set(["openai-compatible", "azure", "bedrock"]);

function notServed(id: string): string {
  const names = endpoints.map((each) => each.name).join(", ");
  return (
    `model "${id}" has no known address; write endpoint/model with an endpoint of ${names}` +
    ` (openai-compatible needs OPENAI_BASE_URL, bedrock AWS_REGION), or give its baseUrl in the config`
  );
}

function priceOf(config: CardConfig, endpoint: Endpoint | undefined): PlainPrice | null {
  if (config.price !== undefined) return statedPriceOf(config.price);
  const own = config.local === true || (endpoint?.local === true && config.baseUrl === undefined);
  if (!own) return null;
  return config.energy === undefined ? { kind: "local" } : { kind: "local", energy: config.energy };
}

/** A price of a configuration as cards carry it. */
function statedPriceOf({ changes, ...usd }: PriceConfig): PlainPrice {
  const dated = changes?.map((change) => usdOf(change)) ?? [];
  return { kind: "stated", ...usdOf(usd), ...(dated.length > 0 && { changes: dated }) };
}

/** One price of a list, and those that follow it, each with the instant from which it holds. */
export function datedPricesOf(
  given: DatedPriceConfig,
): readonly { readonly from: string | null; readonly price: PlainPrice }[] {
  if ("local" in given) {
    const { energy, from } = given;
    return [
      { from: from ?? null, price: energy === undefined ? { kind: "local" } : { kind: "local", energy } },
    ];
  }
  const { from, changes = [], ...usd } = given;
  const later = changes.map(({ from: begins, ...then }) => ({ from: begins, price: statedPriceOf(then) }));
  return [{ from: from ?? null, price: statedPriceOf(usd) }, ...later];
}

function usdOf<T extends Omit<PriceConfig, "changes">>({ batch, flex, priority, ...usd }: T) {
  return {
    ...tieredOf(usd),
    ...(batch !== undefined && { batch: tieredOf(batch) }),
    ...(flex !== undefined && { flex: tieredOf(flex) }),
    ...(priority !== undefined && { priority: tieredOf(priority) }),
  };
}

function tieredOf<T extends Omit<PriceConfig, "changes" | "batch" | "flex" | "priority">>({
  tiers,
  ...usd
}: T) {
  return { ...fieldsOf(usd), ...(tiers !== undefined && { tiers: tiers.map((tier) => fieldsOf(tier)) }) };
}

/** Without the fields that are left out, which the schema's type has as undefined. */
function fieldsOf<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function keysOf(env: Env, stated: readonly CardConfig[]): Keys {
  const keys = new Map<string, string>();
  for (const endpoint of endpoints) {
    const key = keyOf(endpoint, env);
    if (key !== undefined) keys.set(endpoint.name, key);
  }
  for (const card of stated) {
    const key = card.keyFrom === undefined ? undefined : env[card.keyFrom]?.trim();
    if (key !== undefined && key !== "") keys.set(card.id.slice(0, card.id.indexOf("/")), key);
  }
  return Object.fromEntries(keys);
}

function problemOf(card: ModelCard, keys: Keys): string[] {
  const name = card.id.slice(0, card.id.indexOf("/"));
  if (card.provider === "openai-compatible" || card.baseUrl !== undefined || keys[name] !== undefined)
    return [];
  const names = endpoints.find((each) => each.name === name)?.keyNames.join(" or ") ?? "a key";
  return [`model ${card.id} has no key: set ${names}`];
}
