import type { MicroUsd, Tokens, Usage, UsageBeside } from "../kernel/index.ts";
import {
  costOf,
  type Rates,
  ratesOf,
  ratesOfCall,
  type Served,
  type Worst,
  worstOfCall,
} from "../ledger/index.ts";
import type { ModelCard } from "../models/index.ts";

export { plainlyServed, type Served, type Worst } from "../ledger/index.ts";

/** What a model costs, for whoever calls it without a run. */
export type Tariff = {
  /** The model's prices. */
  readonly rates: Rates;
  /** What a call came to, and by which prices it is booked. */
  charge(usage: Usage, beside?: UsageBeside): { readonly amount: MicroUsd; readonly rates: Rates };
  /** The most that so many tokens can cost, whatever their kinds turn out to be. */
  worst(inputMax: Tokens, outputMax: Tokens, served: Served): Worst;
};

/** The prices that hold for a model at a time, or null where none is known. */
export function tariffOf(card: ModelCard, at: Date): Tariff | null {
  const found = ratesOf(card, at);
  if (found.kind === "missing") return null;
  const { rates } = found;
  return {
    rates,
    charge(usage, beside) {
      const own = ratesOfCall(rates, usage, beside);
      return { amount: costOf(usage, own), rates: own };
    },
    worst: (inputMax, outputMax, served) => worstOfCall(inputMax, outputMax, rates, served),
  };
}
