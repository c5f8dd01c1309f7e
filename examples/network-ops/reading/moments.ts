/**
 * Dates, times and zones as they stand in one line, joined to moments.
 *
 * Nothing is guessed here: a numeric date that reads two ways keeps both, a missing year stays
 * missing, and the pieces keep their place, so that the caller can weigh them.
 */
import { alternation, MONTH_OF, WEEKDAY_OF } from "./calendar-words.ts";
import { type ZoneMention, zoneAt } from "./zones.ts";

/** A calendar day; `swapped` is its other reading when day and month could change places. */
export type Day = {
  readonly year: number | undefined;
  readonly month: number;
  readonly day: number;
  readonly weekday?: number;
  readonly swapped?: { readonly month: number; readonly day: number };
  /** The form it was written in, to decide one ambiguous date by another of the same form. */
  readonly form: "iso" | "named" | "numeric";
  readonly order?: "dmy" | "mdy";
};

/** A time of day in minutes; 1440 is the end of the day. */
type Clock = { readonly minutes: number; readonly seconds: number; readonly twelveHour: boolean };

/** A day, a time of day, or both, with the zone that stands beside it. */
export type Moment = {
  readonly day?: Day;
  readonly clock?: Clock;
  readonly zone?: ZoneMention;
  readonly start: number;
  readonly end: number;
};

type Piece =
  | { readonly kind: "day"; readonly day: Day; readonly start: number; readonly end: number }
  | {
      readonly kind: "clock";
      readonly clock: Clock;
      readonly weak: boolean;
      readonly start: number;
      readonly end: number;
    };

const MONTH = alternation(MONTH_OF);
const WEEKDAY = alternation(WEEKDAY_OF);
const LEFT = String.raw`(?<![\p{L}\p{N}]|[\d][./:-])`;
const BEFORE = String.raw`${LEFT}(?:(?<weekday>${WEEKDAY})\.?,?\s*(?:the\s+|den\s+|le\s+)?)?`;
const NTH = String.raw`(?:st|nd|rd|th)?`;
const YEAR = String.raw`(?:[12]\d{3})`;
const pattern = (body: string): RegExp => new RegExp(BEFORE + body, "giu");

const DAY_PATTERNS: readonly RegExp[] = [
  pattern(String.raw`(?<year>${YEAR})(?<gap>[-/.])(?<a>\d{1,2})\k<gap>(?<b>\d{1,2})(?![\d])`),
  pattern(String.raw`(?<year>${YEAR})[-\s]?(?<month>${MONTH})\.?[-\s]?(?<day>\d{1,2})(?!\d)`),
  pattern(String.raw`(?<day>\d{1,2})(?<gap>[-/.])(?<month>${MONTH})\k<gap>(?<short>\d{2})(?![\d:])`),
  pattern(String.raw`(?<day>\d{1,2}) (?<month>${MONTH}) (?<short>\d{2})(?=,? (?:at )?\d{1,2}:\d{2})`),
  // "16 November - 17 November" holds no year: a short year needs an apostrophe or its dashes.
  pattern(
    String.raw`(?<day>\d{1,2})${NTH}(?:[-./]|\.?,?\s*(?:of\s+|de\s+)?)(?<month>${MONTH})(?![\p{L}])\.?` +
      String.raw`(?:[\s\-/,]*(?:de\s+)?'?(?<year>${YEAR})(?!\d)|\s?'(?<short>\d{2})(?!\d))?`,
  ),
  pattern(
    String.raw`(?<month>${MONTH})(?![\p{L}])(?:[-/]|\.?\s*(?:the\s+)?)(?<day>\d{1,2})${NTH}(?![\d:])` +
      String.raw`(?:[,\s\-/]+(?:'?(?<year>${YEAR})(?![\d:])|'(?<short>\d{2})(?!\d)))?`,
  ),
  pattern(String.raw`(?<a>\d{1,2})(?<gap>\. )(?<b>\d{1,2})\. (?<year>${YEAR})(?!\d)`),
  pattern(String.raw`(?<a>\d{1,2})(?<gap>[/.\-])(?<b>\d{1,2})\k<gap>(?<year>${YEAR}|\d{2})(?![\d./-]*\d)`),
  pattern(String.raw`(?<year>20\d{2})(?<a>[01]\d)(?<b>[0-3]\d)(?=T\d|\s+\d{2}:?\d{2})`),
];

