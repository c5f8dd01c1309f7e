import { Cron } from "croner";
import { Temporal } from "temporal-polyfill";
import { InputError, messageOf } from "../kernel/index.ts";

/** Days of the week as a calendar names them. */
export type Weekday = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/** Which days a business works, and what becomes of an occurrence on one that it does not. */
export type Calendar = {
  /** Local dates, as 2026-12-25. */
  readonly holidays?: readonly string[];
  /** Monday to Friday unless told. */
  readonly workdays?: readonly Weekday[];
  /** Left out, or moved to the same time of the next or the previous day that is worked. */
  readonly onFreeDay: "skip" | "next" | "previous";
};

/**
 * When something is due: a cron expression read in a time zone. Where the clocks go forward, a time of day
 * that there is not (02:30) is the first instant after the gap, and a time that stands in a pattern of many
 * (every 20 minutes) is left out; where they go back, a time of day comes once, the first time, and a pattern
 * of many both times.
 */
export type Timing = {
  /** Five fields, or six with seconds first; also `@daily` and its kin. */
  readonly cron: string;
  /** An IANA time zone, such as Europe/Berlin. */
  readonly zone: string;
  readonly calendar?: Calendar;
};

const WEEKDAYS: readonly Weekday[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/** The longest run of days not worked that an occurrence is moved over. */
const FREE_DAYS_MAX = 31;
/** Beyond this no occurrence is looked for. */
const DAYS_AHEAD_MAX = 3_660;

/** Finds the occurrences of a timing. */
export type Occurrences = {
  /** The first one after an instant; null where there is none within ten years. */
  readonly next: (after: Date) => Date | null;
  /** The latest ones in (after, upTo], at most `max`, in order. */
  readonly latest: (after: Date, upTo: Date, max: number) => readonly Date[];
};

/** @throws {InputError} `schedule-invalid` for an expression, zone or date that cannot be read */
export function occurrencesOf(timing: Timing): Occurrences {
  const cron = parse(timing);
  const { zone, calendar } = timing;
  const next =
    calendar === undefined
      ? (after: Date): Date | null => cron.nextRun(after)
      : overCalendar(cron, zone, calendar);
  return { next, latest: (after, upTo, max) => latest(next, after, upTo, max) };
}

function parse({ cron, zone, calendar }: Timing): Cron {
  try {
    // Without one, croner would take the zone of whichever machine looks.
    if (typeof zone !== "string" || zone === "") throw new Error("it names no time zone");
    const parsed = new Cron(cron, { timezone: zone, paused: true });
    parsed.nextRun();
    if (calendar !== undefined) checkCalendar(calendar);
    return parsed;
  } catch (error) {
    throw new InputError({
      code: "schedule-invalid",
      message: `the schedule "${cron}" in ${zone} cannot be used: ${messageOf(error)}`,
      cause: error,
    });
  }
}

/** A configuration is run without a type check, and a date in another form would be nobody's holiday. */
function checkCalendar({ holidays = [], workdays = [...WEEKDAYS], onFreeDay }: Calendar): void {
  for (const day of holidays) {
    if (Temporal.PlainDate.from(day).toString() === day) continue;
    throw new Error(`holiday ${day} is no date such as 2026-12-25`);
  }
  const strange = workdays.find((day) => !WEEKDAYS.includes(day));
  if (strange !== undefined) throw new Error(`there is no weekday ${strange}`);
  if (workdays.length === 0) throw new Error("no day is worked");
  if (["skip", "next", "previous"].includes(onFreeDay)) return;
  throw new Error("its calendar's onFreeDay must be skip, next or previous");
}

/** Widens a window back from its end until it holds enough, so that a year asleep is not walked through. */
function latest(next: Occurrences["next"], after: Date, upTo: Date, max: number): readonly Date[] {
  const widen = 4;
  for (let spanMs = 3_600_000; ; spanMs *= widen) {
    const from = Math.max(after.getTime(), upTo.getTime() - spanMs);
    const found: Date[] = [];
    for (let at = next(new Date(from)); at !== null && at <= upTo; at = next(at)) found.push(at);
    if (found.length >= max || from === after.getTime()) return max === 0 ? [] : found.slice(-max);
  }
}

/** Day by day: what falls on a day that is worked, and what is moved onto it from free days beside it. */
function overCalendar(cron: Cron, zone: string, calendar: Calendar): Occurrences["next"] {
  const holidays = new Set(calendar.holidays);
  const workdays = new Set(calendar.workdays ?? WEEKDAYS.slice(0, 5));
  const isFree = (day: Temporal.PlainDate): boolean =>
    holidays.has(day.toString()) || !workdays.has(WEEKDAYS[day.dayOfWeek - 1] as Weekday);
  /** The free days whose occurrences are moved onto a day, and the day itself. */
  const sources = (day: Temporal.PlainDate): readonly Temporal.PlainDate[] => {
    const found = [day];
    if (calendar.onFreeDay === "skip") return found;
    const step = calendar.onFreeDay === "next" ? -1 : 1;
    for (let n = 1; n <= FREE_DAYS_MAX; n += 1) {
      const beside = day.add({ days: n * step });
      if (!isFree(beside)) break;
      found.push(beside);
    }
    return found;
  };
  const on = (day: Temporal.PlainDate): readonly number[] =>
    isFree(day)
      ? []
      : sources(day).flatMap((source) =>
          within(cron, zone, source).map((at) => moved(at, zone, source, day)),
        );
  return (after) => {
    let day = localDate(after, zone);
    const last = day.add({ days: DAYS_AHEAD_MAX });
    while (Temporal.PlainDate.compare(day, last) <= 0) {
      const found = on(day).filter((at) => at > after.getTime());
      if (found.length > 0) return new Date(Math.min(...found));
      day = onwards(cron, zone, day);
    }
    return null;
  };
}

/** The next day that can have an occurrence: far from any, the days between need not be looked at. */
function onwards(cron: Cron, zone: string, day: Temporal.PlainDate): Temporal.PlainDate {
  const tomorrow = day.add({ days: 1 });
  const from = startOf(tomorrow.subtract({ days: FREE_DAYS_MAX }), zone);
  const nominal = cron.nextRun(new Date(from - 1));
  if (nominal === null) return tomorrow.add({ days: DAYS_AHEAD_MAX });
  const jump = localDate(nominal, zone).subtract({ days: FREE_DAYS_MAX });
  return Temporal.PlainDate.compare(jump, tomorrow) > 0 ? jump : tomorrow;
}

function within(cron: Cron, zone: string, day: Temporal.PlainDate): readonly Date[] {
  const end = startOf(day.add({ days: 1 }), zone);
  const found: Date[] = [];
  const first = new Date(startOf(day, zone) - 1);
  for (let at = cron.nextRun(first); at !== null && at.getTime() < end; at = cron.nextRun(at)) found.push(at);
  return found;
}

/** The same time of another day; one that there is not there is as much later as the clocks go forward. */
function moved(at: Date, zone: string, from: Temporal.PlainDate, to: Temporal.PlainDate): number {
  if (from.equals(to)) return at.getTime();
  const time = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(zone).toPlainTime();
  return to.toZonedDateTime({ timeZone: zone, plainTime: time }).epochMilliseconds;
}

function localDate(at: Date, zone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(zone).toPlainDate();
}

function startOf(day: Temporal.PlainDate, zone: string): number {
  return day.toZonedDateTime(zone).epochMilliseconds;
}
