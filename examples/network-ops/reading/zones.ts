/**
 * Zone words as carriers write them: names, abbreviations and offsets.
 *
 * A word can mean several zones (`CST`) or be wrong for the season (`EST` in July). Both are kept
 * as what they are, so that the caller can demand a second reading instead of guessing.
 */
import { IANAZone } from "luxon";

/** A zone as written, with every zone that it can mean. */
export type ZoneMention = {
  readonly word: string;
  readonly zones: readonly string[];
  readonly start: number;
  readonly end: number;
};

type Meaning = { readonly zones: readonly string[] };

const fixed = (hours: number): string => (hours === 0 ? "UTC" : `UTC${hours < 0 ? "-" : "+"}${clock(hours)}`);
const clock = (hours: number): string => {
  const minutes = Math.round(Math.abs(hours) * 60);
  return minutes % 60 === 0 ? String(minutes / 60) : `${Math.floor(minutes / 60)}:${minutes % 60}`;
};
/** `EST` in July is a slip for the season's time or meant to the letter: two meanings; one in January. */
const seasonal = (zone: string, hours: number): Meaning => ({ zones: [zone, fixed(hours)] });
const always = (hours: number): Meaning => ({ zones: [fixed(hours)] });
const oneOf = (...zones: string[]): Meaning => ({ zones });

/** Abbreviations; an ambiguous one lists all its meanings and needs a second reading to be decided. */
const ABBREVIATIONS: Readonly<Record<string, Meaning>> = {
  UTC: always(0),
  GMT: always(0),
  UT: always(0),
  ZULU: always(0),
  Z: always(0),
  ET: oneOf("America/New_York"),
  CT: oneOf("America/Chicago"),
  MT: oneOf("America/Denver"),
  PT: oneOf("America/Los_Angeles"),
  EST: seasonal("America/New_York", -5),
  EDT: seasonal("America/New_York", -4),
  CDT: seasonal("America/Chicago", -5),
  CST: oneOf("America/Chicago", "UTC-6", "Asia/Shanghai"),
  MST: seasonal("America/Denver", -7),
  MDT: seasonal("America/Denver", -6),
  PST: seasonal("America/Los_Angeles", -8),
  PDT: seasonal("America/Los_Angeles", -7),
  AKST: seasonal("America/Anchorage", -9),
  AKDT: seasonal("America/Anchorage", -8),
  HST: always(-10),
  NST: seasonal("America/St_Johns", -3.5),
  NDT: seasonal("America/St_Johns", -2.5),
  AST: oneOf("America/Halifax", "UTC-4", "Asia/Riyadh"),
  ADT: seasonal("America/Halifax", -3),
  BRT: always(-3),
  ART: always(-3),
  CLT: seasonal("America/Santiago", -4),
  COT: always(-5),
  BST: seasonal("Europe/London", 1),
  IST: oneOf("Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"),
  WET: seasonal("Europe/Lisbon", 0),
  WEST: seasonal("Europe/Lisbon", 1),
  CET: seasonal("Europe/Paris", 1),
  CEST: seasonal("Europe/Paris", 2),
  MEZ: seasonal("Europe/Berlin", 1),
  MESZ: seasonal("Europe/Berlin", 2),
  EET: seasonal("Europe/Helsinki", 2),
  EEST: seasonal("Europe/Helsinki", 3),
  MSK: always(3),
  TRT: always(3),
  GST: always(4),
  PKT: always(5),
  SAST: always(2),
  ICT: always(7),
  WIB: always(7),
  SGT: always(8),
  HKT: always(8),
  MYT: always(8),
  PHT: always(8),
  AWST: always(8),
  JST: always(9),
  KST: always(9),
  ACST: seasonal("Australia/Adelaide", 9.5),
  ACDT: seasonal("Australia/Adelaide", 10.5),
  AEST: seasonal("Australia/Sydney", 10),
  AEDT: seasonal("Australia/Sydney", 11),
  NZST: seasonal("Pacific/Auckland", 12),
  NZDT: seasonal("Pacific/Auckland", 13),
};

/** Names in words, matched on the lower-cased text; longer names first. */
const NAMES: readonly (readonly [RegExp, Meaning])[] = [
  [/^central european summer time\b/, seasonal("Europe/Paris", 2)],
  [/^central european(?: standard)? time\b/, seasonal("Europe/Paris", 1)],
  [/^(?:w\. |western )europe(?:an)? standard time\b/, oneOf("Europe/Berlin", "Europe/Lisbon")],
  [/^british summer time\b/, seasonal("Europe/London", 1)],
  [/^(?:coordinated )?universal(?: coordinated)?(?: time)?\b/, always(0)],
  [/^greenwich mean time\b/, always(0)],
  [/^(?:us\/|us )?eastern standard time\b/, seasonal("America/New_York", -5)],
  [/^(?:us\/|us )?eastern daylight(?: savings?)? time\b/, seasonal("America/New_York", -4)],
  [/^(?:us\/|us )?eastern(?: time)?\b/, oneOf("America/New_York")],
  [/^(?:us\/|us )?central standard time\b/, seasonal("America/Chicago", -6)],
  [/^(?:us\/|us )?central daylight(?: savings?)? time\b/, seasonal("America/Chicago", -5)],
  [/^(?:us\/|us )?central(?: time)?\b(?! europ)/, oneOf("America/Chicago")],
  [/^(?:us\/|us )?mountain standard time\b/, seasonal("America/Denver", -7)],
  [/^(?:us\/|us )?mountain daylight(?: savings?)? time\b/, seasonal("America/Denver", -6)],
  [/^(?:us\/|us )?mountain(?: time)?\b/, oneOf("America/Denver")],
  [/^(?:us\/|us )?pacific standard time\b/, seasonal("America/Los_Angeles", -8)],
  [/^(?:us\/|us )?pacific daylight(?: savings?)? time\b/, seasonal("America/Los_Angeles", -7)],
  [/^(?:us\/|us )?pacific(?: time)?\b/, oneOf("America/Los_Angeles")],
  [/^japan(?: standard)? time\b/, always(9)],
  [/^singapore(?: standard)? time\b/, always(8)],
  [/^hong kong(?: standard)? time\b/, always(8)],
];

