import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Calendar, occurrencesOf, type Timing } from "./occurrences.ts";

const berlin = (cron: string, calendar?: Calendar): Timing => ({
  ...{ cron, zone: "Europe/Berlin" },
  ...(calendar !== undefined && { calendar }),
});
/** The first occurrences after an instant, as ISO without seconds. */
function after(timing: Timing, from: string, count: number): readonly string[] {
  const found: string[] = [];
  const { next } = occurrencesOf(timing);
  for (let at = next(new Date(from)); at !== null && found.length < count; at = next(at)) {
    found.push(at.toISOString().slice(0, 16));
  }
  return found;
}

describe("where the clocks change", () => {
  test("02:30 that there is not is 03:00, the first instant after the gap", () => {
    const nights = after(berlin("30 2 * * *"), "2026-03-28T00:00Z", 3);
    expect(nights).toEqual(["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]);
  });

  test("02:30 that comes twice is the first one, once", () => {
    const nights = after(berlin("30 2 * * *"), "2026-10-24T00:00Z", 3);
    expect(nights).toEqual(["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]);
  });

  test("what comes every hour comes every hour, of 23 and of 25", () => {
    expect(after(berlin("30 * * * *"), "2026-03-28T23:00Z", 4)).toEqual([
      ...["2026-03-28T23:30", "2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"],
    ]);
    expect(after(berlin("30 * * * *"), "2026-10-24T23:00Z", 4)).toEqual([
      ...["2026-10-24T23:30", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"],
    ]);
  });

  test("what is moved onto such a night is as much later as the clocks go forward", () => {
    // Saturday the 28th is moved to Sunday the 29th, which is worked here.
    const calendar: Calendar = { workdays: ["sun"], onFreeDay: "next" };
    expect(after(berlin("30 2 * * 6", calendar), "2026-03-27T00:00Z", 1)).toEqual(["2026-03-29T01:30"]);
  });
});

describe("a calendar", () => {
  const christmas = ["2026-12-25", "2026-12-26"];
  const daily = (onFreeDay: Calendar["onFreeDay"]): readonly string[] =>
    after(berlin("0 9 * * *", { holidays: christmas, onFreeDay }), "2026-12-23T12:00Z", 3);

  test("leaves out what falls on a holiday or a weekend", () => {
    expect(daily("skip")).toEqual(["2026-12-24T08:00", "2026-12-28T08:00", "2026-12-29T08:00"]);
  });

  test("moves it to the next or the previous day that is worked, where there is one at most", () => {
    expect(daily("next")).toEqual(["2026-12-24T08:00", "2026-12-28T08:00", "2026-12-29T08:00"]);
    const yearly = (onFreeDay: Calendar["onFreeDay"]) =>
      after(berlin("0 9 25 12 *", { holidays: christmas, onFreeDay }), "2026-01-01T00:00Z", 1);
    expect(yearly("next")).toEqual(["2026-12-28T08:00"]);
    expect(yearly("previous")).toEqual(["2026-12-24T08:00"]);
    expect(yearly("skip")).toEqual(["2028-12-25T08:00"]);
  });

  test("never gives a free day, never goes back, and gives all that no free day touches", () => {
    const crons = ["0 9 * * *", "30 2 1 * *", "15 8,17 * * 1-5", "0 0 L * *", "*/45 7-9 * * *"];
    fc.assert(
      fc.property(
        fc.constantFrom(...crons),
        fc.constantFrom("skip" as const, "next" as const, "previous" as const),
        fc.uniqueArray(fc.integer({ min: 0, max: 364 }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 364 * 24 }),
        (cron, onFreeDay, free, hour) => {
          const holidays = free.map((day) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10));
          const from = new Date(Date.UTC(2026, 0, 1, hour));
          const { next } = occurrencesOf(berlin(cron, { holidays, onFreeDay }));
          const plain = occurrencesOf(berlin(cron)).next(from);
          const first = next(from);
          if (first === null || plain === null) throw new Error("these crons never end");
          const day = (at: Date): string => at.toLocaleDateString("sv", { timeZone: "Europe/Berlin" });
          const weekday = new Date(`${day(first)}T12:00Z`).getUTCDay();
          expect([0, 6]).not.toContain(weekday);
          expect(holidays).not.toContain(day(first));
          expect(first > from).toBe(true);
          const worked = ![0, 6].includes(new Date(`${day(plain)}T12:00Z`).getUTCDay());
          expect(!worked || holidays.includes(day(plain)) || first <= plain).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("the latest of many are found without walking through them all", () => {
  const { latest } = occurrencesOf({ cron: "* * * * *", zone: "UTC" });
  const upTo = new Date("2026-06-01T00:00:30Z");
  const found = latest(new Date("1990-01-01T00:00Z"), upTo, 3).map((at) => at.toISOString().slice(11, 16));
  expect(found).toEqual(["23:58", "23:59", "00:00"]);
  expect(latest(upTo, upTo, 3)).toEqual([]);
});

test("what cannot be read is named with the reason", () => {
  const bad: readonly Timing[] = [
    { cron: "61 * * * *", zone: "UTC" },
    { cron: "0 9 * * *", zone: "Europe/Berlyn" },
    { cron: "0 9 * * *", zone: "UTC", calendar: { holidays: ["2026-02-30"], onFreeDay: "skip" } },
    { cron: "0 9 * * *", zone: "UTC", calendar: { workdays: [], onFreeDay: "skip" } },
    // What a configuration without a type check may say.
    { cron: "0 9 * * *", zone: "UTC", calendar: { holidays: ["20261225"], onFreeDay: "skip" } },
    { cron: "0 9 * * *", zone: "UTC", calendar: { onFreeDay: "later" as "next" } },
    { cron: "0 9 * * *", zone: undefined as unknown as string },
  ];
  for (const timing of bad) {
    expect(() => occurrencesOf(timing)).toThrow(/^the schedule ".*" in .* cannot be used: /);
  }
});
