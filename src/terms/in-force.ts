import type { Clause, ClauseOf } from "./agreement.ts";
import { type Book, isOf } from "./book.ts";
import { verifiedAt, wordingAt } from "./verified.ts";
import { type Moment, moment, never, overlap, type Span } from "./when.ts";

/** A span in which one wording of a clause holds. */
export type Segment<Of extends Clause = Clause> = Span & { readonly clause: Of; readonly version: number };

/**
 * When a clause holds, as known: its wordings in order of time. An end on a date and on a verified event is
 * the first of both; an amendment takes over from its date on, and ends a clause that it does not have.
 */
export function segmentsOf<Kind extends Clause["kind"]>(
  book: Book,
  id: string,
  kind: Kind,
): readonly Segment<ClauseOf<Kind>>[] {
  const starts = [...new Set(book.wordings.map((one) => one.from))].sort((left, right) =>
    left < right ? -1 : 1,
  );
  return starts.flatMap((from, at) => {
    const wording = wordingAt(book, from);
    const clause = wording?.terms.clauses.find((one) => one.id === id);
    if (wording === null || clause === undefined || !isOf(clause, kind)) return [];
    const held = overlap({ from, to: starts[at + 1] ?? never }, termOf(book, clause));
    return held === null ? [] : [{ ...held, clause, version: wording.version }];
  });
}

/** From the first moment of a clause to its end, by one wording of it. */
export function termOf(book: Book, clause: Clause): Span {
  const { zone } = book.frame;
  const from = clause.from === undefined ? book.frame.from : clause.from;
  const dated = clause.until?.date === undefined ? never : moment(clause.until.date, zone);
  const event = clause.until?.event;
  const verified = event === undefined ? null : verifiedAt(book, event);
  return { from: moment(from, zone), to: verified !== null && verified < dated ? verified : dated };
}

/** The end of the last segment: `never` for a clause without an end, null for one that never holds. */
export function endOf(segments: readonly Segment[]): Moment | null {
  return segments.at(-1)?.to ?? null;
}
