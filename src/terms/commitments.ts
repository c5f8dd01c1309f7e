import type { ClauseOf } from "./agreement.ts";
import type { Book } from "./book.ts";
import { type Due, dueOf, netRevenue, pieceOf } from "./earned.ts";
import { type Exact, exact, exactText, fromMinor, most, sum, toMinor, zero } from "./exact.ts";
import { type Segment, segmentsOf } from "./in-force.ts";
import { shareDue } from "./shares.ts";
import {
  later,
  type Moment,
  moment,
  momentText,
  overlap,
  type Period,
  periodAfter,
  periodAt,
  portion,
  type Span,
} from "./when.ts";

/** Windows of one commitment: a limit for what ends at no date. */
const WINDOWS_MAX = 2_000;
const DURATIONS = { month: "P1M", quarter: "P3M", year: "P1Y" } as const;

/** What is missing of a commitment in the windows that end in the period. */
export function commitmentDue(book: Book, id: string, period: Period): Due {
  const segments = segmentsOf(book, id, "commitment");
  const ended = windowsOf(book, segments, period.to).filter(
    ({ held }) => held.to > period.from && held.to <= period.to,
  );
  const dues = ended.map(({ whole, held }) => shortfall(book, { segments, whole, held }));
  return { amount: sum(dues.map((due) => due.amount)), pieces: dues.flatMap((due) => due.pieces) };
}

/** A window by the calendar, and from the commitment's first to its last moment in it. */
type Window = { readonly whole: Span; readonly held: Span };

function windowsOf(
  book: Book,
  segments: readonly Segment<ClauseOf<"commitment">>[],
  until: Moment,
): readonly Window[] {
  const first = segments[0];
  if (first === undefined) return [];
  const { zone } = book.frame;
  const start =
    first.clause.from === undefined ? moment(book.frame.from, zone) : moment(first.clause.from, zone);
  const found: Window[] = [];
  let from = start;
  for (let number = 1; from < until && number <= WINDOWS_MAX; number += 1) {
    const to = later(start, times(DURATIONS[first.clause.every], number), zone);
    const inside = segments.map((segment) => overlap(segment, { from, to })).filter((part) => part !== null);
    const [head, last] = [inside[0], inside.at(-1)];
    if (head !== undefined && last !== undefined) {
      found.push({ whole: { from, to }, held: { from: head.from, to: last.to } });
    }
    from = to;
  }
  return found;
}

/** `P3M` four times is `P12M`: counted from the start, so that no month's end is lost on the way. */
function times(duration: string, count: number): string {
  return duration.replace(/\d+/, (digits) => String(Number(digits) * count));
}

function shortfall(
  book: Book,
  window: Window & { readonly segments: readonly Segment<ClauseOf<"commitment">>[] },
): Due {
  const { proration, zone } = book.frame;
  const parts = window.segments.flatMap((segment) => {
    const part = overlap(segment, window.held);
    return part === null ? [] : [{ ...segment, share: portion(window.whole, part, proration, zone) }];
  });
  const target = sum(parts.map(({ clause, share }) => exact(clause.amount).mul(share)));
  const counted = countedIn(book, parts.at(-1)?.clause, window.held);
  const amount = most(zero, target.sub(counted));
  if (target.equals(zero)) return { amount, pieces: [] };
  return {
    amount,
    pieces: [
      {
        event: `window ${momentText(window.whole.from)}/${momentText(window.whole.to)}`,
        base: exactText(target),
        adjustedBy: [`counted ${exactText(counted)}`],
        portion: exactText(sum(parts.map(({ share }) => share))),
        rate: "1",
        version: parts.at(-1)?.version ?? 0,
        amount: exactText(amount),
      },
    ],
  };
}

/**
 * What was paid towards a commitment: rounded by period as it is paid, so that both add up to the
 * commitment.
 */
function countedIn(book: Book, clause: ClauseOf<"commitment"> | undefined, held: Span): Exact {
  if (clause === undefined) return zero;
  const { period: length, zone } = book.frame;
  let counted = zero;
  for (let at = periodAt(held.from, length, zone); at.from < held.to; at = periodAfter(at, length, zone)) {
    const part = overlap(at, held);
    if (part === null) continue;
    const dues = [
      ...clause.clauses.map((share) => shareDue(book, share, at, part).amount),
      purchases(book, clause.streams, at, part),
    ];
    counted = counted.add(sum(dues.map((due) => fromMinor(toMinor(due, book.frame), book.frame))));
  }
  return counted;
}

function purchases(book: Book, streams: readonly string[], period: Period, part: Span): Exact {
  const bought = book.of("revenue").filter((event) => streams.includes(event.stream));
  return dueOf(
    bought.map((event) => {
      const { gross, adjustedBy } = netRevenue(book, event, () => true);
      return pieceOf(book, { event, base: gross, adjustedBy, part, rate: "1", version: 0, period });
    }),
  ).amount;
}
