import { Temporal } from "temporal-polyfill";
import { z } from "zod";
import { type Exact, exact, zero } from "./exact.ts";
import { refuseTerms } from "./errors.ts";

/** An instant in nanoseconds since 1970, exact and cheap to compare. */
export type Moment = bigint;

/** From `from` up to, but not at, `to`. */
export type Span = { readonly from: Moment; readonly to: Moment };

/** Later than anything a contract speaks of: the end of what has none. */
export const never: Moment = 10n ** 30n;

/** The lengths of a settlement period, by the calendar of the agreement's zone. */
export const periodLengths = ["month", "quarter", "year"] as const;

/** One of `periodLengths`. */
export type PeriodLength = (typeof periodLengths)[number];

/** A settlement period: `2026-03`, `2026-Q1` or `2026`, with its instants. */
export type Period = Span & { readonly name: string };

/** By exact time, or by calendar days of the zone, in which a day of 23 hours counts as much as one of 25. */
export type Proration = "seconds" | "days";

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** Whether `parse` takes the text. */
function takes(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };
}

/** An instant in text, with `Z` or an offset: `2026-03-15T00:00:00Z`. */
export const instantText = z
  .string()
  .max(50)
  .refine(
    takes((text) => Temporal.Instant.from(text)),
    "an instant with an offset",
  );

/** A date `2026-03-15`, which means the start of that day in the agreement's zone, or an instant. */
export const whenText = z
  .string()
  .max(50)
  .refine(
    takes((text) => (DATE.test(text) ? Temporal.PlainDate.from(text) : Temporal.Instant.from(text))),
    "a date such as 2026-03-15, or an instant with an offset",
  );

/** The name of a time zone, as `Europe/Berlin`. */
export const zoneText = z
  .string()
  .max(60)
  .refine(
    takes((text) => Temporal.PlainDate.from("2026-01-01").toZonedDateTime(text)),
    "a time zone",
  );

/** A duration by the calendar, as `P24M` or `P90D`. */
export const durationText = z
  .string()
  .max(30)
  .refine(
    takes((text) => Temporal.Duration.from(text)),
    "a duration such as P24M",
  );

/** The instant that a validated text says; a date is the start of that day in `zone`. */
export function moment(text: string, zone: string): Moment {
  if (!DATE.test(text)) return Temporal.Instant.from(text).epochNanoseconds;
  return Temporal.PlainDate.from(text).toZonedDateTime(zone).epochNanoseconds;
}

/**
 * The moment of an instant that a caller wrote.
 *
 * @throws {TermsError} `instant-invalid` when it is none
 */
export function instantOf(text: string): Moment {
  if (instantText.safeParse(text).success) return moment(text, "UTC");
  throw refuseTerms("instant-invalid", `"${text}" is no instant; write it as 2026-03-15T00:00:00Z`);
}

/** A moment as the shortest text of its instant, in UTC. */
export function momentText(at: Moment): string {
  return Temporal.Instant.fromEpochNanoseconds(at).toString();
}

/** A moment and a duration later, by the calendar of `zone`. */
export function later(at: Moment, duration: string, zone: string): Moment {
  return at === never ? never : zoned(at, zone).add(duration).epochNanoseconds;
}

/** Where two spans overlap, or null. */
export function overlap(left: Span, right: Span): Span | null {
  const from = left.from > right.from ? left.from : right.from;
  const to = left.to < right.to ? left.to : right.to;
  return from < to ? { from, to } : null;
}

const MONTHS: Readonly<Record<PeriodLength, number>> = { month: 1, quarter: 3, year: 12 };

/** The period of a length that holds the moment, in `zone`. */
export function periodAt(at: Moment, length: PeriodLength, zone: string): Period {
  const date = zoned(at, zone).toPlainDate();
  const month = date.month - ((date.month - 1) % MONTHS[length]);
  return periodFrom(Temporal.PlainDate.from({ year: date.year, month, day: 1 }), length, zone);
}