/** "GMT - 08/12/2021" is a zone and the next date, so that a minus stands right before its digits. */
const OFFSET = /^(?:(UTC|GMT)\s?)?([+\-−–])(\d{1,2})(?:[:.]?(\d{2}))?(?![\d:/]|[.-]\d)/;
/** With spaces around the sign only a plus, or a closing bracket or the end behind it, is an offset. */
const SPACED = new RegExp(
  String.raw`^(UTC|GMT)\s?(?:([+])\s|([-−–])\s(?=\d{1,2}(?::\d{2})?\s*(?:$|` +
    String.raw`[,;)\]])))(\d{1,2})(?::?(\d{2}))?(?![\d:/.])`,
  "",
);
/** An offset that could not be read must not be taken for none. */
const UNREAD = /^(?:UTC|GMT)(?:\s?\+|[-−–]\d)/;
const IANA = /^[A-Z][A-Za-z]+(?:\/[A-Z][A-Za-z_+-]+){1,2}/;
const WORD = /^(?:Z(?![A-Za-z0-9])|[A-Z]{2,5}(?![A-Za-z0-9]))/;
/** Offsets beyond these exist nowhere on Earth; a larger number is not an offset. */
const OFFSET_HOURS_MAX = 14;

/** The zone that begins exactly at `at`, if one does. A bare offset needs `bare`. */
export function zoneAt(text: string, at: number, bare: boolean): ZoneMention | undefined {
  const rest = text.slice(at, at + REST_MAX);
  return offsetAt(rest, at, bare) ?? namedAt(rest, at);
}

function offsetAt(rest: string, at: number, bare: boolean): ZoneMention | undefined {
  const close = OFFSET.exec(rest);
  const spaced = close === null ? SPACED.exec(rest) : null;
  const found = close ?? spaced;
  if (found === null || (found[1] === undefined && !bare)) return undefined;
  const sign = close === null ? (spaced?.[2] ?? spaced?.[3]) : close[2];
  const [hour, minute] = close === null ? [spaced?.[4], spaced?.[5]] : [close[3], close[4]];
  const hours = Number(hour) + Number(minute ?? 0) / 60;
  if (hours > OFFSET_HOURS_MAX) return undefined;
  const zone = fixed(sign === "+" ? hours : -hours);
  return { word: found[0], zones: [zone], start: at, end: at + found[0].length };
}

function namedAt(rest: string, at: number): ZoneMention | undefined {
  const iana = IANA.exec(rest)?.[0];
  if (iana !== undefined && IANAZone.isValidZone(iana))
    return { word: iana, zones: [iana], start: at, end: at + iana.length };
  if (UNREAD.test(rest)) return undefined;
  const word = WORD.exec(rest)?.[0];
  const meaning = word === undefined ? undefined : ABBREVIATIONS[word];
  if (word !== undefined && meaning !== undefined) {
    // "(UTC+05:30)" behind it is the same zone once more, and no second time.
    const offset = BESIDE.exec(rest.slice(word.length))?.[0] ?? "";
    const open = offset.indexOf("(") + 1;
    const again = offset === "" ? undefined : offsetAt(offset.slice(open).trimStart(), 0, false);
    const zones = [...meaning.zones, ...(again?.zones ?? [])];
    return { word, zones, start: at, end: at + word.length + offset.length };
  }
  const city = CITY.exec(rest);
  const zone = CITIES.get(city?.[1]?.toLowerCase() ?? "");
  if (city !== null && zone !== undefined)
    return { word: city[0], zones: [zone], start: at, end: at + city[0].length };
  const lower = rest.toLowerCase();
  for (const [pattern, named] of NAMES) {
    const name = pattern.exec(lower)?.[0];
    if (name !== undefined && /^[A-Z]/.test(rest))
      return { word: name, ...named, start: at, end: at + name.length };
  }
  return undefined;
}

const BESIDE = /^\s?\(\s?(?:UTC|GMT)\s?[+-]\s?\d{1,2}(?::?\d{2})?\s?\)/;
const CITY = /^([A-Z][a-z]+(?: [A-Z][a-z]+)?) (?:local )?time\b/i;
/** Cities that stand for their zones; a name that two zones share is left out. */
const CITIES: ReadonlyMap<string, string> = new Map(
  Object.entries(
    Object.groupBy(Intl.supportedValuesOf("timeZone"), (zone) =>
      (zone.split("/").at(-1) ?? "").replaceAll("_", " ").toLowerCase(),
    ),
  ).flatMap(([city, zones]) =>
    zones?.length === 1 && zones[0]?.includes("/") === true ? [[city, zones[0]]] : [],
  ),
);
const REST_MAX = 48;
const STANDS_ALONE = /(?<![A-Za-z0-9])(?=[A-Z+\-−])/g;

/** Every zone named anywhere in `text`: for labels such as `Start (UTC)` and `all times in CET`. */
export function zonesIn(text: string): ZoneMention[] {
  const found: ZoneMention[] = [];
  let after = 0;
  for (const match of text.matchAll(STANDS_ALONE)) {
    if (match.index < after) continue;
    const zone = zoneAt(text, match.index, false);
    if (zone === undefined || zone.word === "Z") continue;
    found.push(zone);
    after = zone.end;
  }
  return found;
}
