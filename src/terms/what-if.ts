import { Decimal } from "decimal.js";
import { refuseTerms } from "./errors.ts";
import { amountText, type Exact, exact, exactText, least, one, rateText, sum, zero } from "./exact.ts";

/** Digits kept of what has no exact value: logarithms and powers. Money never passes through them. */
const DIGITS = 40;
const Precise = Decimal.clone({ precision: DIGITS });
/** Digits after the point that an elasticity, or usage by one, is told with. */
const PLACES = 4;

function amount(text: string, what: string): Exact {
  if (amountText.safeParse(text).success || rateText.safeParse(text).success) return exact(text);
  throw refuseTerms(
    "number-invalid",
    `${what} is "${text}"; write a number of 0 or more in text, such as "0.0002"`,
  );
}

function positive(text: string, what: string): Exact {
  const value = amount(text, what);
  if (!value.equals(zero)) return value;
  throw refuseTerms("number-invalid", `${what} is 0; it has to be more`);
}

/** A way to produce: what it costs to have it, and what each unit of work costs on top. */
export type CostShape = { readonly fixed: string; readonly perUnit: string };

/** The cost of a number of units, exact, as text. */
export function costOfUnits(shape: CostShape, units: string): string {
  return exactText(costAt(shape, amount(units, "units")));
}

function costAt(shape: CostShape, units: Exact): Exact {
  return amount(shape.fixed, "fixed").add(amount(shape.perUnit, "perUnit").mul(units));
}

/** From how many units on the first way is no dearer than the second, or that it never is. */
export type BreakEven =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  /** `exact` is where both cost the same; `units` the first whole number of units from there on. */
  | { readonly kind: "from"; readonly exact: string; readonly units: bigint };

/**
 * Where a product of fixed cost, such as an index, becomes as cheap as one that pays for each unit of work.
 * Per period of the fixed cost.
 *
 * @throws {TermsError} `number-invalid`
 */
export function breakEven(first: CostShape, second: CostShape): BreakEven {
  const more = amount(first.fixed, "fixed").sub(amount(second.fixed, "fixed"));
  const saves = amount(second.perUnit, "perUnit").sub(amount(first.perUnit, "perUnit"));
  if (saves.compare(zero) <= 0)
    return { kind: more.compare(zero) <= 0 && saves.equals(zero) ? "always" : "never" };
  if (more.compare(zero) <= 0) return { kind: "always" };
  const units = more.div(saves);
  return { kind: "from", exact: exactText(units), units: units.ceil().n };
}

/** A price and how much was used at it. */
export type DemandPoint = { readonly price: string; readonly usage: string };

/**
 * The elasticity between two points: how many per cent more is used for each per cent that the price falls,
 * as the ratio of logarithms `ln(usage ratio) / ln(price ratio)`, and what revenue did, exact.
 *
 * @returns the elasticity as a decimal of four places, above 0 where a lower price is used more
 * @throws {TermsError} `number-invalid` for prices or usages of 0, or equal prices
 */
export function elasticityBetween(
  before: DemandPoint,
  after: DemandPoint,
): { readonly elasticity: string; readonly revenueTimes: string } {
  const cheaper = positive(before.price, "price").div(positive(after.price, "price"));
  const used = positive(after.usage, "usage").div(positive(before.usage, "usage"));
  if (cheaper.equals(one))
    throw refuseTerms("number-invalid", "both points have the same price: no elasticity is seen");
  const elasticity = logarithm(used).div(logarithm(cheaper));
  return { elasticity: plain(elasticity), revenueTimes: exactText(used.div(cheaper)) };
}

function logarithm(value: Exact): Decimal {
  return decimalOf(value).ln();
}

function decimalOf(value: Exact): Decimal {
  return new Precise(String(value.n)).div(String(value.d));
}

function plain(value: Decimal): string {
  return value.toDecimalPlaces(PLACES, Decimal.ROUND_HALF_EVEN).toFixed();
}

/**
 * How usage answers to price: by one elasticity everywhere, or by what was seen, in straight lines in
 * between.
 */
export type Demand =
  | { readonly kind: "constant"; readonly at: DemandPoint; readonly elasticity: string }
  | { readonly kind: "piecewise"; readonly points: readonly DemandPoint[] };

/**
 * What a price would come to. Exact numbers as text, but for usage by a constant elasticity, which is
 * rounded.
 */
export type WhatIf = {
  readonly price: string;
  /** What would be used if there were enough of it. */
  readonly demanded: string;
  /** What can be served. */
  readonly served: string;
  readonly revenue: string;
  readonly cost: string;
  readonly margin: string;
  /** Whether capacity, not price, decides. */
  readonly capped: boolean;
};

