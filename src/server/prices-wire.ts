/** The JSON of prices that the HTTP API and the CLI's `--json` share: decimal US dollars as text. */
import {
  type BesideRates,
  type KeptPrice,
  type KindRates,
  type Rate,
  rateAt,
  type Rates,
  serviceOf,
  writtenAmount,
} from "../ledger/index.ts";
import type { PriceLine } from "./prices.ts";

/** A pico-dollar a token is a millionth of a dollar a million tokens. */
const PLACES = 6;
const PLACES_REQUEST = 12;

/**
 * What a model costs as JSON: by kind, with tiers, at once and in batches, and its joules. `service` is how
 * its calls are made.
 */
export function priceLineJson({ model, rates, because }: PriceLine) {
  return rates === null ? { model, price: null, because } : { model, price: ratesUsd(rates), because };
}

function ratesUsd(rates: Rates) {
  const { perRequest, source, other, energy, beside } = rates;
  const service = serviceOf(rates);
  const [own, others] = [tieredUsd(rates), other === undefined ? null : tieredUsd(other)];
  return {
    ...{ source, service, requestUsd: writtenAmount(perRequest, PLACES_REQUEST) },
    ...(service === "live" ? { live: own, batch: others } : { live: others, batch: own }),
    beside: beside === undefined || beside === "nothing" ? null : besideUsd(beside),
    energy:
      energy === undefined
        ? null
        : {
            inputJoulesPerMtok: writtenAmount(energy.input, PLACES),
            outputJoulesPerMtok: writtenAmount(energy.output, PLACES),
          },
  };
}

/** What is charged beside kinds of tokens, where that is known. */
function besideUsd({ longWrite, audioInput, audioOutput, uses = {}, flex, priority }: BesideRates) {
  const usd = (rate: Rate | undefined) => (rate === undefined ? null : writtenAmount(rate.base, PLACES));
  const tools = Object.entries(uses).map(([tool, price]) => [tool, writtenAmount(price, PLACES_REQUEST)]);
  return {
    longCacheWriteUsdPerMtok: usd(longWrite),
    audioInputUsdPerMtok: usd(audioInput),
    audioOutputUsdPerMtok: usd(audioOutput),
    toolUsd: Object.fromEntries(tools) as Record<string, string>,
    flex: flex === undefined ? null : tieredUsd(flex),
    priority: priority === undefined ? null : tieredUsd(priority),
  };
}

function tieredUsd(kinds: KindRates) {
  const all = [kinds.input, kinds.cachedInput, kinds.cacheWrite, kinds.output, kinds.reasoning];
  const edges = [...new Set(all.flatMap(({ tiers }) => tiers.map(({ above }) => above)))];
  return {
    ...usdAt(kinds, 0n),
    tiers: edges
      .toSorted((one, other) => (one < other ? -1 : 1))
      .map((above) => ({ aboveInputTokens: Number(above), ...usdAt(kinds, above + 1n) })),
  };
}

function usdAt(kinds: KindRates, input: bigint) {
  return {
    inputUsdPerMtok: writtenAmount(rateAt(kinds.input, input), PLACES),
    cachedInputUsdPerMtok: writtenAmount(rateAt(kinds.cachedInput, input), PLACES),
    cacheWriteUsdPerMtok: writtenAmount(rateAt(kinds.cacheWrite, input), PLACES),
    outputUsdPerMtok: writtenAmount(rateAt(kinds.output, input), PLACES),
    reasoningUsdPerMtok: writtenAmount(rateAt(kinds.reasoning, input), PLACES),
  };
}

/** A price as it was stated as JSON; null where it took back what had been stated. */
export function keptPriceJson({ knownAt, price, ...kept }: KeptPrice) {
  return { ...kept, knownAt: knownAt.toISOString(), price };
}
