/**
 * Rows with carriers' names and all ids replaced at random and times shifted by whole weeks.
 *
 * A reader that memorised a carrier, an id or a date does worse on a scrambled file; one that reads
 * does the same. Weekdays stay right, since the shift is a multiple of 364 days, and a shift is used
 * only if it keeps the offset of summer time at the window.
 */
import { DateTime } from "luxon";
import type { NoticeRow } from "./bench-rows.ts";
import { MONTH_OF } from "./calendar-words.ts";
import { daysIn, type DayPiece } from "./moments.ts";

type Random = () => number;

/** mulberry32: small, seeded, the same on every machine. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A scrambled copy; the same seed gives the same copy. */
export function scramble(rows: readonly NoticeRow[], seed: number): NoticeRow[] {
  const random = randomOf(seed);
  const names = new Map(
    [...new Set(rows.map((row) => row.provider))].map((name) => [name, nameLike(random)]),
  );
  const ids = new Map<string, string>();
  const taken = new Set<string>();
  for (const row of rows)
    for (const { maintenance_id, circuits } of row.expected)
      for (const id of [maintenance_id, ...circuits.map((circuit) => circuit.circuit_id)]) {
        const key = keyOf(id);
        if (!ids.has(key)) ids.set(key, idLike(id, random, taken));
      }
  return rows.map((row) => scrambleRow(row, names, ids, random));
}

const keyOf = (id: string): string => id.replaceAll(/\s+/g, " ").trim();

const SYLLABLES = [
  "bra",
  "ko",
  "lun",
  "ter",
  "vex",
  "mio",
  "dar",
  "sel",
  "qui",
  "nor",
  "pla",
  "zen",
  "ruv",
  "hal",
];

function nameLike(random: Random): string {
  const word = Array.from(
    { length: 3 },
    () => SYLLABLES[Math.floor(random() * SYLLABLES.length)] ?? "ka",
  ).join("");
  return (word[0] ?? "k").toUpperCase() + word.slice(1);
}

/** Another id of the same form; ids without digits or letters to change stay unlike by their letters. */
function idLike(id: string, random: Random, taken: Set<string>): string {
  for (let tries = 0; tries < 50; tries += 1) {
    const changed = id
      .replaceAll(/\d/g, () => String(Math.floor(random() * 10)))
      .replaceAll(/[A-Z]/g, () => String.fromCharCode(65 + Math.floor(random() * 26)))
      .replaceAll(/[a-z]/g, () => String.fromCharCode(97 + Math.floor(random() * 26)));
    if (taken.has(changed)) continue;
    taken.add(changed);
    return changed;
  }
  return id;
}

type Swap = { readonly pattern: RegExp; readonly mark: string; readonly to: string };
/** Marks stand in the private use area, so that no reading of dates can touch them. */
const MARKS_FROM = 0xe000;

function scrambleRow(
  row: NoticeRow,
  names: ReadonlyMap<string, string>,
  ids: ReadonlyMap<string, string>,
  random: Random,
): NoticeRow {
  const shift = shiftFor(row, random);
  const swaps = swapsOf(row, names, ids);
  const change = (text: string): string => {
    let changed = text;
    for (const { pattern, mark } of swaps) changed = changed.replaceAll(pattern, mark);
    changed = changed
      .split("\n")
      .map((line) => shiftLine(line, shift, row))
      .join("\n");
    for (const { mark, to } of swaps) changed = changed.replaceAll(mark, to);
    return changed;
  };
  const sent = row.date === null || row.date === undefined ? Number.NaN : Date.parse(row.date);
  return {
    ...row,
    provider: names.get(row.provider) ?? row.provider,
    subject: row.subject === null || row.subject === undefined ? row.subject : change(row.subject),
    date: Number.isNaN(sent) ? row.date : new Date(sent + shift * DAY).toUTCString(),
    text: change(row.text),
    expected: row.expected.map((expected) => ({
      ...expected,
      maintenance_id: ids.get(keyOf(expected.maintenance_id)) ?? expected.maintenance_id,
      circuits: expected.circuits.map((circuit) => ({
        ...circuit,
        circuit_id: ids.get(keyOf(circuit.circuit_id)) ?? circuit.circuit_id,
      })),
      start: expected.start + (shift * DAY) / 1000,
      end: expected.end + (shift * DAY) / 1000,
    })),
  };
}

const DAY = 86_400_000;
const YEAR_OF_WEEKS = 364;
const ZONES = ["America/New_York", "America/Los_Angeles", "Europe/Paris", "Europe/London"];

/** Days to shift by; 0 when no multiple keeps the offsets at the windows. */
function shiftFor(row: NoticeRow, random: Random): number {
  const first = 1 + Math.floor(random() * 3);
  for (const factor of [first, first + 1, first - 4, 0]) {
    const days = factor * YEAR_OF_WEEKS;
    const keeps = row.expected.every(({ start, end }) =>
      [start, end].every((at) =>
        ZONES.every(
          (zone) =>
            DateTime.fromSeconds(at, { zone }).offset ===
            DateTime.fromMillis(at * 1000 + days * DAY, { zone }).offset,
        ),
      ),
    );
    if (keeps) return days;
  }
  return 0;
}