const CLOCK = new RegExp(
  String.raw`(?<![\d.:,/]|\p{L}-|\p{L}(?<!T))(?<hour>\d{1,2})(?<gap>[:.hH])(?<minute>\d{2})(?::(?<sec` +
    String.raw`ond>\d{2})(?:\.\d+)?)?` +
    String.raw`(?:\s?(?<half>[ap])\.?\s?m\b\.?|\s?(?:hrs|hours|h|uhr)\b)?(?![\d%]|[./:]\d)`,
  "giu",
);
const HALF = /(?<![\d.:,/-])(?<hour>\d{1,2})\s?(?<half>[ap])\.?m\b\.?/giu;
const MILITARY = new RegExp(
  String.raw`(?<![\d.:,/A-SU-Za-su-z])(?<hour>[012]\d)(?<minute>[0-5]\d)(?<second>[0-5]\d)?(?=Z\b|` +
    String.raw`\s?(?:hrs|hours|h|H|UTC|GMT|Z)\b)`,
  "gu",
);

/** Years beyond this distance of the century are typing errors, not plans. */
const SHORT_YEAR_BASE = 2000;

/** All moments in one line, in order. */
export function momentsIn(text: string): Moment[] {
  if (!/\d/.test(text)) return [];
  const pieces = [...daysIn(text), ...clocksIn(text)].sort((a, b) => a.start - b.start || b.end - a.end);
  const apart: Piece[] = [];
  for (const piece of pieces) {
    const last = apart.at(-1);
    if (last === undefined || piece.start >= last.end) apart.push(piece);
  }
  return join(text, apart);
}

/** A day with its place in the text. */
export type DayPiece = Extract<Piece, { kind: "day" }>;

/** Every calendar day in one line, in no order. */
export function daysIn(text: string): DayPiece[] {
  const pieces: DayPiece[] = [];
  for (const found of DAY_PATTERNS)
    for (const match of text.matchAll(found)) {
      const start = match.index;
      const end = start + match[0].length;
      if (pieces.some((piece) => piece.start < end && start < piece.end)) continue;
      const day = dayOf(match.groups ?? {}, match[0]);
      if (day !== undefined) pieces.push({ kind: "day", day, start, end });
    }
  return pieces;
}

function dayOf(groups: Readonly<Record<string, string | undefined>>, text: string): Day | undefined {
  const weekday =
    groups["weekday"] === undefined ? undefined : WEEKDAY_OF.get(groups["weekday"].toLowerCase());
  const year = yearOf(groups["year"] ?? groups["short"]);
  const about = weekday === undefined ? {} : { weekday };
  if (groups["month"] !== undefined) {
    // "may 20 customers notice" is no date: the verb is lower case, the month is not.
    if (/\bmay\b/.test(text)) return undefined;
    const month = MONTH_OF.get(groups["month"].toLowerCase()) ?? 0;
    return possible({ year, month, day: Number(groups["day"]), form: "named", ...about });
  }
  const a = Number(groups["a"]);
  const b = Number(groups["b"]);
  if (
    (groups["year"] ?? "").length === 4 &&
    text.indexOf(groups["year"] ?? "") < text.lastIndexOf(groups["b"] ?? "")
  )
    if (/^\D*\d{4}/.test(text)) return possible({ year, month: a, day: b, form: "iso", ...about });
  // Dots are day-first wherever they are written.
  if (a > 12 || groups["gap"]?.startsWith(".") === true)
    return possible({ year, month: b, day: a, form: "numeric", order: "dmy", ...about });
  if (b > 12) return possible({ year, month: a, day: b, form: "numeric", order: "mdy", ...about });
  const swapped = a === b ? {} : { swapped: { month: b, day: a } };
  return possible({ year, month: a, day: b, form: "numeric", ...swapped, ...about });
}

function yearOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text.length === 2 ? SHORT_YEAR_BASE + Number(text) : Number(text);
}

function possible(day: Day): Day | undefined {
  const date = new Date(Date.UTC(day.year ?? 2024, day.month - 1, day.day));
  return date.getUTCMonth() === day.month - 1 && date.getUTCDate() === day.day ? day : undefined;
}

