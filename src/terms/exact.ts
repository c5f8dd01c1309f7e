import { Fraction } from "fraction.js";
import { z } from "zod";

/** An exact rational number. Every amount is one until it is rounded, once, at the end. */
export type Exact = Fraction;

/** How an amount between two minor units is rounded; `half-*` look at ties alone. */
export const roundingModes = ["half-even", "half-up", "half-down", "up", "down", "floor", "ceiling"] as const;

/** One of `roundingModes`. `up` is away from zero, `down` towards it; `half-up` takes ties away from zero. */
export type RoundingMode = (typeof roundingModes)[number];

/** The currency of an agreement or a plan, and how its amounts are rounded. */
export type MoneyRule = {
  readonly currency: string;
  /** Decimal places of the minor unit: 2 for cents. */
  readonly digits: number;
  readonly rounding: RoundingMode;
};

/** Characters of a number in a fact: enough for any amount, and a limit on what exact arithmetic is fed. */
const NUMBER_LENGTH_MAX = 60;
const DECIMAL = /^-?\d+(?:\.\d+)?$/;
const RATIO = /^\d+(?:\.\d+|\/0*[1-9]\d*)?$/;

/** A decimal in text, such as "-12.50": facts hold no floats. */
export const decimalText = z
  .string()
  .max(NUMBER_LENGTH_MAX)
  .regex(DECIMAL, 'a decimal in text, such as "12.50"');

/** A decimal of 0 or more in text. */
export const amountText = decimalText.refine((text) => !text.startsWith("-"), "an amount of 0 or more");

/** A rate in text: "0.15", "1", or an exact fraction such as "1/3". */
export const rateText = z
  .string()
  .max(NUMBER_LENGTH_MAX)
  .regex(RATIO, 'a rate of 0 or more in text, such as "0.15" or "1/3"');

/** Exactly 0. */
export const zero: Exact = new Fraction(0);
/** Exactly 1. */
export const one: Exact = new Fraction(1);

/** The exact number that a validated text, a whole number or a quotient of two says. */
export function exact(value: string | bigint, divisor?: bigint): Exact {
  return divisor === undefined ? new Fraction(value) : new Fraction(value as bigint, divisor);
}

/** The sum of exact numbers; 0 of none. */
export function sum(values: Iterable<Exact>): Exact {
  let total = zero;
  for (const value of values) total = total.add(value);
  return total;
}

/** The smaller of two. */
export function least(left: Exact, right: Exact): Exact {
  return left.compare(right) < 0 ? left : right;
}

/** The larger of two. */
export function most(left: Exact, right: Exact): Exact {
  return left.compare(right) < 0 ? right : left;
}

/** An exact number as text: a whole number or a fraction in lowest terms, `-4/3`. */
export function exactText(value: Exact): string {
  const whole = `${value.s < 0n ? "-" : ""}${value.n}`;
  return value.d === 1n ? whole : `${whole}/${value.d}`;
}

/** A major-unit amount in whole minor units, rounded by `rule`: 133.605 is 13360 half-even, 13361 half-up. */
export function toMinor(value: Exact, rule: MoneyRule): bigint {
  const magnitude = value.n * 10n ** BigInt(rule.digits);
  const floor = magnitude / value.d;
  const rest = magnitude % value.d;
  if (rest === 0n) return value.s < 0n ? -floor : floor;
  const negative = value.s < 0n;
  const up = awayFromZero(rule.rounding, {
    negative,
    floorIsOdd: floor % 2n === 1n,
    twice: rest * 2n,
    of: value.d,
  });
  const rounded = up ? floor + 1n : floor;
  return negative ? -rounded : rounded;
}

type Rest = {
  readonly negative: boolean;
  readonly floorIsOdd: boolean;
  readonly twice: bigint;
  readonly of: bigint;
};

function awayFromZero(mode: RoundingMode, rest: Rest): boolean {
  const { twice, of } = rest;
  switch (mode) {
    case "half-even":
      return twice === of ? rest.floorIsOdd : twice > of;
    case "half-up":
      return twice >= of;
    case "half-down":
      return twice > of;
    case "up":
      return true;
    case "down":
      return false;
    case "floor":
      return rest.negative;
    case "ceiling":
      return !rest.negative;
    default:
      return mode satisfies never;
  }
}

/** Minor units back as an exact major-unit amount. */
export function fromMinor(minor: bigint, rule: Pick<MoneyRule, "digits">): Exact {
  return exact(minor, 10n ** BigInt(rule.digits));
}

/** Minor units as a decimal in text: -6000 with 2 digits is "-60.00". */
export function minorText(minor: bigint, digits: number): string {
  const sign = minor < 0n ? "-" : "";
  const text = String(minor < 0n ? -minor : minor).padStart(digits + 1, "0");
  return digits === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** The whole minor units of a decimal that `minorText` wrote. */
export function minorFromText(text: string, digits: number): bigint {
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  const minor = BigInt(`${whole}${fraction.padEnd(digits, "0")}`);
  return text.startsWith("-") ? -minor : minor;
}