/** The period after one. */
export function periodAfter(period: Period, length: PeriodLength, zone: string): Period {
  return periodAt(period.to, length, zone);
}

const NAMES: Readonly<Record<PeriodLength, RegExp>> = {
  month: /^(?<year>\d{4})-(?<part>0[1-9]|1[0-2])$/,
  quarter: /^(?<year>\d{4})-Q(?<part>[1-4])$/,
  year: /^(?<year>\d{4})$/,
};

/**
 * The period of a name.
 *
 * @throws {TermsError} `period-name` when the name is not one of a period of that length
 */
export function periodNamed(name: string, length: PeriodLength, zone: string): Period {
  const parts = NAMES[length].exec(name)?.groups;
  if (parts === undefined) {
    throw refuseTerms("period-name", `"${name}" names no ${length}; write ${examples[length]}`);
  }
  const month = 1 + (Number(parts["part"] ?? 1) - 1) * MONTHS[length];
  return periodFrom(Temporal.PlainDate.from({ year: Number(parts["year"]), month, day: 1 }), length, zone);
}

const examples: Readonly<Record<PeriodLength, string>> = {
  month: "2026-03",
  quarter: "2026-Q1",
  year: "2026",
};

function periodFrom(first: Temporal.PlainDate, length: PeriodLength, zone: string): Period {
  const from = first.toZonedDateTime(zone).epochNanoseconds;
  const to = first.add({ months: MONTHS[length] }).toZonedDateTime(zone).epochNanoseconds;
  const year = String(first.year).padStart(4, "0");
  switch (length) {
    case "month":
      return { name: `${year}-${String(first.month).padStart(2, "0")}`, from, to };
    case "quarter":
      return { name: `${year}-Q${(first.month + 2) / 3}`, from, to };
    case "year":
      return { name: year, from, to };
    default:
      return length satisfies never;
  }
}

/**
 * The part of what runs evenly over `whole` that falls into `part`, from 0 to 1.
 *
 * By `seconds` it is the share of the time. By `days`, each calendar day of the zone weighs as much as every
 * other and belongs wholly to the span that holds at its start, so that an end at noon still has its day; a
 * day that `whole` covers in part weighs that part of its time.
 */
export function portion(whole: Span, part: Span, proration: Proration, zone: string): Exact {
  const shared = overlap(whole, part);
  if (shared === null) return zero;
  if (shared.from === whole.from && shared.to === whole.to) return exact(1n);
  if (proration === "seconds") return exact(shared.to - shared.from, whole.to - whole.from);
  return daysUpTo(whole, shared.to, zone)
    .sub(daysUpTo(whole, shared.from, zone))
    .div(daysUpTo(whole, whole.to, zone));
}

/**
 * How many days of `whole` start before `at`; a first and a last day in part weigh the part that is
 * covered.
 */
function daysUpTo(whole: Span, at: Moment, zone: string): Exact {
  if (at <= whole.from) return zero;
  const first = dayOf(whole.from, zone);
  const last = dayOf(at - 1n, zone);
  const days = Temporal.PlainDate.from(first.date).until(last.date, { largestUnit: "days" }).days + 1;
  const head = exact(whole.from - first.from, first.to - first.from);
  const isLastDay = last.to >= whole.to;
  const tail = isLastDay ? exact(last.to - whole.to, last.to - last.from) : zero;
  return exact(BigInt(days)).sub(head).sub(tail);
}

function dayOf(at: Moment, zone: string): Span & { readonly date: Temporal.PlainDate } {
  const date = zoned(at, zone).toPlainDate();
  const from = date.toZonedDateTime(zone).epochNanoseconds;
  return { date, from, to: date.add({ days: 1 }).toZonedDateTime(zone).epochNanoseconds };
}

function zoned(at: Moment, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochNanoseconds(at).toZonedDateTimeISO(zone);
}
