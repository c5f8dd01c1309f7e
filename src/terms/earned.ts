import type { ClauseOf } from "./agreement.ts";
import type { Book, Change } from "./book.ts";
import { refuseTerms } from "./errors.ts";
import type { Earned, EventOf } from "./event.ts";
import { type Exact, exact, exactText, one, sum, zero } from "./exact.ts";
import { endOf, type Segment } from "./in-force.ts";
import { later, type Moment, moment, never, type Period, portion, type Span } from "./when.ts";

/** One step of a derivation: which fact gave which part of a line, in exact numbers as text. */
export type Piece = {
  readonly event: string;
  /** What is multiplied: an amount, or units. Refunds and restatements are in it. */
  readonly base: string;
  /** The refunds and the restatement that made the base what it is. */
  readonly adjustedBy?: readonly string[];
  /** The part of the base that falls into the period while the clause held, from 0 to 1. */
  readonly portion: string;
  readonly rate: string;
  /** The exchange rate, where the base is in another currency, and the fact that states it. */
  readonly fx?: { readonly rate: string; readonly event: string };
  /** The version of the agreement whose wording was applied. */
  readonly version: number;
  readonly amount: string;
};

/** An exact amount and how it came about. */
export type Due = { readonly amount: Exact; readonly pieces: readonly Piece[] };

/** Spans of facts that were read before: reading a calendar's text is what costs most. */
const spans = new WeakMap<Earned, Span>();

/** When a fact was earned, as a span; one instant is the shortest span there is. */
export function spanOf(earned: Earned): Span {
  const kept = spans.get(earned);
  if (kept !== undefined) return kept;
  const from = moment("at" in earned ? earned.at : earned.from, "UTC");
  const span = { from, to: "at" in earned ? from + 1n : moment(earned.to, "UTC") };
  spans.set(earned, span);
  return span;
}

/** The part of what was earned that falls into `part`, by the agreement's proration. */
export function portionOf(book: Book, earned: Earned, part: Span): Exact {
  return portion(spanOf(earned), part, book.frame.proration, book.frame.zone);
}

/** What a fact contributes to a line: `base × portion × exchange rate × rate`. */
export function pieceOf(
  book: Book,
  from: {
    readonly event: { readonly id: string; readonly currency: string; readonly earned: Earned };
    readonly base: Exact;
    readonly adjustedBy?: readonly string[];
    readonly part: Span;
    readonly rate: string;
    readonly version: number;
    readonly period: Period;
  },
): { readonly amount: Exact; readonly piece: Piece } | null {
  const share = portionOf(book, from.event.earned, from.part);
  if (share.equals(zero)) return null;
  const fx = exchange(book, from.event, from.period);
  const amount = from.base
    .mul(share)
    .mul(exact(from.rate))
    .mul(fx === null ? one : exact(fx.rate));
  return {
    amount,
    piece: {
      event: from.event.id,
      base: exactText(from.base),
      ...(from.adjustedBy === undefined || from.adjustedBy.length === 0
        ? {}
        : { adjustedBy: from.adjustedBy }),
      portion: exactText(share),
      rate: from.rate,
      ...(fx === null ? {} : { fx: { rate: fx.rate, event: fx.id } }),
      version: from.version,
      amount: exactText(amount),
    },
  };
}

/** The sum of pieces; those that contribute nothing are gone. */
export function dueOf(pieces: readonly ReturnType<typeof pieceOf>[]): Due {
  const found = pieces.filter((piece) => piece !== null);
  return { amount: sum(found.map(({ amount }) => amount)), pieces: found.map(({ piece }) => piece) };
}

/**
 * The rate that turns an event's currency into the agreement's; null when they are the same.
 *
 * @throws {TermsError} `rate-missing`: told later, the settlement can be computed then
 */
function exchange(
  book: Book,
  event: { readonly id: string; readonly currency: string; readonly earned: Earned },
  period: Period,
): EventOf<"rate"> | null {
  const { currency, fx } = book.frame;
  if (event.currency === currency) return null;
  const before = fx === "earned" ? spanOf(event.earned).to : period.to;
  let found: EventOf<"rate"> | null = null;
  for (const rate of book.of("rate")) {
    if (rate.from !== event.currency || rate.to !== currency) continue;
    const at = moment(rate.at, "UTC");
    if (at < before && (found === null || at >= moment(found.at, "UTC"))) found = rate;
  }
  if (found !== null) return found;
  throw refuseTerms(
    "rate-missing",
    `event ${event.id} is in ${event.currency} and no rate to ${currency} is known for it; record a rate`,
  );
}

/** What a share is paid on, after refunds and restatements that its tail still admits. */
export function netRevenue(
  book: Book,
  revenue: EventOf<"revenue">,
  admitted: (at: Moment) => boolean,
): { readonly gross: Exact; readonly adjustedBy: readonly string[] } {
  let restated: Change | null = null;
  const refunds: Change[] = [];
  for (const change of book.changesOf(revenue.id)) {
    if (!admitted(change.at)) continue;
    if (change.event.kind === "refund") refunds.push(change);
    else if (restated === null || change.at >= restated.at) restated = change;
  }
  return {
    gross: exact((restated?.event ?? revenue).amount).sub(
      sum(refunds.map(({ event }) => exact(event.amount))),
    ),
    adjustedBy: [...(restated === null ? [] : [restated]), ...refunds].map(({ event }) => event.id),
  };
}

/** Whether a change of revenue still counts: while the share holds, and after its end within its tail. */
export function admits(book: Book, segments: readonly Segment<ClauseOf<"share">>[]): (at: Moment) => boolean {
  const end = endOf(segments);
  if (end === null) return () => false;
  if (end === never) return () => true;
  const tail = segments.at(-1)?.clause.tail;
  const last = tail === undefined ? end : later(end, tail, book.frame.zone);
  return (at) => at < last;
}
