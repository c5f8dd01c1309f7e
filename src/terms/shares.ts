import type { Clause, ClauseOf } from "./agreement.ts";
import { type Book, isOf } from "./book.ts";
import { admits, type Due, dueOf, netRevenue, pieceOf, portionOf, spanOf } from "./earned.ts";
import type { EventOf } from "./event.ts";
import { type Exact, exact, sum, zero } from "./exact.ts";
import { type Segment, segmentsOf } from "./in-force.ts";
import { matches } from "./matching.ts";
import { overlap, type Period, type Span } from "./when.ts";

/** What a share comes to for what was earned in `within`, a part of `period` or all of it. */
export function shareDue(book: Book, id: string, period: Period, within: Span = period): Due {
  const segments = segmentsOf(book, id, "share");
  const admitted = admits(book, segments);
  const pieces = book.of("revenue").flatMap((event) => {
    if (overlap(spanOf(event.earned), within) === null) return [];
    const { gross, adjustedBy } = netRevenue(book, event, admitted);
    return segments.flatMap((segment) => {
      const part = overlap(segment, within);
      if (part === null || !isShared(event, segment.clause)) return [];
      const base = gross.sub(sum(segment.clause.deduct.map((name) => exact(event.deductions[name] ?? "0"))));
      const { rate } = segment.clause;
      return [pieceOf(book, { event, base, adjustedBy, part, rate, version: segment.version, period })];
    });
  });
  return dueOf(pieces);
}

function isShared(event: EventOf<"revenue">, clause: ClauseOf<"share">): boolean {
  const named = clause.streams.includes("*") || clause.streams.includes(event.stream);
  return named && !event.tags.some((tag) => clause.excludeTags.includes(tag));
}

/** What use under a licence comes to: owed by its royalty, and what it cost and would have been worth. */
export type RoyaltyDue = Due & { readonly units: Exact; readonly cost: Exact; readonly imputed: Exact };

/**
 * The royalty for use in a period; null where the licence says nothing about royalties, or nothing
 * was used.
 */
export function royaltyDue(book: Book, id: string, period: Period): RoyaltyDue | null {
  const parts = segmentsOf(book, id, "licence").flatMap((segment) => usesUnder(book, segment, period));
  if (parts.length === 0) return null;
  const total = (value: (part: UsePart) => Exact): Exact =>
    sum(parts.map((part) => value(part).mul(part.share)));
  return {
    ...dueOf(parts.map((part) => part.piece)),
    units: total(({ event }) => exact(event.units)),
    cost: total(({ event, fx }) => exact(event.cost).mul(fx)),
    imputed: total(({ event, imputed }) => exact(event.units).mul(imputed)),
  };
}

type UsePart = {
  readonly event: EventOf<"use">;
  readonly share: Exact;
  readonly fx: Exact;
  readonly imputed: Exact;
  readonly piece: ReturnType<typeof pieceOf>;
};

function usesUnder(book: Book, segment: Segment<ClauseOf<"licence">>, period: Period): UsePart[] {
  const { clause, version } = segment;
  const part = overlap(segment, period);
  const royalty = clause.royaltyPerUnit;
  if (part === null || royalty === undefined) return [];
  return book.of("use").flatMap((event) => {
    const share = portionOf(book, event.earned, part);
    if (event.licensee !== clause.licensee || !matches(clause.models, event.model) || share.equals(zero))
      return [];
    const from = { event, adjustedBy: [], part, version, period };
    // Units have no currency, their cost does: the rate is looked up for the cost alone.
    const units = { ...event, currency: book.frame.currency };
    const fx = exact(pieceOf(book, { ...from, base: exact(event.cost), rate: "1" })?.piece.fx?.rate ?? "1");
    const piece = pieceOf(book, { ...from, event: units, base: exact(event.units), rate: royalty });
    return [{ event, share, fx, imputed: exact(clause.imputedPerUnit ?? "0"), piece }];
  });
}

/** The clauses of one kind in any version, each by its last wording. */
export function clausesOf<Kind extends Clause["kind"]>(book: Book, kind: Kind): readonly ClauseOf<Kind>[] {
  const last = new Map<string, ClauseOf<Kind>>();
  for (const { terms } of book.wordings) {
    for (const clause of terms.clauses) if (isOf(clause, kind)) last.set(clause.id, clause);
  }
  return [...last.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
}
