/**
 * The windows of a notice: every range read in every way it can be, agreed upon or doubted.
 */
import { DateTime } from "luxon";
import type { Notice } from "../notice.ts";
import { couldBe, FATAL, same, type Slot, slotOf, type Span, WINDOW_DAYS_MAX } from "./instants.ts";
import type { Day } from "./moments.ts";
import { mask, type Page } from "./page.ts";
import { type Range, rangesOf } from "./ranges.ts";
import { type Stamp, stampsOf } from "./stamps.ts";
import type { Doubt, Evidence, WindowLesson } from "./types.ts";
import { quoteOf } from "./types.ts";
import { contextOf } from "./date-context.ts";
import { wordsIn } from "./words.ts";

/**
 * In a notice that moves a maintenance, "Start: A B" with the later time second is the old time, struck
 * out, and the new one; flattened text lost the stroke. Anything less clear stays as it is, and is doubted.
 */
function withoutStruck(stamps: readonly Stamp[]): Stamp[] {
  const full = ({ moment }: Stamp): boolean =>
    moment.day?.year !== undefined && moment.day.swapped === undefined && moment.clock !== undefined;
  const at = ({ moment }: Stamp): number =>
    Date.UTC(moment.day?.year ?? 0, (moment.day?.month ?? 1) - 1, moment.day?.day ?? 1) +
    (moment.clock?.minutes ?? 0) * 60_000;
  return stamps.flatMap((stamp, index) => {
    const next = stamps[index + 1];
    const cell = stamps.filter((other) => other.line === stamp.line && other.cell === stamp.cell);
    if (cell.length !== 2 || !cell.every(full)) return [stamp];
    const [old, fresh] = cell;
    if (
      old === undefined ||
      fresh === undefined ||
      (fresh.between ?? "x").trim() !== "" ||
      at(fresh) <= at(old)
    )
      return [stamp];
    if (stamp === old && next === fresh) return [];
    return [{ ...fresh, labels: old.labels, role: old.role, between: undefined }];
  });
}

/** A window that the notice states, with all ranges that state it. */
type Window = Span & { readonly slots: readonly Slot[] };

