import { readFileSync } from "node:fs";
import { createRequire, findPackageJSON } from "node:module";
import type * as GenaiPrices from "@pydantic/genai-prices";
import type { ModelPrice, TieredPrices } from "@pydantic/genai-prices";
import { millionths } from "./decimal.ts";
import { type BesideRates, flat, type KindRates, type PicoUsd, type Rate, type Rates } from "./rates.ts";

const PACKAGE = "@pydantic/genai-prices";
const require = createRequire(import.meta.url);
/** A price per thousand requests in millionths of a dollar is a thousand of these in pico-USD each. */
const PICO_PER_REQUEST_KCOUNT = 1000n;

/** Tools that providers run, by their plain names, and what the catalogue calls their uses. */
const USES = { web_search: "web_searches_kcount", file_search: "storage_searches_kcount" } as const;
/** Tools for whose use by itself nothing is charged: what they bring is input like any other. */
const FREE_USES: readonly string[] = ["web_fetch", "tool_search"];

/**
 * What the batch services of providers charge, in hundredths of their live prices; the catalogue has none.
 * Read in November 2026 in the price lists of https://platform.openai.com/docs/pricing,
 * https://docs.claude.com/en/docs/build-with-claude/batch-processing and
 * https://ai.google.dev/gemini-api/docs/pricing: Google's cached input costs the same either way.
 */
const BATCH_HUNDREDTHS: Readonly<
  Record<string, { readonly tokens: bigint; readonly cachedInput: bigint } | undefined>
> = {
  openai: { tokens: 50n, cachedInput: 50n },
  anthropic: { tokens: 50n, cachedInput: 50n },
  google: { tokens: 50n, cachedInput: 100n },
};

/** How to find a model in the catalogue: by the provider's id, else by the address it is called at. */
export type CatalogueKey = {
  readonly providerId?: string;
  readonly providerApiUrl?: string;
  readonly model: string;
};

let version: string | null = null;

/** Catalogue and version, `@pydantic/genai-prices@0.1.8`; the prices come with it, nothing is fetched. */
export function catalogueVersion(): string {
  version ??= readVersion();
  return version;
}

function readVersion(): string {
  const path = findPackageJSON(PACKAGE, import.meta.url);
  const found: unknown = path === undefined ? null : JSON.parse(readFileSync(path, "utf8"));
  const stated = typeof found === "object" && found !== null ? Reflect.get(found, "version") : null;
  return `${PACKAGE}@${typeof stated === "string" ? stated : "unknown"}`;
}

/**
 * The catalogue's prices for a model at a time. Cached input and cache writes without a price of their own
 * cost what input costs, reasoning what output costs, as the catalogue itself computes.
 *
 * @returns null when the catalogue does not know the model, or not both an input and an output price
 */
export function catalogueRates(key: CatalogueKey, at: Date): Rates | null {
  // Loaded with the first question: its table is a tenth of what a command takes to start.
  const { calcPrice } = require(PACKAGE) as typeof GenaiPrices;
  const found = calcPrice({ input_tokens: 0, output_tokens: 0 }, key.model, {
    timestamp: at,
    ...(key.providerId === undefined ? {} : { providerId: key.providerId }),
    ...(key.providerApiUrl === undefined ? {} : { providerApiUrl: key.providerApiUrl }),
  });
  if (found === null) return null;
  const prices = found.model_price;
  const input = rateOf(prices["input_mtok"]);
  const output = rateOf(prices["output_mtok"]);
  if (input === null || output === null) return null;
  const perRequest = rateOf(prices["requests_kcount"])?.base ?? 0n;
  const kinds = {
    input,
    cachedInput: rateOf(prices["cache_read_mtok"]) ?? input,
    cacheWrite: rateOf(prices["cache_write_mtok"]) ?? input,
    output,
    reasoning: rateOf(prices["output_reasoning_mtok"]) ?? output,
  };
  const other = batchOf(found.provider.id, kinds);
  return {
    ...kinds,
    perRequest: (perRequest * PICO_PER_REQUEST_KCOUNT) as PicoUsd,
    source: `${catalogueVersion()} ${found.provider.id}/${found.model.id}`,
    ...(other !== null && { other }),
    beside: besideOf(prices),
  };
}

/** What else the catalogue has prices for. */
function besideOf(prices: ModelPrice): BesideRates {
  const longWrite = rateOf(prices["cache_write_1h_mtok"]);
  const audioInput = rateOf(prices["input_audio_mtok"]);
  const audioOutput = rateOf(prices["output_audio_mtok"]);
  const uses = Object.fromEntries(FREE_USES.map((tool) => [tool, 0n as PicoUsd]));
  for (const [tool, name] of Object.entries(USES)) {
    const price = rateOf(prices[name]);
    if (price !== null) uses[tool] = (price.base * PICO_PER_REQUEST_KCOUNT) as PicoUsd;
  }
  return {
    ...(longWrite !== null && { longWrite }),
    ...(audioInput !== null && { audioInput }),
    ...(audioOutput !== null && { audioOutput }),
    uses,
  };
}

/** What a provider's batch service charges, or null where its list is not known here. */
function batchOf(providerId: string, live: KindRates): KindRates | null {
  const share = BATCH_HUNDREDTHS[providerId];
  if (share === undefined) return null;
  return {
    input: shareOf(live.input, share.tokens),
    cachedInput: shareOf(live.cachedInput, share.cachedInput),
    cacheWrite: shareOf(live.cacheWrite, share.tokens),
    output: shareOf(live.output, share.tokens),
    reasoning: shareOf(live.reasoning, share.tokens),
  };
}

/** A part of a rate, rounded up to the pico-dollar. */
function shareOf({ base, tiers }: Rate, hundredths: bigint): Rate {
  const part = (price: PicoUsd): PicoUsd => ((price * hundredths + 99n) / 100n) as PicoUsd;
  return { base: part(base), tiers: tiers.map(({ above, price }) => ({ above, price: part(price) })) };
}

function rateOf(price: ModelPrice[string]): Rate | null {
  if (price === undefined) return null;
  if (typeof price === "number") {
    const base = millionths(String(price));
    return base === null ? null : flat(base);
  }
  return tiered(price);
}

function tiered(price: TieredPrices): Rate | null {
  const base = millionths(String(price.base));
  const tiers = price.tiers.map((tier) => ({
    above: BigInt(tier.start),
    price: millionths(String(tier.price)),
  }));
  if (base === null || tiers.some((tier) => tier.price === null)) return null;
  return {
    base: base as PicoUsd,
    tiers: tiers
      .map((tier) => ({ above: tier.above, price: (tier.price ?? 0n) as PicoUsd }))
      .sort((left, right) => (left.above < right.above ? -1 : 1)),
  };
}
