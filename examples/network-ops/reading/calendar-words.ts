/** Names of months and weekdays in the languages carriers write, taken from the runtime's own locale data. */

const LOCALES = ["en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs"];
/** Shorter foreign names (`set`, `ago`, `mar`) are words of other languages too often. */
const FOREIGN_LENGTH_MIN = 4;
const MONTHS = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(2023, month, 15)));
/** 1 January 2024 was a Monday: ISO weekday 1. */
const DAYS = Array.from({ length: 7 }, (_, day) => new Date(Date.UTC(2024, 0, day + 1)));

/** Month names and abbreviations, lower case, to 1..12; a name that means two months is left out. */
export const MONTH_OF: ReadonlyMap<string, number> = namesOf(MONTHS, "month", [["sept", 9]]);

/** Weekday names and abbreviations, lower case, to ISO 1 (Monday) .. 7. */
export const WEEKDAY_OF: ReadonlyMap<string, number> = namesOf(DAYS, "weekday", [
  ["tues", 2],
  ["weds", 3],
  ["thur", 4],
  ["thurs", 4],
]);

function namesOf(
  dates: readonly Date[],
  part: "month" | "weekday",
  more: readonly (readonly [string, number])[],
): Map<string, number> {
  const names = new Map<string, number>(more);
  const english = new Set<string>();
  const clashes = new Set<string>();
  for (const locale of LOCALES)
    for (const width of ["long", "short"] as const)
      for (const style of [{ [part]: width }, { [part]: width, day: "numeric", year: "numeric" }] as const) {
        const format = new Intl.DateTimeFormat(locale, { ...style, timeZone: "UTC" });
        dates.forEach((date, index) => {
          const value = format.formatToParts(date).find((piece) => piece.type === part)?.value ?? "";
          const name = value.toLowerCase().replace(/\.$/, "");
          if (/\d/.test(name) || name.length < (locale === "en" ? 3 : FOREIGN_LENGTH_MIN)) return;
          if (locale === "en") english.add(name);
          const before = names.get(name);
          if (before !== undefined && before !== index + 1 && !english.has(name)) clashes.add(name);
          if (before === undefined) names.set(name, index + 1);
        });
      }
  for (const name of clashes) names.delete(name);
  return names;
}

/** An alternation of the names in `map`, longest first, for use inside a pattern. */
export function alternation(map: ReadonlyMap<string, number>): string {
  return [...map.keys()]
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join("|");
}
