/** What page and lessons say about the dates as a whole: their order, zone and part of the world. */
import { DateTime } from "luxon";
import type { Notice } from "../notice.ts";
import type { DateContext } from "./instants.ts";
import type { Day } from "./moments.ts";
import type { Page } from "./page.ts";
import type { Stamp } from "./stamps.ts";
import type { WindowLesson } from "./types.ts";
import { wordsIn } from "./words.ts";
import { type ZoneMention, zonesIn } from "./zones.ts";

/** Gathers what helps to read the dates of one page. */
export function contextOf(
  page: Page,
  notice: Notice,
  stamps: readonly Stamp[],
  lessons: readonly WindowLesson[],
): DateContext {
  const days = stamps.flatMap((stamp) => (stamp.moment.day === undefined ? [] : [stamp.moment.day]));
  const taughtOrders = new Set(lessons.flatMap((lesson) => lesson.order ?? []));
  const zones = new Map<string, string>();
  for (const { word, zone } of lessons.flatMap((lesson) => lesson.zones)) zones.set(word.toLowerCase(), zone);
  for (const [word, zone] of explained(page)) zones.set(word, zone);
  const bare = zones.get("");
  const stated = statedZone(page);
  return {
    days,
    order: orderOf(days, stamps) ?? (taughtOrders.size === 1 ? [...taughtOrders][0] : undefined),
    sentAt: sentAt(notice),
    american: AMERICA.test(pageText(page)) && !ASIA.test(pageText(page)),
    zone: stated ?? (bare === undefined ? undefined : { word: "", zones: [bare], start: 0, end: 0 }),
    zones,
  };
}

const pageText = (page: Page): string => page.lines.map((line) => line.text).join("\n");
const AMERICA = new RegExp(
  String.raw`\b(?:USA|U\.S\.|United States|Canada|Mexico|M[ée]xico|North America)\b|, (?:A[LKZR]|` +
    String.raw`C[AOT]|DE|FL|GA|I[ADLN]|K[SY]|LA|M[ADINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|` +
    String.raw`V[AT]|W[AIVY])\b`,
  "",
);
const ASIA =
  /\b(?:China|Shanghai|Beijing|Taiwan|Taipei|Hong Kong|Shenzhen|Guangzhou|Asia|Cuba|Saudi|Riyadh)\b/i;

function sentAt(notice: Notice): DateTime | undefined {
  const sent = notice.sentAt === undefined ? undefined : DateTime.fromISO(notice.sentAt, { zone: "UTC" });
  return sent?.isValid === true ? sent : undefined;
}

/** Day-first or month-first, as the notice's own unambiguous numeric dates show; they must agree. */
function orderOf(days: readonly Day[], stamps: readonly Stamp[]): DateContext["order"] {
  const orders = new Set(days.flatMap((day) => day.order ?? []));
  if (orders.size === 1) return [...orders][0];
  if (orders.size > 1) return undefined;
  // Slashes, a 12-hour clock and a zone of the United States together are one locale, and only that one.
  const american = stamps.some(
    ({ moment }) =>
      moment.day?.swapped !== undefined &&
      moment.clock?.twelveHour === true &&
      moment.zone?.zones.some((zone) => AMERICAN.has(zone)) === true,
  );
  return american ? "mdy" : undefined;
}

const AMERICAN = new Set(["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"]);

/** A portal's zone, a choice of zones, or what the zone is not: no zone is stated by these. */
const UNSTATED = wordsIn(
  String.raw`\b`,
  [
    String.raw`portal|web ?site|dashboard|calendar|invoices?|reports?|logs?|tickets?|may`,
    "might|can|could|not|or|either|sometimes|usually|unless|if|local to|office|support|business",
  ],
  String.raw`\b`,
  "i",
);

/** "IST = UTC+05:30" in a footnote: what an abbreviation means here, if it is said in one way only. */
function explained(page: Page): Map<string, string> {
  const said = new Map<string, Set<string>>();
  for (const { text } of page.lines)
    for (const match of text.matchAll(
      /\b([A-Z]{2,5})\s?(?:=|\(=?)\s?((?:UTC|GMT)\s?[+-]\s?\d{1,2}(?::?\d{2})?)\b/g,
    )) {
      const [zone] = zonesIn(match[2] ?? "");
      const own = zonesIn(match[1] ?? "")[0]?.zones ?? [];
      const word = (match[1] ?? "").toLowerCase();
      // Only a word that can mean several zones needs it; a season's word beside another offset is a slip.
      if (zone?.zones[0] !== undefined && own.length > 2)
        said.set(word, (said.get(word) ?? new Set()).add(zone.zones[0]));
    }
  return new Map(
    [...said].flatMap(([word, zones]) => (zones.size === 1 ? [[word, [...zones][0] ?? "UTC"]] : [])),
  );
}

/** "All times are in UTC", "Time zone: CET": a zone for every time that has none. */
function statedZone(page: Page): ZoneMention | undefined {
  const found = new Map<string, ZoneMention>();
  for (const line of page.lines) {
    if (
      !/\btime\s?zone\b|\btimes?\b[^.]{0,40}\b(?:in|are|is|as|shown|given|listed|stated|local to)\b/i.test(
        line.text,
      )
    )
      continue;
    if (UNSTATED.test(line.text)) continue;
    // "Time zone" alone has its value on the next line.
    const below = /^\W*time ?zone\W*$/i.test(line.text) ? (page.lines[line.index + 1]?.text ?? "") : "";
    const all = zonesIn(`${line.text} ${below}`);
    const place = all.filter(({ word }) => word.includes("/"));
    const [first, second] = all;
    const twice = place.length === 1 && first !== undefined && second !== undefined && all.length === 2;
    const zones = twice ? [{ ...first, zones: [...first.zones, ...second.zones] }] : all;
    // A line with a time of its own speaks of that time; "UTC+08:00" is none.
    const rest = zones.reduceRight(
      (text, zone) => text.slice(0, zone.start) + text.slice(zone.end),
      line.text,
    );
    if (/\d{1,2}:\d{2}/.test(rest)) continue;
    for (const zone of zones) found.set(zone.zones.join(), zone);
  }
  return found.size === 1 ? [...found.values()][0] : undefined;
}
