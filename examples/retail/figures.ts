/** Figures in words: the amounts and days that somebody spoke of. */

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTH =
  "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?" +
  "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?";
const DAY = "(\\d{1,2})(?:st|nd|rd|th)?";

/** Amounts of dollars in a `plain` text: `$12.50`, `12.50 usd`, and the numbers of a JSON answer. */
export function dollarsIn(text: string): readonly number[] {
  const marked =
    /(?:\$|\busd) ?-?(\d+(?:\.\d+)?)|\b(\d+(?:\.\d+)?) ?(?:dollars|usd)\b|": ?"?-?(\d+(?:\.\d+)?)\b/g;
  return [...text.matchAll(marked)].map(([, sign, word, json]) => Number(sign ?? word ?? json));
}

/** All numbers of a `plain` text that stand alone: no part of a day, a time, a word or an id. */
export function numbersIn(text: string): readonly number[] {
  return [...text.matchAll(/(?<![\w:/#.-])-?\$?-?(\d+(?:\.\d+)?)(?![\w:/-])/g)].map(([, number]) =>
    Number(number),
  );
}

/**
 * Days in a `plain` text, as `YYYY-MM-DD`; a day without a year is one of `year`.
 * Reads `2024-05-27`, `may 27th 2024`, `27 may`, `5/27/2024`, `27.5.2024`.
 */
export function daysIn(text: string, year: number): ReadonlySet<string> {
  const found = new Set<string>();
  const add = (years: string | undefined, month: number, day: string | undefined): void => {
    const two = (value: number): string => String(value).padStart(2, "0");
    found.add(`${years ?? year}-${two(month)}-${two(Number(day))}`);
  };
  for (const [, years, month, day] of text.matchAll(/\b(\d{4})-(\d{2})-(\d{2})\b/g))
    add(years, Number(month), day);
  // With slashes the month comes first where it can; with dots or dashes nobody can tell, so either was said.
  for (const [, one, mark, other, years] of text.matchAll(/\b(\d{1,2})([-/.])(\d{1,2})\2(\d{4})\b/g)) {
    if (Number(one) <= 12) add(years, Number(one), other);
    if (Number(other) <= 12 && (mark !== "/" || Number(one) > 12)) add(years, Number(other), one);
  }
  for (const [, years, month, day] of text.matchAll(/\b(\d{4})[/.](\d{1,2})[/.](\d{1,2})\b/g))
    add(years, Number(month), day);
  for (const [, month = "", day, years] of text.matchAll(
    new RegExp(`\\b${MONTH} ${DAY}\\b(?: (\\d{4}))?`, "g"),
  ))
    add(years, MONTHS.indexOf(month.slice(0, 3)) + 1, day);
  for (const [, day, month = "", years] of text.matchAll(
    new RegExp(`\\b${DAY}(?: of)? ${MONTH}(?: (\\d{4}))?\\b`, "g"),
  ))
    add(years, MONTHS.indexOf(month.slice(0, 3)) + 1, day);
  return found;
}
