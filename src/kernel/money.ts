import type { Brand } from "./brand.ts";

/** Money in millionths of a US dollar. Never a float: a balance is a sum of whole units. */
export type MicroUsd = Brand<bigint, "MicroUsd">;
/** A count of tokens. */
export type Tokens = Brand<bigint, "Tokens">;

const MICRO_PER_USD = 1_000_000n;
const MICRO_PER_CENT = 10_000n;

/** Micro-USD from a whole number of units. */
export function microUsd(units: bigint | number): MicroUsd {
  return BigInt(units) as MicroUsd;
}

/** Tokens from a whole, non-negative count. */
export function tokens(count: bigint | number): Tokens {
  return BigInt(count) as Tokens;
}

/** Dollars with as many decimals as the amount needs, at least cents: `$1.20`, `$0.000042`. */
export function formatUsd(amount: MicroUsd): string {
  const sign = amount < 0n ? "-" : "";
  const units = amount < 0n ? 0n - amount : amount;
  const whole = units / MICRO_PER_USD;
  const micros = units % MICRO_PER_USD;
  const fraction = String(micros).padStart(6, "0");
  return `${sign}$${whole}.${micros % MICRO_PER_CENT === 0n ? fraction.slice(0, 2) : fraction}`;
}
