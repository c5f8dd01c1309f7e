/**
 * A range as written becomes instants, with everything about it that is not certain.
 */
import { DateTime } from "luxon";
import type { Day, Moment } from "./moments.ts";
import type { Range } from "./ranges.ts";
import type { ZoneMention } from "./zones.ts";

/** One way to read one range. */
export type Span = { readonly startsAt: number; readonly endsAt: number };

/** A range with its readings in time: one when it is certain, several when a word is ambiguous. */
export type Slot = {
  readonly range: Range;
  readonly spans: readonly Span[];
  /** The clock as written, taken as UTC: to compare a local time whose zone is not stated. */
  readonly wall: readonly Span[];
  /** The notice says UTC itself: the more exact reading when two differ by a rounding. */
  readonly utc: boolean;
  readonly zone: ZoneMention | undefined;
  readonly order: "dmy" | "mdy" | undefined;
  readonly doubts: readonly string[];
};

/** What else on the page helps to decide: full days, the order of numeric dates, the sender's day. */
export type DateContext = {
  readonly days: readonly Day[];
  readonly order: "dmy" | "mdy" | undefined;
  readonly sentAt: DateTime | undefined;
  /** The zone for times without one, when the notice or a lesson states it for all. */
  readonly zone: ZoneMention | undefined;
  /** The page is about North America, so that `CST` is not China's. */
  readonly american: boolean;
  /** Zone words that a lesson explained, lower case. */
  readonly zones: ReadonlyMap<string, string>;
};

type Reading = { readonly year: number; readonly month: number; readonly day: number };

/** Windows longer than this are never read without a doubt. */
export const WINDOW_DAYS_MAX = 14;
const MINUTE = 60_000;
const DAY = 86_400_000;

export function slotOf(range: Range, context: DateContext): Slot {
  const doubts: string[] = [];
  const zone = range.start.zone ?? range.end.zone ?? context.zone;
  const starts = readingsOf(range.start.day ?? range.end.day, context, doubts);
  const ends = range.end.day === undefined ? undefined : readingsOf(range.end.day, context, doubts);
  if (range.start.day === undefined && range.end.day !== undefined && wraps(range))
    doubts.push("the day is named once, after a time that runs over midnight");
  const zones = zone === undefined ? [] : (taught(zone, context) ?? zone.zones);
  const endZone = range.end.zone ?? zone;
  const endZones = endZone === undefined ? [] : (taught(endZone, context) ?? endZone.zones);
  const wall = decide(spansIn(range, starts, ends, "UTC", "UTC"));
  const spans: Span[] = [];
  zones.forEach((name, at) => {
    const endName = endZone?.word === zone?.word ? name : (endZones[at] ?? endZones[0] ?? name);
    spans.push(...decide(spansIn(range, starts, ends, name, endName)));
  });
  const only = spans.length > 0 && unique(spans).length === 1 ? spans[0] : undefined;
  if (range.spares.some((spare) => only === undefined || !repeats(spare, only))) doubts.push(BESIDE);
  if (range.days) doubts.push(DAYS);
  if (VAGUE.test(range.quote)) doubts.push(ABOUT);
  const utc = zone !== undefined && zones.length === 1 && zones[0] === "UTC";
  return {
    range,
    spans: unique(spans),
    wall: unique(wall),
    utc,
    zone,
    order: orderOf(range, context),
    doubts,
  };
}

/** What a lesson says the word means, or what is left when the page is about North America. */
const taught = (zone: ZoneMention, context: DateContext): readonly string[] | undefined => {
  const known = context.zones.get(zone.word.toLowerCase());
  if (known !== undefined) return [known];
  return context.american ? zone.zones.filter((name) => !name.startsWith("Asia/")) : undefined;
};

function orderOf(range: Range, context: DateContext): Slot["order"] {
  return range.start.day?.swapped === undefined ? range.start.day?.order : context.order;
}

/** The doubt about a second time that is not the first one in another zone. */
const BESIDE = "another time stands beside the window's";
const DAYS = "several days stand before one time";
const ABOUT = "the time is only about so";
const VAGUE =
  /\b(?:approx(?:imately)?|circa|ca|roughly|open[- ]end\w*|not before)\b(?=[^|]*\d{1,2}[:.]?\d{2})/i;
/** Doubts that no agreement with another range can settle. */
export const FATAL: readonly string[] = ["a weekday is not the date's", BESIDE, DAYS, ABOUT];

/** True when the moment is the span's start or end again, told in its own zone. */
function repeats(spare: Moment, span: Span): boolean {
  const [zone, ...more] = spare.zone?.zones ?? [];
  if (zone === undefined || more.some((name) => name.startsWith("Asia/")) || spare.clock === undefined)
    return false;
  return [span.startsAt, span.endsAt].some((instant) => {
    const at = DateTime.fromMillis(instant, { zone });
    const day = spare.day;
    const sameDay =
      day === undefined || (day.month === at.month && day.day === at.day) || day.swapped?.month === at.month;
    return sameDay && at.hour * 60 + at.minute === (spare.clock?.minutes ?? -1) % 1440;
  });
}

function wraps(range: Range): boolean {
  return (range.end.clock?.minutes ?? 0) <= (range.start.clock?.minutes ?? 0);
}

