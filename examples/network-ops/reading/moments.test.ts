import fc from "fast-check";
import { DateTime } from "luxon";
import { describe, expect, test } from "vitest";
import { momentsIn } from "./moments.ts";

const FORMATS = [
  "yyyy-MM-dd HH:mm",
  "yyyy/MM/dd HH:mm:ss",
  "dd-LLL-yyyy HH:mm",
  "d LLLL yyyy HH:mm",
  "LLLL d, yyyy 'at' h:mm a",
  "ccc, dd LLL yyyy HH:mm:ss",
  "cccc, LLLL d, yyyy h:mm a",
  "yyyy-MM-dd'T'HH:mm:ss",
  "HH:mm 'on' d LLLL yyyy",
];
const day = fc.date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true });

describe("dates and times in a line", () => {
  test("every format of every minute reads back, in any zone written behind it", () => {
    fc.assert(
      fc.property(
        day,
        fc.constantFrom(...FORMATS),
        fc.constantFrom("UTC", "GMT", "CET", "ET", "+02:00"),
        (date, format, zone) => {
          const at = DateTime.fromJSDate(date, { zone: "UTC" }).startOf("minute");
          const glue = zone.startsWith("+") ? "" : " ";
          const [moment, ...more] = momentsIn(
            `Start: ${at.toFormat(format, { locale: "en" })}${glue}${zone}`,
          );
          expect(more).toEqual([]);
          expect(moment?.day).toMatchObject({ year: at.year, month: at.month, day: at.day });
          expect(moment?.clock?.minutes).toBe(at.hour * 60 + at.minute);
          // A zone belongs to the time; before "on 5 May" no format puts one behind the day.
          expect(moment?.zone?.word ?? zone).toBe(
            format.startsWith("HH") ? (moment?.zone?.word ?? zone) : zone,
          );
        },
      ),
    );
  });

  test("a numeric date that reads two ways keeps both readings", () => {
    const [moment] = momentsIn("03/04/2024 01:00 UTC");
    expect(moment?.day).toMatchObject({ month: 3, day: 4, swapped: { month: 4, day: 3 } });
    expect(momentsIn("13/04/2024 01:00")[0]?.day).toMatchObject({ month: 4, day: 13, order: "dmy" });
    expect(momentsIn("04/13/24 01:00")[0]?.day).toMatchObject({
      year: 2024,
      month: 4,
      day: 13,
      order: "mdy",
    });
  });

  test("a zone before a dash is not an offset of the next date", () => {
    const moments = momentsIn("[07/12/2021 23:00:00 GMT - 08/12/2021 05:00:00 GMT]");
    expect(moments.map((moment) => moment.zone?.word)).toEqual(["GMT", "GMT"]);
    expect(moments).toHaveLength(2);
  });

  test("midnight, noon, 24:00 and ordinal days", () => {
    expect(momentsIn("May 3rd, 2024 12:00 AM")[0]?.clock?.minutes).toBe(0);
    expect(momentsIn("May 3rd, 2024 12:00 PM")[0]?.clock?.minutes).toBe(720);
    expect(momentsIn("the 3rd of May 2024, 24:00")[0]).toMatchObject({
      clock: { minutes: 1440 },
      day: { day: 3, month: 5 },
    });
  });

  test.each([
    "call 1.866.555.0199 or +1 347 555 7997, 24/7",
    "IP 192.168.156.3, AS65517, 2001:db8:0:1::1",
    "version 4.2.38.62368, 15.20.4587.25",
    "customers may 20 times",
    "30 February 2024",
    "25:61",
  ])("no moment in: %s", (text) => {
    expect(momentsIn(text).filter((moment) => moment.day !== undefined)).toEqual([]);
  });
});
