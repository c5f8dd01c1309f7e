import type { MicroUsd, Tokens, Usage } from "../kernel/index.ts";
import { costOf, type Rates, ratesOf, worstCostOf } from "../ledger/index.ts";
import type { ModelCard } from "../models/index.ts";

/** What a model costs, for whoever calls it without a run. */
export type Tariff = {
  /** The prices as they are booked. */
  readonly rates: Rates;
  cost(usage: Usage): MicroUsd;
  /** The most that so many tokens can cost, whatever their kinds turn out to be. */
  worst(inputMax: Tokens, outputMax: Tokens): MicroUsd;
};

/** The prices that hold for a model at a time, or null where none is known. */
export function tariffOf(card: ModelCard, at: Date): Tariff | null {
  const found = ratesOf(card, at);
  if (found.kind === "missing") return null;
  const { rates } = found;
  return {
    rates,
    cost: (usage) => costOf(usage, rates),
    worst: (inputMax, outputMax) => worstCostOf(inputMax, outputMax, rates),
  };
}
