import type { ClauseOf } from "./agreement.ts";
import type { Book } from "./book.ts";
import { type Due, dueOf, pieceOf } from "./earned.ts";
import { type Exact, exact, fromMinor, most, sum, toMinor } from "./exact.ts";
import { type Segment, segmentsOf } from "./in-force.ts";
import { type Moment, moment, overlap, type Period, periodAfter, periodAt } from "./when.ts";

type Held = readonly Segment<ClauseOf<"investment">>[];

/**
 * A holder's part of a company's results in the period. All its parts together are never a loss of more than
 * all that it had invested: losses beyond that wait, and later profits make up for them before they count.
 */
export function investmentDue(book: Book, clause: ClauseOf<"investment">, period: Period): Due {
  const segments = segmentsOf(book, clause.id, "investment");
  const before = toMinor(partsUpTo(book, clause, segments, period.from), book.frame);
  const after = toMinor(partsUpTo(book, clause, segments, period.to), book.frame);
  return {
    amount: fromMinor(after - before, book.frame),
    pieces: resultsIn(book, clause, segments, period).pieces,
  };
}

/**
 * The holder's parts of all results up to the end of a period, or all it invested as a loss if that
 * is less.
 */
function partsUpTo(book: Book, clause: ClauseOf<"investment">, segments: Held, at: Moment): Exact {
  const { zone, period: length } = book.frame;
  const parts: Exact[] = [];
  let period = periodAt(segments[0]?.from ?? at, length, zone);
  for (; period.from < at; period = periodAfter(period, length, zone)) {
    parts.push(resultsIn(book, clause, segments, period).amount);
  }
  return most(sum(parts), invested(book, clause, at).neg());
}

function resultsIn(book: Book, clause: ClauseOf<"investment">, segments: Held, period: Period): Due {
  const results = book.of("result").filter((event) => event.company === clause.company);
  return dueOf(
    results.flatMap((event) =>
      segments.flatMap((segment) => {
        const part = overlap(segment, period);
        if (part === null) return [];
        const rate = segment.clause.share;
        return [
          pieceOf(book, { event, base: exact(event.amount), part, rate, version: segment.version, period }),
        ];
      }),
    ),
  );
}

function invested(book: Book, clause: ClauseOf<"investment">, before: Moment): Exact {
  const { zone, period: length } = book.frame;
  const events = book
    .of("investment")
    .filter((event) => event.holder === clause.holder && event.company === clause.company)
    .filter((event) => moment(event.at, "UTC") < before);
  const paid = events.map((event) => {
    const period = periodAt(moment(event.at, "UTC"), length, zone);
    const earned = { ...event, earned: { at: event.at } };
    return pieceOf(book, {
      event: earned,
      base: exact(event.amount),
      part: period,
      rate: "1",
      version: 0,
      period,
    });
  });
  return exact(clause.invested).add(dueOf(paid).amount);
}
