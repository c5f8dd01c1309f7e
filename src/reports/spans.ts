import type { BillSpan } from "./bill.ts";

/** Spans of time that do not overlap, in order. */
export type Spans = {
  readonly all: readonly BillSpan[];
  /** The one that holds an instant, or null. */
  at(instant: Date): BillSpan | null;
};

/** Joins spans that overlap, such as the hours of one report and the days of another; not neighbours. */
export function joined(spans: readonly BillSpan[]): Spans {
  const sorted = spans.toSorted((a, b) => a.from.getTime() - b.from.getTime());
  const all: BillSpan[] = [];
  for (const span of sorted) {
    const last = all.at(-1);
    if (last === undefined || span.from >= last.to) all.push(span);
    else if (span.to > last.to) all[all.length - 1] = { from: last.from, to: span.to };
  }
  return { all, at: (instant) => holding(all, instant) };
}

function holding(all: readonly BillSpan[], instant: Date): BillSpan | null {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const span = all[middle];
    if (span === undefined || instant < span.from) high = middle;
    else if (instant >= span.to) low = middle + 1;
    else return span;
  }
  return null;
}

/** Spans with the time between them: what nothing is said of is covered too. */
export function withoutGaps(spans: readonly BillSpan[]): readonly BillSpan[] {
  const { all } = joined(spans);
  return all.flatMap((span, at) => {
    const next = all[at + 1];
    return next === undefined || next.from <= span.to ? [span] : [span, { from: span.to, to: next.from }];
  });
}

/** The fewest spans that are the same time: neighbours become one. */
export function fewest({ all }: Spans): readonly BillSpan[] {
  const found: BillSpan[] = [];
  for (const span of all) {
    const last = found.at(-1);
    if (last?.to.getTime() === span.from.getTime())
      found[found.length - 1] = { from: last.from, to: span.to };
    else found.push(span);
  }
  return found;
}
