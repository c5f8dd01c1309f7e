import { Decimal } from "decimal.js";
import type { MicroUsd } from "../kernel/index.ts";
import type { PicoUsd } from "../ledger/index.ts";

/** Digits of an exact sum or product here: more than any bill's amounts and counts together have. */
const DIGITS = 80;
const Exact = Decimal.clone({ precision: DIGITS, toExpNeg: -DIGITS, toExpPos: DIGITS });

/** An exact amount of US dollars. Divided only for prices that are shown. */
export type Usd = Decimal;

/** Nothing. */
export const noMoney: Usd = new Exact(0);

/** An amount from a decimal in text, or a number's shortest text. */
export function usd(text: string | number): Usd {
  return new Exact(text);
}

/** Booked money, exact. */
export function usdOfMicro(micro: MicroUsd | bigint): Usd {
  return new Exact(micro.toString()).div(1_000_000);
}

/** A price per token times a count of them, exact. */
export function usdOfPico(pico: PicoUsd | bigint, count: bigint = 1n): Usd {
  return new Exact((pico * count).toString()).div(1_000_000_000_000);
}

/** The sum of amounts. */
export function total(amounts: readonly Usd[]): Usd {
  return amounts.reduce((sum, one) => sum.plus(one), noMoney);
}

/** An amount as decimal text without an exponent, at least in cents: `-0.50`, `0.0000012`. */
export function usdText(amount: Usd): string {
  return amount.decimalPlaces() <= 2 ? amount.toFixed(2) : amount.toFixed();
}