function swapsOf(
  row: NoticeRow,
  names: ReadonlyMap<string, string>,
  ids: ReadonlyMap<string, string>,
): Swap[] {
  const swaps: Swap[] = [];
  const add = (source: string, to: string): void => {
    swaps.push({
      pattern: new RegExp(source, "giu"),
      mark: String.fromCharCode(MARKS_FROM + swaps.length),
      to,
    });
  };
  const own = new Set(
    row.expected.flatMap(({ maintenance_id, circuits }) => [
      keyOf(maintenance_id),
      ...circuits.map((circuit) => keyOf(circuit.circuit_id)),
    ]),
  );
  for (const id of [...own].sort((a, b) => b.length - a.length)) {
    const before = /^[\p{L}\p{N}]/u.test(id) ? String.raw`(?<![\p{L}\p{N}])` : "";
    const after = /[\p{L}\p{N}]$/u.test(id) ? String.raw`(?![\p{L}\p{N}])` : "";
    add(before + escaped(id).replaceAll(/\s+/g, String.raw`\s*`) + after, ids.get(id) ?? id);
  }
  const name = names.get(row.provider) ?? row.provider;
  add(String.raw`(?<![\p{L}\p{N}])${escaped(row.provider)}(?![\p{L}\p{N}])`, name);
  // Inside domains and product names the name is written small and without spaces.
  add(String.raw`(?<=[@.])${escaped(row.provider.replaceAll(/\s+/g, ""))}`, name.toLowerCase());
  return swaps;
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);

const COMPACT = /\b(20\d{2})([01]\d)([0-3]\d)(?=T\d{6})/g;

function shiftLine(line: string, days: number, row: NoticeRow): string {
  if (days === 0 || !/\d/.test(line)) return line;
  const compact = line.replaceAll(COMPACT, (_, year: string, month: string, day: string) => {
    const at = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)) + days * DAY);
    return at.toISOString().slice(0, 10).replaceAll("-", "");
  });
  if (compact !== line) return compact;
  let shifted = line;
  for (const piece of daysIn(line).sort((a, b) => b.start - a.start))
    shifted =
      shifted.slice(0, piece.start) +
      shiftDay(line.slice(piece.start, piece.end), piece, days, row) +
      shifted.slice(piece.end);
  return shifted;
}

/** The same text with another date in it: digits keep their width, a month name its length and case. */
function shiftDay(text: string, { day }: DayPiece, days: number, row: NoticeRow): string {
  const near = new Date((row.expected[0]?.start ?? 0) * 1000);
  const year = day.year ?? near.getUTCFullYear();
  const dayFirst =
    day.order === "dmy" || (day.swapped !== undefined && day.swapped.month === near.getUTCMonth() + 1);
  const month = dayFirst && day.swapped !== undefined ? day.swapped.month : day.month;
  const date = dayFirst && day.swapped !== undefined ? day.swapped.day : day.day;
  const to = new Date(Date.UTC(year, month - 1, date) + days * DAY);
  const parts = { y: to.getUTCFullYear(), m: to.getUTCMonth() + 1, d: to.getUTCDate() };
  if (day.form === "named") return named(text, parts, day.year !== undefined);
  const numbers =
    day.form === "iso"
      ? [parts.y, parts.m, parts.d]
      : dayFirst
        ? [parts.d, parts.m, parts.y]
        : [parts.m, parts.d, parts.y];
  let at = 0;
  return text.replaceAll(/\d+/g, (digits) => sized(numbers[at++] ?? 0, digits));
}

const sized = (value: number, like: string): string =>
  String(like.length === 2 && value > 99 ? value % 100 : value).padStart(
    like.startsWith("0") || like.length > 1 ? like.length : 1,
    "0",
  );

function named(
  text: string,
  to: { readonly y: number; readonly m: number; readonly d: number },
  hasYear: boolean,
): string {
  let years = hasYear ? 1 : 0;
  return text
    .replaceAll(/\p{L}+/gu, (word) => (MONTH_OF.has(word.toLowerCase()) ? monthLike(word, to.m) : word))
    .replaceAll(/\d+/g, (digits) => {
      if (digits.length === 4) {
        years -= 1;
        return String(to.y);
      }
      return years > 0 &&
        digits.length === 2 &&
        text.trimEnd().endsWith(digits) &&
        !/^\d+$/.test(text) &&
        text.indexOf(digits) !== text.search(/\d/)
        ? sized(to.y, digits)
        : sized(to.d, digits);
    });
}

function monthLike(word: string, month: number): string {
  const style =
    word.length <= 4 && word.toLowerCase() !== "june" && word.toLowerCase() !== "july" ? "short" : "long";
  const name = new Intl.DateTimeFormat("en", { month: style, timeZone: "UTC" }).format(
    new Date(Date.UTC(2023, month - 1, 15)),
  );
  if (word === word.toUpperCase()) return name.toUpperCase();
  return word === word.toLowerCase() ? name.toLowerCase() : name;
}
