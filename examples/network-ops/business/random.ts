/** Random numbers that are the same for the same seed, on every machine. */
export type Random = {
  /** A whole number from `min` to `max`, both included. */
  readonly integer: (min: number, max: number) => number;
  /** One of the items; the list may not be empty. */
  readonly pick: <T>(items: readonly T[]) => T;
  /** The items in another order. */
  readonly shuffled: <T>(items: readonly T[]) => T[];
};

/** Mulberry32, a generator of 32 bits that is short and good enough for made-up data; public domain. */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  const pick = <T>(items: readonly T[]): T => {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[integer(0, items.length - 1)] as T;
  };
  const shuffled = <T>(items: readonly T[]): T[] => {
    const rest = [...items];
    const result: T[] = [];
    while (rest.length > 0) result.push(...rest.splice(integer(0, rest.length - 1), 1));
    return result;
  };
  return { integer, pick, shuffled };
}
