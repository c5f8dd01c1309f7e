/** Fractions of whole numbers for the oracle, which shares nothing with the room that it judges. */

export type Ratio = readonly [bigint, bigint];
type Rule = { readonly digits: number; readonly rounding: string };

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? (a < 0n ? -a : a) : gcd(b, a % b);
}
export function ratio(n: bigint, d: bigint): Ratio {
  const common = gcd(n, d) || 1n;
  return [n / common, d / common];
}
export const plus = (a: Ratio, b: Ratio): Ratio => ratio(a[0] * b[1] + b[0] * a[1], a[1] * b[1]);
export const minus = (a: Ratio, b: Ratio): Ratio => plus(a, [-b[0], b[1]]);
export const times = (a: Ratio, b: Ratio): Ratio => ratio(a[0] * b[0], a[1] * b[1]);
export const more = (a: Ratio, b: Ratio): boolean => a[0] * b[1] > b[0] * a[1];
export const NOTHING: Ratio = [0n, 1n];

export function read(text: string): Ratio {
  if (text.includes("/")) {
    const [n = "0", d = "1"] = text.split("/");
    return ratio(BigInt(n), BigInt(d));
  }
  if (text.startsWith("-")) return minus(NOTHING, read(text.slice(1)));
  const point = text.indexOf(".");
  if (point < 0) return [BigInt(text), 1n];
  const places = text.length - point - 1;
  return ratio(BigInt(text.replace(".", "")), 10n ** BigInt(places));
}

/** Whole minor units by comparing with the candidates below and above. */
export function rounded(value: Ratio, terms: Rule): bigint {
  const [n, d] = times(value, [10n ** BigInt(terms.digits), 1n]);
  let below = n / d;
  if (below * d > n) below -= 1n;
  if (below * d === n) return below;
  const above = below + 1n;
  const toBelow = n - below * d;
  const toAbove = above * d - n;
  const away = n < 0n ? below : above;
  const toward = n < 0n ? above : below;
  const tie = toBelow === toAbove;
  const nearest = toBelow < toAbove ? below : above;
  if (terms.rounding === "half-even") return tie ? (below % 2n === 0n ? below : above) : nearest;
  if (terms.rounding === "half-up") return tie ? away : nearest;
  if (terms.rounding === "half-down") return tie ? toward : nearest;
  if (terms.rounding === "up") return away;
  if (terms.rounding === "down") return toward;
  return terms.rounding === "floor" ? below : above;
}