function clocksIn(text: string): Piece[] {
  const pieces: Piece[] = [];
  for (const [found, weak] of [
    [CLOCK, false],
    [HALF, false],
    [MILITARY, false],
  ] as const)
    for (const match of text.matchAll(found)) {
      const clock = clockOf(match.groups ?? {});
      if (clock === undefined) continue;
      const dotted = match.groups?.["gap"] === ".";
      const start = match.index;
      pieces.push({
        kind: "clock",
        clock,
        weak: weak || dotted,
        start,
        end: start + match[0].trimEnd().length,
      });
    }
  return pieces;
}

function clockOf(groups: Readonly<Record<string, string | undefined>>): Clock | undefined {
  const half = groups["half"]?.toLowerCase();
  const minute = Number(groups["minute"] ?? 0);
  const seconds = Number(groups["second"] ?? 0);
  let hour = Number(groups["hour"]);
  if (minute > 59 || seconds > 59) return undefined;
  // "15:30 PM" is written by machines that add the half to a 24-hour clock.
  if (half !== undefined && hour <= 12) hour = (hour % 12) + (half === "p" ? 12 : 0);
  else if (half === "a" && hour > 12) return undefined;
  if (hour > 24 || (hour === 24 && minute > 0)) return undefined;
  return { minutes: hour * 60 + minute, seconds, twelveHour: half !== undefined };
}

/** What may stand between a day and its time without ending the moment. */
const GLUE =
  /^[\s,;@\-–|([]*(?:T|at|from|um|à|a las|kl\.?|on|the|starting|beginning|between|time|of)?[\s,:([]*$/i;
const BACK_GLUE = /^[\s,;)\]]*(?:hrs|hours|h|uhr)?[\s,;)\]]*(?:on|am|le|el|of)?[\s,]*(?:the)?\s*$/i;

function join(text: string, pieces: readonly Piece[]): Moment[] {
  const moments: Moment[] = [];
  for (let at = 0; at < pieces.length; at += 1) {
    const piece = pieces[at];
    // "+02:00" after a time was read as its zone; it is no second time.
    if (piece === undefined || piece.start < (moments.at(-1)?.end ?? 0)) continue;
    const next = pieces[at + 1];
    if (piece.kind === "day") {
      if (next?.kind === "clock" && GLUE.test(text.slice(piece.end, next.start))) {
        at += 1;
        moments.push(
          withZone(text, { day: piece.day, clock: next.clock, start: piece.start, end: next.end }),
        );
      } else moments.push(withZone(text, { day: piece.day, start: piece.start, end: piece.end }));
      continue;
    }
    const zoned = withZone(text, { clock: piece.clock, start: piece.start, end: piece.end });
    const alone = piece.weak && zoned.zone === undefined;
    if (next?.kind === "day" && BACK_GLUE.test(text.slice(zoned.end, next.start))) {
      const after = pieces[at + 2];
      // "22:00 20 May 06:00" would be torn apart wrongly: a day between two times belongs to the later.
      if (after?.kind === "clock" && GLUE.test(text.slice(next.end, after.start)) && moments.length > 0) {
        if (!alone) moments.push(zoned);
        continue;
      }
      at += 1;
      const whole = { day: next.day, clock: piece.clock, start: piece.start, end: next.end };
      moments.push(zoned.zone === undefined ? withZone(text, whole) : { ...whole, zone: zoned.zone });
    } else if (!alone || moments.at(-1)?.clock !== undefined) moments.push(zoned);
  }
  return moments;
}

const ZONE_GLUE = /^(?:\s?(?:hrs|hours|h|uhr)\b)?[\s,]*[([]?\s*(?:local time\s*[,/(]\s*)?/i;

function withZone(text: string, moment: Moment): Moment {
  if (moment.clock === undefined) return moment;
  const glue = ZONE_GLUE.exec(text.slice(moment.end, moment.end + 32))?.[0] ?? "";
  const touching = glue.trim() === "" && /[+−]/.test(text[moment.end + glue.length] ?? "");
  const direct = glue === "" && moment.clock.seconds + (moment.day?.form === "iso" ? 1 : 0) > 0;
  const glued =
    glue === "" && /^-\d{2}:?\d{2}(?![\d:])/.test(text.slice(moment.end)) && moment.day?.form === "iso";
  const bracketed = /[([]\s*$/.test(glue);
  const zone = zoneAt(text, moment.end + glue.length, touching || direct || glued || bracketed);
  if (zone === undefined) return moment;
  const closing = /^\s*[)\]]/.exec(text.slice(zone.end))?.[0].length ?? 0;
  return { ...moment, zone, end: zone.end + (glue.includes("(") || glue.includes("[") ? closing : 0) };
}
