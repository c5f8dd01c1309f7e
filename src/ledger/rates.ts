import type { Brand, Json } from "../kernel/index.ts";

/** Money in millionths of a millionth of a US dollar: what a single token is priced in. */
export type PicoUsd = Brand<bigint, "PicoUsd">;

/** One kind's price per token: `base`, or that of the last tier whose `above` the call's input passes. */
export type Rate = {
  readonly base: PicoUsd;
  /** Ascending; the whole call is priced by the tier its total input reaches. */
  readonly tiers: readonly { readonly above: bigint; readonly price: PicoUsd }[];
};

/** All prices of one model at one time. */
export type Rates = {
  readonly input: Rate;
  readonly cachedInput: Rate;
  readonly cacheWrite: Rate;
  readonly output: Rate;
  readonly reasoning: Rate;
  /** Charged for every request beside its tokens. */
  readonly perRequest: PicoUsd;
  /** Where the prices were read: the catalogue with its version and model, the config, or an own engine. */
  readonly source: string;
};

/** The price per token that holds for a call with `totalInput` tokens of input. */
export function rateAt(rate: Rate, totalInput: bigint): PicoUsd {
  return rate.tiers.findLast((tier) => totalInput > tier.above)?.price ?? rate.base;
}

/** The highest price that a rate can reach. */
export function rateMax(rate: Rate): PicoUsd {
  return rate.tiers.reduce((most, tier) => (tier.price > most ? tier.price : most), rate.base);
}

/** A price without tiers. */
export function flat(base: bigint): Rate {
  return { base: base as PicoUsd, tiers: [] };
}

const KINDS = ["input", "cachedInput", "cacheWrite", "output", "reasoning"] as const;

/** A rate as plain data: `[base, [above, price], …]` in decimal text. */
type RateJson = readonly [string, ...(readonly [string, string])[]];

/** Rates as plain data, pico-USD per token, kept beside what was booked by them. */
export function ratesToJson(rates: Rates): Json {
  return {
    ...Object.fromEntries(KINDS.map((kind) => [kind, rateToJson(rates[kind])])),
    perRequest: String(rates.perRequest),
    source: rates.source,
  };
}

function rateToJson(rate: Rate): Json {
  return [String(rate.base), ...rate.tiers.map((tier) => [String(tier.above), String(tier.price)])];
}

/** Rates from what `ratesToJson` wrote. */
export function ratesFromJson(json: Json): Rates {
  const stored = json as Record<(typeof KINDS)[number], RateJson> & { perRequest: string; source: string };
  const rate = ([base, ...tiers]: RateJson): Rate => ({
    base: BigInt(base) as PicoUsd,
    tiers: tiers.map(([above, price]) => ({ above: BigInt(above), price: BigInt(price) as PicoUsd })),
  });
  return {
    input: rate(stored.input),
    cachedInput: rate(stored.cachedInput),
    cacheWrite: rate(stored.cacheWrite),
    output: rate(stored.output),
    reasoning: rate(stored.reasoning),
    perRequest: BigInt(stored.perRequest) as PicoUsd,
    source: stored.source,
  };
}
