import { type MicroUsd, microUsd, type Tokens, type Usage } from "../kernel/index.ts";
import { catalogueRates } from "./catalogue.ts";
import { type OwnPrice, ownAt, ownRates } from "./own-price.ts";
import { otherService, type Rate, rateAt, rateMax, type Rates } from "./rates.ts";

const PICO_PER_MICRO = 1_000_000n;
const PICO_PER_MILLI = 1_000_000_000n;

/** What is priced. A model card is one. */
export type Priced = {
  /** The catalogue's provider; `openai-compatible` is looked up by its address instead. */
  readonly provider: string;
  readonly model: string;
  readonly baseUrl?: string;
  readonly price?: OwnPrice;
  /** Whether its calls are made by the provider's batch service. */
  readonly batch?: boolean;
};

/** What a usage costs, and by which prices. */
export type Pricing =
  | { readonly kind: "priced"; readonly cost: MicroUsd; readonly rates: Rates }
  | { readonly kind: "missing"; readonly because: string };

/** The prices of a model. */
export type RatesFound =
  | { readonly kind: "known"; readonly rates: Rates }
  | { readonly kind: "missing"; readonly because: string };

/**
 * The prices that hold for a model at a time: those stated at run time before the configuration's, and both
 * before the catalogue's. Of a model whose calls are batches, the batch prices.
 */
export function ratesOf(what: Priced, at: Date): RatesFound {
  const own = ownAt(what.price, at);
  const rates = own === null ? fromCatalogue(what, at) : ownRates(own.price, at, own.source);
  const name = `${what.provider}/${what.model}`;
  if (rates === null) {
    const because =
      own === null
        ? `no price is known for ${name}; state one in the config, or mark the model as local`
        : `the price stated for ${name} is not in decimal US dollars, or changes at no valid time`;
    return { kind: "missing", because };
  }
  if (what.batch !== true) return { kind: "known", rates };
  const batch = otherService(rates);
  if (batch !== null) return { kind: "known", rates: batch };
  return { kind: "missing", because: `no batch price is known for ${name}; state one beside its price` };
}

/** What a usage costs at a time. A usage of nothing at an unknown price is missing too. */
export function price(usage: Usage, what: Priced, at: Date): Pricing {
  const found = ratesOf(what, at);
  if (found.kind === "missing") return found;
  return { kind: "priced", cost: costOf(usage, found.rates), rates: found.rates };
}

/**
 * The cost of one request, rounded up once over all kinds, so that splitting a call into several of the same
 * tier never makes it cheaper. A tier is chosen by the total input and prices the whole request, as the
 * providers do; splitting across a tier's edge does change the price, by their own list.
 *
 * @returns micro-USD, 0 or more
 */
export function costOf(usage: Usage, rates: Rates): MicroUsd {
  const totalInput = usage.input + usage.cachedInput + usage.cacheWrite;
  const pico =
    usage.input * rateAt(rates.input, totalInput) +
    usage.cachedInput * rateAt(rates.cachedInput, totalInput) +
    usage.cacheWrite * rateAt(rates.cacheWrite, totalInput) +
    usage.output * rateAt(rates.output, totalInput) +
    usage.reasoning * rateAt(rates.reasoning, totalInput) +
    rates.perRequest;
  return roundedUp(pico);
}

/** What an engine of one's own uses for a usage, in millijoules, rounded up; 0 where nothing is stated. */
export function millijoulesOf(usage: Usage, { energy }: Rates): bigint {
  if (energy === undefined) return 0n;
  const input = usage.input + usage.cachedInput + usage.cacheWrite;
  const pico = input * energy.input + (usage.output + usage.reasoning) * energy.output;
  return (pico + PICO_PER_MILLI - 1n) / PICO_PER_MILLI;
}

/** The most that a request can cost with so many tokens, whatever their kinds turn out to be. */
export function worstCostOf(inputMax: Tokens, outputMax: Tokens, rates: Rates): MicroUsd {
  const input = most([rates.input, rates.cachedInput, rates.cacheWrite]);
  const output = most([rates.output, rates.reasoning]);
  return roundedUp(inputMax * input + outputMax * output + rates.perRequest);
}

function most(rates: readonly Rate[]): bigint {
  return rates.map(rateMax).reduce<bigint>((highest, rate) => (rate > highest ? rate : highest), 0n);
}

function roundedUp(pico: bigint): MicroUsd {
  return microUsd((pico + PICO_PER_MICRO - 1n) / PICO_PER_MICRO);
}

function fromCatalogue(what: Priced, at: Date): Rates | null {
  if (what.provider !== "openai-compatible") {
    const providerId = what.provider === "bedrock" ? "aws" : what.provider;
    return catalogueRates({ providerId, model: what.model }, at);
  }
  return what.baseUrl === undefined
    ? null
    : catalogueRates({ providerApiUrl: what.baseUrl, model: what.model }, at);
}
