import { describe, expect, test } from "vitest";
import type { Notice } from "../notice.ts";
import { readNotice } from "./read.ts";
import type { Knowledge } from "./types.ts";

const knowledge: Knowledge = {
  carriers: [{ name: "Norrland Fibre" }, { name: "Kestrel Cable" }],
  circuits: ["NFE-1", "NFE-2", "NFE,3"].map((circuitId) => ({ carrier: "Norrland Fibre", circuitId })),
  lessons: [],
};

const event = (...lines: string[]): string =>
  ["BEGIN:VEVENT", "UID:1", "DTSTAMP:20240501T000000Z", ...lines, "END:VEVENT"].join("\r\n");
const calendar = (...events: string[]): string =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", ...events, "END:VCALENDAR"].join("\r\n");
const WINDOW = ["DTSTART:20240514T010000Z", "DTEND:20240514T050000Z"];
const FIELDS = [
  "X-MAINTNOTE-PROVIDER:norrland.example",
  "X-MAINTNOTE-ACCOUNT:1",
  "X-MAINTNOTE-MAINTENANCE-ID:NF-1",
  "X-MAINTNOTE-IMPACT:OUTAGE",
  "X-MAINTNOTE-STATUS:CONFIRMED",
];
const read = (text: string, more: Partial<Notice> = {}) =>
  readNotice({ text, attachments: [], ...more }, knowledge);

describe("calendars with X-MAINTNOTE fields", () => {
  test("repeated objects are all kept, each with its own impact", () => {
    const { statements, doubts } = read(
      calendar(
        event(
          ...WINDOW,
          ...FIELDS,
          "X-MAINTNOTE-OBJECT-ID:NFE-1",
          "X-MAINTNOTE-OBJECT-ID;X-MAINTNOTE-OBJECT-IMPACT=NO-IMPACT:NFE-2",
        ),
      ),
    );
    expect(doubts).toEqual([]);
    expect(statements[0]?.windows[0]).toEqual({
      startsAt: "2024-05-14T01:00:00.000Z",
      endsAt: "2024-05-14T05:00:00.000Z",
      circuits: [
        { circuitId: "NFE-1", impact: "OUTAGE" },
        { circuitId: "NFE-2", impact: "NO-IMPACT" },
      ],
    });
  });

  test("escapes, folding and a description that was folded wrongly", () => {
    const text = calendar(
      event(
        ...WINDOW,
        ...FIELDS,
        String.raw`X-MAINTNOTE-OBJECT-ID:NFE\,3`,
        "DESCRIPTION:Work as\r\n  outlined below.\r\nThis line lost its fold\r\n and this one kept it.",
      ),
    );
    const { statements, doubts } = read(text);
    expect(doubts).toEqual([]);
    expect(statements[0]?.windows[0]?.circuits).toEqual([{ circuitId: "NFE,3", impact: "OUTAGE" }]);
  });

  test("a zone by name, and one that the calendar defines", () => {
    const object = "X-MAINTNOTE-OBJECT-ID:NFE-1";
    const paris = ["DTSTART;TZID=Europe/Paris:20240514T030000", "DTEND;TZID=Europe/Paris:20240514T070000"];
    const { statements, doubts } = read(calendar(event(...paris, ...FIELDS, object)));
    expect(doubts).toEqual([]);
    expect(statements[0]?.windows[0]?.startsAt).toBe("2024-05-14T01:00:00.000Z");
  });

  test("several events are several maintenances, or windows of one", () => {
    const second = FIELDS.map((line) => line.replace("NF-1", "NF-2"));
    const later = ["DTSTART:20240515T010000Z", "DTEND:20240515T050000Z"];
    const object = "X-MAINTNOTE-OBJECT-ID:NFE-1";
    const { statements, doubts } = read(
      calendar(
        event(...WINDOW, ...FIELDS, object),
        event(...later, ...FIELDS, object),
        event(...WINDOW, ...second, object),
      ),
    );
    expect(doubts).toEqual([]);
    expect(statements.map((one) => [one.maintenanceId, one.windows.length])).toEqual([
      ["NF-1", 2],
      ["NF-2", 1],
    ]);
  });

  test("a cancellation without objects is sure, a plan without them is not", () => {
    const cancelled = FIELDS.map((line) => line.replace("CONFIRMED", "CANCELLED"));
    const named = { subject: "Norrland Fibre" };
    expect(read(calendar(event(...WINDOW, ...cancelled)), named).doubts).toEqual([]);
    expect(read(calendar(event(...WINDOW, ...FIELDS)), named).doubts.map((doubt) => doubt.field)).toEqual([
      "circuits",
    ]);
  });

  test.each([
    [
      "a floating time",
      calendar(
        event("DTSTART:20240514T010000", "DTEND:20240514T050000", ...FIELDS, "X-MAINTNOTE-OBJECT-ID:NFE-1"),
      ),
    ],
    [
      "an end before the start",
      calendar(
        event("DTSTART:20240514T050000Z", "DTEND:20240514T010000Z", ...FIELDS, "X-MAINTNOTE-OBJECT-ID:NFE-1"),
      ),
    ],
    [
      "no end of the calendar",
      calendar(event(...WINDOW, ...FIELDS, "X-MAINTNOTE-OBJECT-ID:NFE-1")).replace("END:VCALENDAR", ""),
    ],
    ["a circuit that is not ours", calendar(event(...WINDOW, ...FIELDS, "X-MAINTNOTE-OBJECT-ID:NFE-9"))],
    [
      "an unknown status",
      calendar(
        event(
          ...WINDOW,
          ...FIELDS.map((line) => line.replace("CONFIRMED", "MAYBE")),
          "X-MAINTNOTE-OBJECT-ID:NFE-1",
        ),
      ),
    ],
    [
      "two maintenance ids in one event",
      calendar(event(...WINDOW, ...FIELDS, "X-MAINTNOTE-MAINTENANCE-ID:NF-7", "X-MAINTNOTE-OBJECT-ID:NFE-1")),
    ],
  ])("%s is a doubt", (_, text) => {
    expect(read(text).doubts.length).toBeGreaterThan(0);
  });

  test("a subject that cancels what the calendar confirms is a doubt", () => {
    const text = calendar(event(...WINDOW, ...FIELDS, "X-MAINTNOTE-OBJECT-ID:NFE-1"));
    expect(read(text, { subject: "CANCELLED: NF-1" }).doubts.map((doubt) => doubt.field)).toEqual(["status"]);
  });

  test("an invitation without such fields that says another time is a doubt", () => {
    const text = `Norrland Fibre planned maintenance
Maintenance ID: NF-20931
Start: 2024-05-14 02:00 UTC
End: 2024-05-14 05:00 UTC
Impact: outage
Circuit: NFE-1
${calendar(event(...WINDOW))}`;
    expect(read(text).doubts.map((doubt) => doubt.field)).toEqual(["window"]);
    expect(read(text.replace("02:00", "01:00")).doubts).toEqual([]);
  });
});