/** The calendar days that a day as written can mean. */
function readingsOf(day: Day | undefined, context: DateContext, doubts: string[]): Reading[] {
  if (day === undefined) {
    doubts.push("a time stands without a day");
    return [];
  }
  const orders: { month: number; day: number }[] = [{ month: day.month, day: day.day }];
  // As written, month-first is `month`/`day`; `swapped` is the day-first reading.
  if (day.swapped !== undefined && context.order === "dmy") orders.splice(0, 1, day.swapped);
  else if (day.swapped !== undefined && context.order === undefined) orders.push(day.swapped);
  const readings = orders.flatMap((order) =>
    yearsOf(day, order, context).map((year) => ({ year, month: order.month, day: order.day })),
  );
  const fitting = readings.filter(
    (reading) => day.weekday === undefined || DateTime.fromObject(reading).weekday === day.weekday,
  );
  if (readings.length === 0) doubts.push("a date stands without its year");
  else if (fitting.length === 0) doubts.push("a weekday is not the date's");
  const named =
    fitting.length > 1
      ? fitting.filter((reading) => context.days.some((other) => equal(other, reading)))
      : [];
  return named.length === 1 ? named : fitting;
}

const equal = (day: Day, reading: Reading): boolean =>
  day.form !== "numeric" &&
  day.year === reading.year &&
  day.month === reading.month &&
  day.day === reading.day;

/** A missing year is another date's on the page, or the one near the mail whose weekday fits. */
function yearsOf(day: Day, order: { month: number; day: number }, context: DateContext): number[] {
  if (day.year !== undefined) return [day.year];
  const near = context.days.filter(
    (other) => other.year !== undefined && Math.abs(dayGap(other, { ...order, year: other.year })) <= 1,
  );
  const years = new Set(near.map((other) => other.year ?? 0));
  if (years.size === 1) return [...years];
  if (context.sentAt === undefined || day.weekday === undefined) return [];
  const sent = context.sentAt;
  return [sent.year - 1, sent.year, sent.year + 1].filter((year) => {
    const date = DateTime.fromObject({ year, ...order }, { zone: "UTC" });
    const days = date.diff(sent, "days").days;
    return date.isValid && days > -60 && days < 300 && date.weekday === day.weekday;
  });
}

function dayGap(a: Day, b: Reading): number {
  return (Date.UTC(a.year ?? 0, a.month - 1, a.day) - Date.UTC(b.year, b.month - 1, b.day)) / DAY;
}

function spansIn(
  range: Range,
  starts: readonly Reading[],
  ends: readonly Reading[] | undefined,
  startZone: string,
  endZone: string,
): Span[] {
  const spans: Span[] = [];
  for (const first of starts)
    for (const last of ends ?? [first]) {
      for (const startsAt of instantsOf(first, range.start, startZone))
        for (const endsAt of instantsOf(last, range.end, endZone))
          if (ends !== undefined || endsAt > startsAt) spans.push({ startsAt, endsAt });
          else spans.push({ startsAt, endsAt: nextDay(endsAt, endZone) });
    }
  return spans;
}

const nextDay = (at: number, zone: string): number =>
  DateTime.fromMillis(at, { zone }).plus({ days: 1 }).toMillis();

/** The instant: none where the clock jumps over it, two where the clock shows it twice. */
function instantsOf(reading: Reading, moment: Moment, zone: string): number[] {
  const minutes = moment.clock?.minutes ?? 0;
  const at = DateTime.fromObject(
    {
      ...reading,
      hour: Math.floor(minutes / 60) % 24,
      minute: minutes % 60,
      second: moment.clock?.seconds ?? 0,
    },
    { zone },
  ).plus({ days: minutes >= 1440 ? 1 : 0 });
  if (!at.isValid || (minutes < 1440 && at.hour * 60 + at.minute !== minutes)) return [];
  return at.getPossibleOffsets().map((one) => one.toMillis());
}

/** Of an ambiguous day and month only the readings stay that make a window: forward, and not weeks long. */
function decide(spans: readonly Span[]): Span[] {
  if (spans.length < 2) return [...spans];
  const sane = spans.filter(
    ({ startsAt, endsAt }) => endsAt > startsAt && endsAt - startsAt <= WINDOW_DAYS_MAX * DAY,
  );
  return sane.length > 0 ? sane : [...spans];
}

function unique(spans: readonly Span[]): Span[] {
  return [...new Map(spans.map((span) => [`${span.startsAt}/${span.endsAt}`, span])).values()];
}

/** Two readings are one when they differ by no more than a rounding ("00:01" for midnight). */
export function same(a: Span, b: Span): boolean {
  return Math.abs(a.startsAt - b.startsAt) <= MINUTE && Math.abs(a.endsAt - b.endsAt) <= MINUTE;
}

/** True when a zone exists in which the clock `wall` shows the span `span`. */
export function couldBe(wall: Span, span: Span): boolean {
  const shift = wall.startsAt - span.startsAt;
  const drift = Math.abs(wall.endsAt - span.endsAt - shift);
  return Math.abs(shift) <= 14 * 60 * MINUTE && Math.abs(shift % (15 * MINUTE)) <= MINUTE && drift <= MINUTE;
}
