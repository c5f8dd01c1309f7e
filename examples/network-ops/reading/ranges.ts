/**
 * Starts paired with their ends: by a word between them, or by their labels.
 */
import type { Moment } from "./moments.ts";
import type { Page } from "./page.ts";
import type { Stamp } from "./stamps.ts";
import { zonesIn } from "./zones.ts";
import { wordsIn } from "./words.ts";

/** What else the notice calls a range; only `plain` and `new` ones can be the window. */
type RangeKind = "plain" | "backup" | "old" | "new" | "inner" | "aside";

export type Range = {
  readonly start: Moment;
  readonly end: Moment;
  readonly kind: RangeKind;
  /** The words around it, for lessons and for the card. */
  readonly label: string;
  readonly quote: string;
  readonly line: number;
  readonly lastLine: number;
  readonly how: "connected" | "labelled";
  /** Other times in the same cells: the same instant in another zone, or an old time that was struck out. */
  readonly spares: readonly Moment[];
  /** The time stands once and several days stand before it: each of them may have it. */
  readonly days: boolean;
};

const CONNECTOR = wordsIn(
  String.raw`^[\s)\].,]*(?:hrs|hours|h|uhr)?[\s)\].,]*`,
  [
    String.raw`[-–—~→>]+|to|until|till?|through|thru|and|bis|à|au|al|a|e|y|tot|tm|t\/m`,
    "ending(?: at| on)?|and ending(?: at| on)?",
    String.raw`and (?:will )?(?:end|finish|last until)\w*(?: at| on)?`,
  ],
  String.raw`(?=[\s([:]|\d|$|\P{ASCII})[\s([:]*(?:on|the|at)?[\s:]*(?:\P{ASCII}{1,8},?\s*)?$`,
  "iu",
);
/** Lines that a labelled start may stand from its end. */
const LABEL_REACH = 14;
const DATE_REACH = 6;

const ASIDE = wordsIn(
  String.raw`\b`,
  [
    "sent|issued?|created?|submitted|generated|received|notified|office hours|business hours",
    String.raw`reply by|respon\w+|deadline|opened|last (?:update|modified)|updated? (?:on|at)`,
    "date of (?:notice|issue)|notice date|notification date|valid|copyright|since|contract",
  ],
  String.raw`\b`,
  "i",
);
const BACKUP =
  /\b(?:back-?\s?up|alternat\w*|contingen\w*|fall-?\s?back|reserve|spare|rain date|ersatz\w*)\b/i;
const OLD = wordsIn(
  String.raw`\b`,
  [
    "original(?:ly)?|previous(?:ly)?|former(?:ly)?|old|initial(?:ly)?",
    "(?:postponed|moved|rescheduled|changed) from|instead of",
  ],
  String.raw`\b`,
  "i",
);
const NEW = wordsIn(
  String.raw`\b`,
  [
    String.raw`(?:new|revised) (?:date|time|window|start|end|schedule|maintenance)\w*`,
    String.raw`(?:re-?scheduled|moved|postponed|changed) (?:to|for|date\w*|window|start|end)|amended`,
    "actual",
  ],
  String.raw`\b`,
  "i",
);
const INNER = /\b(?:impact|outage|downtime|interruption|unavailab\w*|disruption)\b/i;

/** All ranges of the page in reading order, and the full times that are part of none. */
export function rangesOf(
  page: Page,
  stamps: readonly Stamp[],
): { readonly ranges: readonly Range[]; readonly loose: readonly Stamp[] } {
  const merged = mergeSplit(stamps);
  const used = new Set<Stamp>();
  const ranges: Range[] = [];
  merged.forEach((start, at) => {
    const end = merged[at + 1];
    if (end === undefined || used.has(start) || !connected(page, start, end)) return;
    if (start.moment.clock === undefined || end.moment.clock === undefined) return;
    used.add(start).add(end);
    ranges.push({
      ...toRange(page, withDay(merged, at, start), end, "connected"),
      days: daysBefore(merged, at),
    });
  });
  merged.forEach((start, at) => {
    if (used.has(start) || start.role !== "start" || start.moment.clock === undefined) return;
    const end = endFor(merged, at, used);
    if (end === undefined) return;
    used.add(start).add(end);
    ranges.push({
      ...toRange(page, withDay(merged, at, start), end, "labelled"),
      days: daysBefore(merged, at),
    });
  });
  const spare = merged.filter((stamp) => !used.has(stamp) && stamp.moment.clock !== undefined);
  const loose = spare.filter(
    ({ moment, labels }) => moment.day !== undefined && !ASIDE.test(labels.join(" ")),
  );
  const told = ranges
    .map((range) => ({
      ...range,
      spares: spare
        .filter(({ line }) => line.index === range.line || line.index === range.lastLine)
        .map(({ moment }) => moment),
    }))
    .sort((a, b) => a.line - b.line);
  return { ranges: told, loose };
}

/** `Start date: D` then `Start time: T` are one moment; so are a day and a time under one label. */
function mergeSplit(stamps: readonly Stamp[]): Stamp[] {
  const merged: Stamp[] = [];
  for (const stamp of stamps) {
    const last = merged.at(-1);
    const splits =
      last !== undefined &&
      last.role === stamp.role &&
      stamp.role !== "none" &&
      last.moment.clock === undefined &&
      stamp.moment.day === undefined &&
      stamp.line.index - last.line.index <= 2 &&
      (stamp.between === undefined || stamp.between.trim() === "");
    if (!splits || last === undefined) {
      merged.push(stamp);
      continue;
    }
    merged.pop();
    merged.push({
      ...stamp,
      moment: { ...last.moment, ...stamp.moment },
      labels: [...stamp.labels, ...last.labels],
    });
  }
  return merged;
}

