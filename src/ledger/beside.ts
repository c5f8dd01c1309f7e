import { type MicroUsd, type Tokens, tokens, type Usage, type UsageBeside } from "../kernel/index.ts";
import { worstCostOf } from "./price.ts";
import { type KindRates, type PicoUsd, type Rate, rateAt, rateMax, type Rates } from "./rates.ts";

/** How a call asks to be served, as far as that changes what it may cost. */
export type Served = {
  /** The service that it asks for, in the provider's word; null where that is the plain one. */
  readonly tier: string | null;
  /** Whether it may write what stays in the provider's cache for an hour. */
  readonly longWrites: boolean;
  /** Whether it may bring sound, or ask for it. */
  readonly audio: boolean;
  /** How often the provider may run each of its own tools; null where nothing bounds it. */
  readonly uses: ReadonlyMap<string, number | null>;
  /** Another way to be served that is charged by itself, in the call's own words. */
  readonly premium: string | null;
};

/** The most that a call can cost, or why that is not known. */
export type Worst =
  | { readonly kind: "known"; readonly amount: MicroUsd }
  | { readonly kind: "unknown"; readonly because: string };

/** A call that asks for nothing beside its tokens. */
export const plainlyServed: Served = {
  ...{ tier: null, longWrites: false, audio: false, uses: new Map(), premium: null },
};

const PICO_ZERO = 0n as PicoUsd;

/**
 * The most that a call can cost that asks to be served so. Each use of a tool that the provider runs has it
 * read all of its input once more.
 */
export function worstOfCall(inputMax: Tokens, outputMax: Tokens, rates: Rates, served: Served): Worst {
  const { beside } = rates;
  if (served === plainlyServed || beside === "nothing") return known(worstCostOf(inputMax, outputMax, rates));
  const { tier, premium } = served;
  if (premium !== null) return unknown(`no price is known for ${premium}`);
  const kinds = kindsOfTier(rates, tier);
  if (kinds === null) return unknown(`no price is known for the service ${tier}`);
  let [passes, charged] = [1n, 0n];
  for (const [tool, most] of served.uses) {
    const price = beside?.uses?.[tool];
    if (price === undefined)
      return unknown(`no price is known for the tool ${tool}, which the provider runs`);
    if (most === null) return unknown(`nothing bounds how often the provider runs ${tool}`);
    passes += BigInt(most);
    charged += BigInt(most) * price;
  }
  const { longWrite, audioInput, audioOutput } = beside ?? {};
  if (served.longWrites && longWrite === undefined)
    return unknown("no price is known for a cache of an hour");
  // A provider may serve a call plainly instead, so the dearer of the two bounds it.
  const most = {
    ...rates,
    cacheWrite: dearest(rates.cacheWrite, kinds.cacheWrite, served.longWrites ? longWrite : undefined),
    input: dearest(rates.input, kinds.input, served.audio ? audioInput : undefined),
    cachedInput: dearest(rates.cachedInput, kinds.cachedInput),
    output: dearest(rates.output, kinds.output, served.audio ? audioOutput : undefined),
    reasoning: dearest(rates.reasoning, kinds.reasoning),
    perRequest: (rates.perRequest + charged) as PicoUsd,
  };
  return known(worstCostOf(tokens(inputMax * passes), outputMax, most));
}

/**
 * The prices of one call that was answered: those of the service that answered it, and what it used beside
 * tokens as a charge of the request. What has no known price is named in their source, and left out.
 */
export function ratesOfCall(rates: Rates, usage: Usage, beside: UsageBeside | undefined): Rates {
  const own = rates.beside;
  if (beside === undefined || own === "nothing") return rates;
  const { tier, longWrites, audioInput, audioOutput, uses } = beside;
  const kinds = kindsOfTier(rates, tier) ?? rates;
  const notes: string[] = [];
  if (kinds !== rates) notes.push(tier ?? "");
  else if (tier !== null) notes.push(`without the price of ${tier}`);
  const total = usage.input + usage.cachedInput + usage.cacheWrite;
  const priceOf = (rate: Rate | undefined): bigint | null =>
    rate === undefined ? null : rateAt(rate, total);
  let charged = 0n;
  const instead = (count: bigint, of: bigint, rate: Rate | undefined, plain: Rate, note: string): void => {
    const price = priceOf(rate);
    if (count === 0n || price === null) return;
    charged += least(count, of) * (price - rateAt(plain, total));
    notes.push(note);
  };
  instead(audioInput, usage.input, own?.audioInput, kinds.input, "sound in");
  instead(audioOutput, usage.output, own?.audioOutput, kinds.output, "sound out");
  instead(longWrites, usage.cacheWrite, own?.longWrite, kinds.cacheWrite, "cache of an hour");
  if (longWrites > 0n && own?.longWrite === undefined) notes.push("without the price of a cache of an hour");
  for (const [tool, count] of Object.entries(uses)) {
    const price = own?.uses?.[tool];
    if (price !== undefined) charged += count * price;
    if (price !== 0n) notes.push(price === undefined ? `without the price of ${tool}` : `${count} ${tool}`);
  }
  if (notes.length === 0 && charged === 0n) return rates;
  return {
    ...rates,
    ...{ input: kinds.input, cachedInput: kinds.cachedInput, cacheWrite: kinds.cacheWrite },
    ...{ output: kinds.output, reasoning: kinds.reasoning },
    perRequest: (rates.perRequest + charged) as PicoUsd,
    source: [rates.source, ...notes].join(", "),
  };
}

/** The prices of a service by the provider's word for it; null where they are not known. */
function kindsOfTier(rates: Rates, tier: string | null): KindRates | null {
  const { beside } = rates;
  if (tier === null || beside === "nothing") return rates;
  // What waits costs what a batch costs, by the lists of those who offer both.
  if (tier === "flex") return beside?.flex ?? (rates.service === "batch" ? rates : (rates.other ?? null));
  return tier === "priority" ? (beside?.priority ?? null) : null;
}

function dearest(...rates: readonly (Rate | undefined)[]): Rate {
  const prices = rates.map((rate) => (rate === undefined ? PICO_ZERO : rateMax(rate)));
  return { base: prices.reduce((most, price) => (price > most ? price : most), PICO_ZERO), tiers: [] };
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function known(amount: MicroUsd): Worst {
  return { kind: "known", amount };
}

function unknown(because: string): Worst {
  return { kind: "unknown", because };
}