export type WindowsFound = {
  readonly windows: readonly Window[];
  readonly slots: readonly Slot[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
};

const DAY = 86_400_000;
/** More windows than this in one notice is a list that a person should see. */
const WINDOWS_MAX = 20;

export function readWindows(
  page: Page,
  notice: Notice,
  lessons: readonly WindowLesson[],
  moved = false,
): WindowsFound {
  const { stamps, truncated } = stampsOf(page);
  if (truncated) return nothing("there are more dates than a notice has");
  const { ranges, loose } = rangesOf(page, moved ? withoutStruck(stamps) : stamps);
  const context = contextOf(page, notice, stamps, lessons);
  const slots = ranges.map((range) => slotOf(range, context));
  const considered = slots.filter((slot) => slot.range.kind !== "aside");
  if (considered.length === 0) return nothing("no start and end were found");
  const clusters = clustersOf(considered);
  const { chosen, reasons } = choose(clusters, lessons);
  const doubts = [...reasons, ...contradictions(page, stamps, chosen, slots)];
  if (loose.some((stamp) => !logged(stamp) && !slots.some((slot) => echoes(stamp, slot))))
    doubts.push("the notice names a time that belongs to no window");
  const numbered = chosen.every((cluster) => cluster.some((slot) => ORDINAL.test(slot.range.label)));
  const told = lessons.some((lesson) =>
    [...lesson.kept, ...lesson.dropped].some((label) => SPARE.test(label)),
  );
  const spare = !told && !numbered && page.lines.some((line) => SPARE.test(line.text));
  if (spare && !doubts.includes("a backup window is named")) doubts.push("a backup window is named");
  const windows = chosen
    .map((cluster) => ({ ...exact(cluster), slots: cluster }))
    .filter((window) => Number.isFinite(window.startsAt) && Number.isFinite(window.endsAt))
    .sort((a, b) => a.startsAt - b.startsAt);
  return {
    windows,
    slots,
    doubts: doubts.map((because) => ({ field: "window", because })),
    evidence: windows.flatMap((window) => window.slots.map((slot) => evidenceOf(window, slot))),
  };
}

const SPARE = wordsIn(
  String.raw`\b`,
  [String.raw`back-?\s?up|alternat\w+|contingency|fall-?back|rain`],
  String.raw`(?:[ /]\w+){0,3}? (?:windows?|nights?|dates?|days?|slot)\b`,
  "i",
);

function nothing(because: string): WindowsFound {
  return { windows: [], slots: [], doubts: [{ field: "window", because }], evidence: [] };
}

function evidenceOf(window: Span, slot: Slot): Evidence {
  const value = `${iso(window.startsAt)}/${iso(window.endsAt)}`;
  return { field: "window", value, quote: quoteOf(slot.range.quote), by: `range ${slot.range.how}` };
}

export const iso = (at: number): string => new Date(at).toISOString();

/** Groups ranges that can state the same time; a clock without a zone joins the span that it can show. */
function clustersOf(slots: readonly Slot[]): Slot[][] {
  const clusters: Slot[][] = [];
  const known = slots.filter((slot) => slot.spans.length > 0).sort((a, b) => rank(a) - rank(b));
  for (const slot of known) {
    const home = clusters.find((cluster) => cluster.some((other) => agree(other, slot)));
    if (home === undefined) clusters.push([slot]);
    else home.push(slot);
  }
  for (const slot of slots.filter((one) => one.spans.length === 0)) {
    const homes = clusters.filter((cluster) =>
      cluster.some((other) => other.spans.some((span) => slot.wall.some((wall) => couldBe(wall, span)))),
    );
    const near = homes.find((cluster) =>
      cluster.some((other) => Math.abs(other.range.line - slot.range.line) <= 4),
    );
    const home = near ?? homes[0];
    if (home === undefined) clusters.push([slot]);
    else home.push(slot);
  }
  return clusters;
}

/** Certain readings first, so that uncertain ones join them. */
const rank = (slot: Slot): number => slot.spans.length * 2 + slot.doubts.length - (slot.utc ? 1 : 0);

function agree(a: Slot, b: Slot): boolean {
  return a.spans.some((one) => b.spans.some((other) => same(one, other)));
}

/** The cluster's time: what UTC says where it is stated, else the reading that most ranges share. */
function exact(cluster: readonly Slot[]): Span {
  const certain = cluster.find((slot) => slot.utc && slot.spans.length === 1);
  const single = certain ?? cluster.find((slot) => slot.spans.length === 1);
  const spans = (single ?? cluster[0])?.spans ?? [];
  const shared = spans.find((span) => cluster.every((slot) => slot.spans.some((other) => same(span, other))));
  return shared ?? spans[0] ?? { startsAt: Number.NaN, endsAt: Number.NaN };
}

type Choice = { readonly chosen: readonly (readonly Slot[])[]; readonly reasons: readonly string[] };

function choose(clusters: readonly (readonly Slot[])[], lessons: readonly WindowLesson[]): Choice {
  const kept = new Set(lessons.flatMap((lesson) => lesson.kept));
  const series = new Set(lessons.filter((lesson) => lesson.several).flatMap((lesson) => lesson.kept));
  const dropped = new Set(lessons.flatMap((lesson) => lesson.dropped).filter((label) => !kept.has(label)));
  const reasons: string[] = [];
  const open = clusters.filter((cluster) => !cluster.every((slot) => dropped.has(labelKey(slot.range))));
  const strange = (kind: Range["kind"], cluster: readonly Slot[]): boolean =>
    cluster.every((slot) => slot.range.kind === kind && !kept.has(labelKey(slot.range)));
  let chosen = open;
  const olds = open.filter((cluster) => strange("old", cluster));
  const news = open.filter((cluster) => cluster.some((slot) => slot.range.kind === "new"));
  if (olds.length > 0) {
    if (olds.length + news.length === open.length && news.length > 0) chosen = news;
    else reasons.push("an earlier time and the new one are not told apart for certain");
  }
  if (open.some((cluster) => strange("backup", cluster))) {
    chosen = chosen.filter((cluster) => !strange("backup", cluster));
    // Windows that are numbered ("1st", "primary") beside one that is named backup leave no choice open.
    const numbered = chosen.every((cluster) => cluster.some((slot) => ORDINAL.test(slot.range.label)));
    if (!numbered) reasons.push("a backup window is named");
  }
  const inner = chosen.filter((cluster) => strange("inner", cluster));
  if (inner.length > 0 && inner.length < chosen.length) {
    chosen = chosen.filter((cluster) => !strange("inner", cluster));
    reasons.push("the impact is expected at another time than the window");
  }
  if (chosen.length === 0) reasons.push("no range is the window for certain");
  if (chosen.length > WINDOWS_MAX) reasons.push("there are too many windows");
  for (const cluster of chosen) reasons.push(...unsure(cluster));
  if (chosen.length > 1) reasons.push(...seriesDoubts(chosen, series));
  return { chosen, reasons: [...new Set(reasons)] };
}

/** The label as lessons know it. */
export const labelKey = (range: Range): string =>
  mask(range.label)
    .replaceAll(/[^\p{L}# /]+/gu, "")
    .slice(0, 120);

function unsure(cluster: readonly Slot[]): string[] {
  const sure = cluster.filter((slot) => slot.spans.length === 1 && slot.doubts.length === 0);
  const span = exact(cluster);
  const reasons: string[] = [];
  if (cluster.every((slot) => slot.spans.length === 0)) {
    const missing = cluster.flatMap((slot) => slot.doubts);
    return missing.length > 0 ? missing : ["the time zone is not stated"];
  }
  // Two ranges that agree in just one reading settle it, even if each alone is ambiguous.
  const first = cluster[0];
  const common = first?.spans.filter((one) =>
    cluster.every((slot) => slot.spans.length === 0 || slot.spans.some((other) => same(one, other))),
  );
  if (sure.length === 0 && !(cluster.length > 1 && common?.length === 1)) {
    reasons.push(...cluster.flatMap((slot) => slot.doubts));
    if (cluster.some((slot) => slot.spans.length > 1)) reasons.push("the date or the zone reads two ways");
    if (reasons.length === 0) reasons.push("no reading of the time is certain");
  }
  // These are wrong whatever another range says.
  for (const fatal of FATAL) if (cluster.some((slot) => slot.doubts.includes(fatal))) reasons.push(fatal);
  if (span.endsAt <= span.startsAt) reasons.push("the end is not after the start");
  if (span.endsAt - span.startsAt > WINDOW_DAYS_MAX * DAY)
    reasons.push("the window is longer than two weeks");
  return reasons;
}

/** Several windows are sure only as a series: same form, one after another, none inside another. */
function seriesDoubts(chosen: readonly (readonly Slot[])[], kept: ReadonlySet<string>): string[] {
  const spans = chosen.map(exact).sort((a, b) => a.startsAt - b.startsAt);
  const overlaps = spans.some((span, at) => (spans[at + 1]?.startsAt ?? Infinity) < span.endsAt);
  if (overlaps) return ["two different times are stated for the window"];
  const forms = new Set(
    chosen.map((cluster) =>
      cluster
        .map((slot) => slot.zone?.word ?? "")
        .sort()
        .join(),
    ),
  );
  const labelled = chosen.every((cluster) =>
    cluster.some((slot) => ORDINAL.test(slot.range.label) || kept.has(labelKey(slot.range))),
  );
  if (forms.size > 1) return ["the windows are not stated alike"];
  // Without ordinals two times may be a pair to choose from, or one window over two days.
  if (!labelled) return ["several times are stated and not numbered as windows"];
  return [];
}

const ORDINAL = wordsIn(
  String.raw`\b`,
  [
    String.raw`1st|2nd|3rd|\d+th|first|second|third|fourth|fifth|window #?\d*|night #?\d*|day #?\d*`,
    "primary|activity",
  ],
  String.raw`\b`,
  "i",
);

/** The time opens an entry of a history: "2024-05-14 01:02 UTC - work has begun". */
const logged = (stamp: Stamp): boolean => stamp.moment.start <= 3 && /^\s*[-–:]\s*\p{L}/u.test(stamp.after);

/** The time is the start or the end of a range again, as written or in UTC. */
function echoes(stamp: Stamp, slot: Slot): boolean {
  const { day, clock, zone } = stamp.moment;
  if (day === undefined || clock === undefined) return true;
  const known =
    zone?.zones[0] === "UTC" ? slot.spans : [...slot.wall, ...(zone === undefined ? slot.spans : [])];
  return known.some((span) =>
    [span.startsAt, span.endsAt].some((at) => {
      const date = new Date(at);
      const days = [day, ...(day.swapped === undefined ? [] : [{ ...day, ...day.swapped }])];
      const onDay = days.some((one) => one.month === date.getUTCMonth() + 1 && one.day === date.getUTCDate());
      return onDay && Math.abs(date.getUTCHours() * 60 + date.getUTCMinutes() - clock.minutes) <= 1;
    }),
  );
}

/** Days that the subject or a title names, weekdays, and durations must fit the windows. */
function contradictions(
  page: Page,
  stamps: readonly Stamp[],
  chosen: readonly (readonly Slot[])[],
  slots: readonly Slot[],
): string[] {
  const reasons: string[] = [];
  const spans = chosen.map(exact);
  if (spans.length === 0 || spans.some((span) => Number.isNaN(span.startsAt))) return reasons;
  const inside = (day: Day): boolean => {
    const options = [day, ...(day.swapped === undefined ? [] : [{ ...day, ...day.swapped }])];
    return options.some((option) => {
      const noon = Date.UTC(option.year ?? 0, option.month - 1, option.day, 12);
      return spans.some((span) => noon > span.startsAt - 1.5 * DAY && noon < span.endsAt + 1.5 * DAY);
    });
  };
  const titled = stamps.filter(
    ({ line, moment }) => line.part === "subject" && moment.day?.year !== undefined,
  );
  if (titled.some(({ moment }) => moment.day !== undefined && !inside(moment.day)))
    reasons.push("the subject names another day");
  if (stamps.some(({ moment }) => moment.day !== undefined && wrongWeekday(moment.day)))
    reasons.push("a weekday is not the date's");
  const hours = durationsOf(page);
  const longest = Math.max(...spans.map((span) => (span.endsAt - span.startsAt) / 3_600_000));
  if (hours.some((stated) => stated > longest + 0.05 && stated > totalHours(slots) + 0.05))
    reasons.push("a stated duration is longer than the window");
  return reasons;
}

function wrongWeekday(day: Day): boolean {
  if (day.weekday === undefined || day.year === undefined || day.swapped !== undefined) return false;
  return DateTime.fromObject({ year: day.year, month: day.month, day: day.day }).weekday !== day.weekday;
}

function totalHours(slots: readonly Slot[]): number {
  const spans = slots.flatMap((slot) => slot.spans.slice(0, 1));
  if (spans.length === 0) return 0;
  const first = Math.min(...spans.map((span) => span.startsAt));
  return (Math.max(...spans.map((span) => span.endsAt)) - first) / 3_600_000;
}

const DURATION = new RegExp(
  String.raw`\b(?:duration|for|lasting?)\b[^.\d]{0,24}?(?<count>\d{1,3}(?:\.\d)?)\s?(?<unit>hours?|` +
    String.raw`hrs?|minutes?|mins?)\b(?:,? (?:and )?(?<more>\d{1,2})\s?(?:minutes?|mins?)\b)?`,
  "gi",
);

function durationsOf(page: Page): number[] {
  const hours: number[] = [];
  for (const line of page.lines)
    for (const match of line.text.matchAll(DURATION)) {
      const count = Number(match.groups?.["count"]);
      const unit = match.groups?.["unit"]?.toLowerCase().startsWith("h") === true ? count : count / 60;
      hours.push(unit + Number(match.groups?.["more"] ?? 0) / 60);
    }
  return hours;
}