function connected(page: Page, start: Stamp, end: Stamp): boolean {
  if (start.line.index === end.line.index && start.cell === end.cell)
    return CONNECTOR.test(end.between ?? "") && (!/^\W*and\W*$/i.test(end.between ?? "") || between(start));
  const adjacent = end.line.index - start.line.index;
  const fresh = end.between === undefined;
  if (adjacent < 1 || adjacent > 2 || !fresh) return false;
  const next = page.lines[start.line.index + 1];
  const within = next === end.line ? "" : (next?.text ?? "");
  const words = `${start.after} ${within} ${end.line.cells[end.cell]?.slice(0, end.moment.start) ?? ""}`;
  return CONNECTOR.test(words);
}

/** "and" joins two times only after "between". */
const between = (stamp: Stamp): boolean =>
  /\bbetween\b/i.test(
    (stamp.line.cells[stamp.cell] ?? "").slice(Math.max(0, stamp.moment.start - 40), stamp.moment.end),
  );

/** The label without its start or end word: what a start and its end have in common. */
function familyOf(stamp: Stamp): string {
  return (stamp.labels[0] ?? "")
    .replaceAll(/\b(?:start|end|begin|finish|complet|stop|from|to|clos|open|until)\w*\b/gi, "")
    .replaceAll(/[^\p{L}]+/gu, " ")
    .trim();
}

function endFor(stamps: readonly Stamp[], at: number, used: ReadonlySet<Stamp>): Stamp | undefined {
  const start = stamps[at];
  if (start === undefined) return undefined;
  const near: Stamp[] = [];
  for (const stamp of stamps.slice(at + 1)) {
    if (stamp.line.index - start.line.index > LABEL_REACH) break;
    if (stamp.role === "start" && familyOf(stamp) === familyOf(start)) break;
    if (stamp.role === "end" && stamp.moment.clock !== undefined && !used.has(stamp)) near.push(stamp);
  }
  return near.find((stamp) => familyOf(stamp) === familyOf(start)) ?? near[0];
}

/** A range of bare times takes the day that stands just before it: `Date: D` / `Time: T to T`. */
function withDay(stamps: readonly Stamp[], at: number, stamp: Stamp): Stamp {
  if (stamp.moment.day !== undefined) return stamp;
  for (const before of stamps.slice(Math.max(0, at - 3), at).toReversed()) {
    if (stamp.line.index - before.line.index > DATE_REACH) break;
    if (
      before.moment.day !== undefined &&
      before.moment.clock === undefined &&
      !ASIDE.test(before.labels.join(" "))
    )
      return { ...stamp, moment: { ...stamp.moment, day: before.moment.day } };
  }
  return stamp;
}

/** "10 May and 11 May, 01:00 to 05:00": days in one cell, without a time between them. */
function daysBefore(stamps: readonly Stamp[], at: number): boolean {
  const stamp = stamps[at];
  if (stamp === undefined || stamp.moment.day !== undefined) return false;
  const [last, other] = stamps.slice(Math.max(0, at - 2), at).toReversed();
  if (last === undefined || other === undefined || last.moment.clock !== undefined) return false;
  return (
    stamp.line.index - last.line.index <= DATE_REACH &&
    other.moment.clock === undefined &&
    other.line === last.line &&
    other.cell === last.cell
  );
}

function toRange(page: Page, start: Stamp, end: Stamp, how: Range["how"]): Range {
  const label = [...start.labels, headingOf(page, start)].filter((text) => text !== "").join(" / ");
  const zone = end.moment.zone ?? start.moment.zone ?? labelZone(start, end);
  const moments = {
    start: { ...start.moment, ...(zone === undefined ? {} : { zone: start.moment.zone ?? zone }) },
    end: { ...end.moment, ...(zone === undefined ? {} : { zone: end.moment.zone ?? zone }) },
  };
  const lines = start.line === end.line ? start.line.text : `${start.line.text} … ${end.line.text}`;
  const kind = kindOf(label, how === "connected" ? start.line.text.slice(0, start.moment.start) : "");
  return {
    ...moments,
    kind,
    label,
    quote: lines,
    line: start.line.index,
    lastLine: end.line.index,
    how,
    spares: [],
    days: false,
  };
}

function labelZone(start: Stamp, end: Stamp): Moment["zone"] {
  for (const label of [...start.labels, ...end.labels, start.after.slice(0, 24), end.after.slice(0, 24)]) {
    const zones = zonesIn(label);
    if (zones.length === 1) return zones[0];
  }
  return undefined;
}

/** The nearest short line above that is no moment itself: `Backup Date`, `Original window`. */
function headingOf(page: Page, stamp: Stamp): string {
  for (let at = stamp.line.index - 1; at >= Math.max(0, stamp.line.index - 3); at -= 1) {
    const text = page.lines[at]?.text ?? "";
    if (text.length > 60 || /\d{1,2}:\d{2}/.test(text)) continue;
    return text.toLowerCase();
  }
  return "";
}

function kindOf(label: string, lead: string): RangeKind {
  const text = `${label} ${lead.slice(-120)}`;
  if (BACKUP.test(text)) return "backup";
  if (OLD.test(text)) return "old";
  if (ASIDE.test(label)) return "aside";
  if (NEW.test(text)) return "new";
  if (INNER.test(label)) return "inner";
  return "plain";
}
