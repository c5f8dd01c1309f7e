/** Something that knows its own place among those under way. */
type Placed = { place: number };

/**
 * Those under way, in no order. Not a `Set`: one that thousands a second are put into and taken out of is
 * copied to a new table every few dozen, and each table that V8 leaves behind points to the next one and to
 * all that were under way when it was left. Once one of them is old, so are all after it: measured, half of
 * all calls outlived their end until the next full collection, and collectors had 40 ms of work at a time.
 */
export type UnderWay<T extends Placed> = {
  readonly size: number;
  add(one: T): void;
  /** Takes out one that was added. */
  delete(one: T): void;
  forEach(each: (one: T) => void): void;
};

/** Nobody is under way yet. */
export function makeUnderWay<T extends Placed>(): UnderWay<T> {
  const all: T[] = [];
  return {
    get size() {
      return all.length;
    },
    add(one) {
      one.place = all.length;
      all.push(one);
    },
    delete(one) {
      const last = all.pop();
      if (last === undefined || last === one) return;
      last.place = one.place;
      all[one.place] = last;
    },
    // From behind: whoever is over takes itself out, and the last takes its place.
    forEach(each) {
      for (let at = all.length - 1; at >= 0; at -= 1) {
        const one = all[at];
        if (one !== undefined) each(one);
      }
    },
  };
}