/**
 * What becomes of usage, revenue and cost at other prices, such as a hundredth of today's.
 *
 * By a constant elasticity, usage is `usage × (price / new price) ^ elasticity`, rounded to four places.
 * Piecewise, it is interpolated between the points of own data, and outside of them stays that of the
 * nearest: nothing is made up.
 *
 * @param capacity units that can be served at most; without one, all that is demanded
 * @throws {TermsError} `number-invalid`
 */
export function whatIf(
  demand: Demand,
  prices: readonly string[],
  shape: CostShape,
  capacity?: string,
): readonly WhatIf[] {
  return prices.map((text) => {
    const price = positive(text, "price");
    const demanded = usageAt(demand, price);
    const served = capacity === undefined ? demanded : least(demanded, amount(capacity, "capacity"));
    const revenue = price.mul(served);
    const cost = costAt(shape, served);
    return {
      ...{ price: text, demanded: exactText(demanded), served: exactText(served) },
      ...{ revenue: exactText(revenue), cost: exactText(cost), margin: exactText(revenue.sub(cost)) },
      capped: !served.equals(demanded),
    };
  });
}

function usageAt(demand: Demand, price: Exact): Exact {
  switch (demand.kind) {
    case "constant": {
      const cheaper = positive(demand.at.price, "price").div(price);
      const power = decimalOf(amount(demand.elasticity, "elasticity"));
      const usage = decimalOf(amount(demand.at.usage, "usage")).mul(decimalOf(cheaper).pow(power));
      return exact(plain(usage));
    }
    case "piecewise":
      return between(demand.points, price);
    default:
      return demand satisfies never;
  }
}

function between(points: readonly DemandPoint[], price: Exact): Exact {
  const sorted = points
    .map((point) => ({ price: positive(point.price, "price"), usage: amount(point.usage, "usage") }))
    .sort((left, right) => left.price.compare(right.price));
  const above = sorted.findIndex((point) => point.price.compare(price) >= 0);
  const [low, high] = [sorted[above - 1], sorted[above]];
  const nearest = high ?? sorted.at(-1);
  if (nearest === undefined) throw refuseTerms("number-invalid", "piecewise demand needs at least one point");
  if (low === undefined || high === undefined) return nearest.usage;
  const part = price.sub(low.price).div(high.price.sub(low.price));
  return low.usage.add(high.usage.sub(low.usage).mul(part));
}

/** A year of commitments against revenue, exact, as text. */
export type CoverageYear = {
  readonly year: number;
  readonly committed: string;
  readonly revenue: string;
  readonly committedSoFar: string;
  readonly revenueSoFar: string;
  /** Whether all that was earned so far pays for all that was committed so far. */
  readonly covered: boolean;
};

/** Years that a plan of commitments may have. */
const YEARS_MAX = 200;

/**
 * Commitments over years, such as to compute, against revenue that grows at a rate: year by year, and the
 * first year from which on all that was earned covers all that is committed by then, for as long as the
 * commitments last.
 *
 * @param plan.share the part of revenue that is there to pay for them, 1 by default
 * @returns `coveredIn` null when they are not covered in the last year either
 * @throws {TermsError} `number-invalid`
 */
export function commitmentCoverage(plan: {
  readonly firstYear: number;
  readonly commitments: readonly string[];
  readonly revenue: string;
  readonly growth: string;
  readonly share?: string;
}): { readonly years: readonly CoverageYear[]; readonly coveredIn: number | null } {
  if (plan.commitments.length > YEARS_MAX)
    throw refuseTerms("number-invalid", `more than ${YEARS_MAX} years`);
  const growth = amount(plan.growth, "growth").add(one);
  const usable = amount(plan.revenue, "revenue").mul(amount(plan.share ?? "1", "share"));
  const committed = plan.commitments.map((text) => amount(text, "commitment"));
  const earned = committed.map((_, year) => usable.mul(growth.pow(year) ?? one));
  const years = committed.map((due, at): CoverageYear & { readonly covered: boolean } => {
    const [owed, had] = [sum(committed.slice(0, at + 1)), sum(earned.slice(0, at + 1))];
    return {
      ...{ year: plan.firstYear + at, committed: exactText(due), revenue: exactText(earned[at] ?? zero) },
      ...{ committedSoFar: exactText(owed), revenueSoFar: exactText(had), covered: had.compare(owed) >= 0 },
    };
  });
  const lastShort = years.findLastIndex((year) => !year.covered);
  return { years, coveredIn: years[lastShort + 1]?.year ?? null };
}
