import type { Brand, Json } from "../kernel/index.ts";

/** Money in millionths of a millionth of a US dollar: what a single token is priced in. */
export type PicoUsd = Brand<bigint, "PicoUsd">;

/** One kind's price per token: `base`, or that of the last tier whose `above` the call's input passes. */
export type Rate = {
  readonly base: PicoUsd;
  /** Ascending; the whole call is priced by the tier its total input reaches. */
  readonly tiers: readonly { readonly above: bigint; readonly price: PicoUsd }[];
};

/** How a call is served: at once, or by a provider's batch service, which answers when it has time. */
export type Service = "live" | "batch";

/** The prices of each kind of token. */
export type KindRates = {
  readonly input: Rate;
  readonly cachedInput: Rate;
  readonly cacheWrite: Rate;
  readonly output: Rate;
  readonly reasoning: Rate;
};

/** What is charged for what a call uses beside kinds of tokens, where that is known. */
export type BesideRates = {
  /** A token that stays in the provider's cache for an hour. */
  readonly longWrite?: Rate;
  /** A token of sound; without one, what any token costs. */
  readonly audioInput?: Rate;
  readonly audioOutput?: Rate;
  /** A use of a tool that the provider runs, by its plain name. */
  readonly uses?: Readonly<Record<string, PicoUsd>>;
  /** What calls cost that may wait, or that go first, where the provider lets the call say so. */
  readonly flex?: KindRates;
  readonly priority?: KindRates;
};

/** All prices of one model at one time. */
export type Rates = KindRates & {
  /** Charged for every request beside its tokens. */
  readonly perRequest: PicoUsd;
  /** Where the prices were read: the catalogue with its version and model, the config, or an own engine. */
  readonly source: string;
  /** By which service these are; live where it is left out. */
  readonly service?: "batch";
  /** What the other service charges for the same, where it is known. */
  readonly other?: KindRates;
  /** What an engine of one's own uses for it. */
  readonly energy?: Energy;
  /** What else it may charge for; what was booked has it in its prices already. */
  readonly beside?: BesideRates | "nothing";
};

/** Joules in millionths of a millionth: what a token of input, or of output, takes. */
export type Energy = { readonly input: bigint; readonly output: bigint };

/** The service whose prices these are. */
export function serviceOf(rates: Rates): Service {
  return rates.service ?? "live";
}

/** The same prices as the other service charges, or null where that is not known. */
export function otherService({ other, service, ...rates }: Rates): Rates | null {
  if (other === undefined) return null;
  const swapped = { ...rates, ...kindRates(other), other: kindRates(rates) };
  return service === "batch"
    ? { ...swapped, source: rates.source.replace(/, batch$/, "") }
    : { ...swapped, service: "batch", source: `${rates.source}, batch` };
}

/** The prices of tokens alone. */
function kindRates({ input, cachedInput, cacheWrite, output, reasoning }: KindRates): KindRates {
  return { input, cachedInput, cacheWrite, output, reasoning };
}

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

type KindsJson = Record<(typeof KINDS)[number], RateJson>;

/** Rates as plain data, pico-USD per token, kept beside what was booked by them. */
export function ratesToJson(rates: Rates): Json {
  const { perRequest, source, service, other, energy } = rates;
  return {
    ...kindsToJson(rates),
    ...{ perRequest: String(perRequest), source },
    ...(service !== undefined && { service }),
    ...(other !== undefined && { other: kindsToJson(other) }),
    ...(energy !== undefined && { energy: { input: String(energy.input), output: String(energy.output) } }),
  };
}

function kindsToJson(kinds: KindRates): { readonly [kind: string]: Json } {
  return Object.fromEntries(KINDS.map((kind) => [kind, rateToJson(kinds[kind])]));
}

function rateToJson(rate: Rate): Json {
  return [String(rate.base), ...rate.tiers.map((tier) => [String(tier.above), String(tier.price)])];
}

/** Rates from what `ratesToJson` wrote. */
export function ratesFromJson(json: Json): Rates {
  const { perRequest, source, service, other, energy, ...kinds } = json as KindsJson & {
    readonly perRequest: string;
    readonly source: string;
    readonly service?: "batch";
    readonly other?: KindsJson;
    readonly energy?: { readonly input: string; readonly output: string };
  };
  return {
    ...kindsFromJson(kinds),
    ...{ perRequest: BigInt(perRequest) as PicoUsd, source },
    ...(service !== undefined && { service }),
    ...(other !== undefined && { other: kindsFromJson(other) }),
    ...(energy !== undefined && { energy: { input: BigInt(energy.input), output: BigInt(energy.output) } }),
  };
}

function kindsFromJson(stored: KindsJson): KindRates {
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
  };
}
