/**
 * Calendars with X-MAINTNOTE fields: the standard that needs no guessing.
 *
 * node-ical reads dates and zones. It keeps one value of a repeated X- property and drops parameters
 * in ways of its own, so the X- lines are read here, from lines that are unfolded first; a line that
 * a sender folded without the leading space joins the one before it, since it has no name of its own.
 */
import ical from "node-ical";
import { DateTime } from "luxon";
import { Impact, type Notice, type Statement, Status } from "../notice.ts";
import { type Doubt, type Evidence, quoteOf } from "./types.ts";
import { wordsIn } from "./words.ts";

/** What one VEVENT states, before the inventory is asked. */
export type Event = {
  readonly maintenanceId: string | undefined;
  readonly status: Status | undefined;
  readonly impact: Impact | undefined;
  readonly objects: readonly { readonly id: string; readonly impact: Impact | undefined }[];
  readonly startsAt: string | undefined;
  readonly endsAt: string | undefined;
  readonly summary: string;
  readonly sequence: number | undefined;
  readonly stamp: string | undefined;
};

type Property = {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly value: string;
};

const CALENDARS_MAX = 20;
const EVENTS_MAX = 200;
const TEXT_MAX = 2_000_000;

/** All events with X-MAINTNOTE fields in the body and the attachments. */
export function eventsOf(notice: Notice): { readonly events: readonly Event[]; readonly broken: boolean } {
  const texts = [notice.text, ...notice.attachments.map((attachment) => attachment.text)];
  const seen = new Set<string>();
  const events: Event[] = [];
  let broken = false;
  for (const text of texts) {
    if (!/X-MAINTNOTE-/i.test(text)) continue;
    if (text.length > TEXT_MAX) return { events: [], broken: true };
    for (const calendar of text.match(/BEGIN:VCALENDAR[^]*?(?:END:VCALENDAR|$)/g)?.slice(0, CALENDARS_MAX) ??
      []) {
      const lines = unfold(calendar.replace(/END:VCALENDAR[^]*$/, "END:VCALENDAR"));
      const zones = new Map(lines.filter((line) => /^TZID/i.test(line)).map((line) => [line, line]));
      if (!/END:VCALENDAR/.test(calendar)) broken = true;
      for (const body of eventBodies(lines)) {
        const key = body.join("\n");
        if (seen.has(key)) continue;
        seen.add(key);
        if (events.length < EVENTS_MAX) events.push(toEvent(body, lines, zones.size));
        else broken = true;
      }
    }
  }
  return { events, broken };
}

const NAMED = /^(?:BEGIN|END|[A-Z][A-Z0-9-]*)(?:;[^:]*)?:/;
const KNOWN = wordsIn(
  "^",
  [
    String.raw`BEGIN|END|DT\w+|UID|SUMMARY|DESCRIPTION|ORGANIZER|SEQUENCE|LOCATION|STATUS|CLASS`,
    "PRIORITY|TRANSP|CREATED|LAST-MODIFIED|ATTENDEE|URL|COMMENT|CATEGORIES|DURATION|GEO|RRULE",
    String.raw`EXDATE|CONTACT|RELATED-TO|TZ\w+|VERSION|PRODID|METHOD|CALSCALE|ACTION|TRIGGER|REPEAT`,
    "ATTACH|X-[A-Z0-9-]+",
  ],
  "(?:;[^:]*)?:",
  "i",
);

/** Start and end of ordinary invitations (no X-MAINTNOTE fields): a second reading of the window. */
export function invitedOf(notice: Notice): { readonly startsAt: number; readonly endsAt: number }[] {
  const spans: { startsAt: number; endsAt: number }[] = [];
  for (const text of [notice.text, ...notice.attachments.map((attachment) => attachment.text)]) {
    if (!text.includes("BEGIN:VCALENDAR") || /X-MAINTNOTE-/i.test(text) || text.length > TEXT_MAX) continue;
    for (const calendar of text.match(/BEGIN:VCALENDAR[^]*?END:VCALENDAR/g)?.slice(0, CALENDARS_MAX) ?? []) {
      const lines = unfold(calendar);
      const zones = lines.filter((line) => /^TZID/i.test(line)).length;
      for (const body of between(lines, "VEVENT").length > 0 ? [between(lines, "VEVENT")] : []) {
        const { startsAt, endsAt } = timesOf(body, lines, zones);
        if (startsAt !== undefined && endsAt !== undefined)
          spans.push({ startsAt: Date.parse(startsAt), endsAt: Date.parse(endsAt) });
      }
    }
  }
  return spans;
}

/** Unfolds; a line that names no property belongs to the one before, however it was folded. */
function unfold(text: string): string[] {
  const lines: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const last = lines.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) {
      // A property that a mail client indented is still a property.
      if (NAMED.test(line.trim()) && /^\s*X-MAINTNOTE/i.test(line)) lines.push(line.trim());
      else lines[lines.length - 1] = last + line.slice(1);
    } else if (line.trim() !== "" && last !== undefined && !KNOWN.test(line))
      lines[lines.length - 1] = `${last}\\n${line}`;
    else if (line.trim() !== "") lines.push(line);
  }
  return lines;
}

function eventBodies(lines: readonly string[]): string[][] {
  const bodies: string[][] = [];
  let body: string[] | undefined;
  for (const line of lines) {
    if (/^BEGIN:VEVENT/i.test(line)) body = [];
    else if (/^END:VEVENT/i.test(line)) {
      if (body?.some((text) => /^X-MAINTNOTE-/i.test(text)) === true) bodies.push(body);
      body = undefined;
    } else body?.push(line);
  }
  return bodies;
}

function parse(line: string): Property | undefined {
  const match = /^([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^:;"]*))*):(.*)$/s.exec(line);
  if (match === null) return undefined;
  const parameters = new Map<string, string>();
  for (const parameter of (match[2] ?? "").matchAll(/;([A-Za-z0-9-]+)=(?:"([^"]*)"|([^:;"]*))/g))
    parameters.set((parameter[1] ?? "").toUpperCase(), parameter[2] ?? parameter[3] ?? "");
  return { name: (match[1] ?? "").toUpperCase(), parameters, value: unescape(match[3] ?? "").trim() };
}

const unescape = (text: string): string =>
  text.replaceAll(/\\([\\;,nN])/g, (_, mark: string) => (/n/i.test(mark) ? "\n" : mark));

function toEvent(body: readonly string[], lines: readonly string[], zones: number): Event {
  const properties = body.flatMap((line) => parse(line) ?? []);
  const all = (name: string): Property[] => properties.filter((property) => property.name === name);
  const one = (name: string): string | undefined => {
    const values = [...new Set(all(name).map((property) => property.value))];
    return values.length === 1 ? values[0] : undefined;
  };
  const impact = Impact.safeParse(one("X-MAINTNOTE-IMPACT")?.toUpperCase());
  const status = Status.safeParse(one("X-MAINTNOTE-STATUS")?.toUpperCase().replace("CANCELED", "CANCELLED"));
  const times = timesOf(body, lines, zones);
  return {
    maintenanceId: one("X-MAINTNOTE-MAINTENANCE-ID"),
    status: status.success ? status.data : undefined,
    impact: impact.success ? impact.data : undefined,
    objects: all("X-MAINTNOTE-OBJECT-ID").flatMap((property) => {
      const own = Impact.safeParse(property.parameters.get("X-MAINTNOTE-OBJECT-IMPACT")?.toUpperCase());
      return property.value === ""
        ? []
        : [{ id: property.value, impact: own.success ? own.data : undefined }];
    }),
    ...times,
    summary: one("SUMMARY") ?? "",
    sequence: /^\d+$/.test(one("SEQUENCE") ?? "") ? Number(one("SEQUENCE")) : undefined,
    stamp: stampOf(one("DTSTAMP")),
  };
}

const stampOf = (text: string | undefined): string | undefined => {
  const at = text === undefined ? undefined : DateTime.fromISO(text, { zone: "UTC" });
  return at?.isValid === true ? (at.toUTC().toISO() ?? undefined) : undefined;
};

/** Start and end as node-ical reads them, with the calendar's own time zones in force. */
function timesOf(
  body: readonly string[],
  lines: readonly string[],
  zones: number,
): Pick<Event, "startsAt" | "endsAt"> {
  const dates = body.filter((line) => /^(?:DTSTART|DTEND|DURATION)\b/i.test(line));
  const starts = dates.filter((line) => /^DTSTART/i.test(line));
  // A time without zone or Z floats: nobody can say when it is.
  const floating = dates.some((line) => /:\d{8}(?:T\d{6})?$/.test(line) && !/TZID=/i.test(line));
  if (starts.length !== 1 || floating) return { startsAt: undefined, endsAt: undefined };
  const own = zones > 0 ? between(lines, "VTIMEZONE") : [];
  const text = [
    "BEGIN:VCALENDAR",
    ...own,
    "BEGIN:VEVENT",
    "UID:1",
    ...dates.map(plainDate),
    "END:VEVENT",
    "END:VCALENDAR",
  ].join("\r\n");
  try {
    const event = Object.values(ical.sync.parseICS(text)).find((part) => part?.type === "VEVENT");
    if (event?.type !== "VEVENT") return { startsAt: undefined, endsAt: undefined };
    return { startsAt: isoOf(event.start), endsAt: isoOf(event.end) };
  } catch {
    return { startsAt: undefined, endsAt: undefined };
  }
}

/** `VALUE=DATE-TIME` is the default, and some readers stumble over it. */
const plainDate = (line: string): string => line.replace(/;VALUE=DATE-TIME/i, "");

function isoOf(date: unknown): string | undefined {
  return date instanceof Date && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
}

function between(lines: readonly string[], name: string): string[] {
  const start = lines.findIndex((line) => line.toUpperCase() === `BEGIN:${name}`);
  const end = lines.findLastIndex((line) => line.toUpperCase() === `END:${name}`);
  return start < 0 || end < start ? [] : lines.slice(start, end + 1);
}

/** One event as a statement, and what keeps it from being sure. */
export function toStatement(
  event: Event,
  carrier: string,
): { readonly statement: Statement | undefined; readonly doubts: readonly Doubt[] } {
  const doubts: Doubt[] = [];
  const missing = (field: Doubt["field"], because: string): void => {
    doubts.push({ field, because });
  };
  if (event.maintenanceId === undefined || event.maintenanceId === "")
    missing("maintenanceId", "the calendar names no single maintenance id");
  if (event.status === undefined) missing("status", "the calendar names no known status");
  if (event.startsAt === undefined || event.endsAt === undefined)
    missing("window", "the calendar's times cannot be read");
  else if (event.endsAt <= event.startsAt) missing("window", "the calendar ends before it starts");
  // A cancelled or finished maintenance is known by its id; a planned one without objects is half a notice.
  const over = event.status === "CANCELLED" || event.status === "COMPLETED";
  if (event.objects.length === 0 && !over) missing("circuits", "the calendar names no object");
  if (event.objects.some((object) => object.impact === undefined) && event.impact === undefined)
    missing("impact", "the calendar names no known impact");
  if (event.maintenanceId === undefined || event.status === undefined)
    return { statement: undefined, doubts };
  const windows =
    event.startsAt === undefined || event.endsAt === undefined
      ? []
      : [
          {
            startsAt: event.startsAt,
            endsAt: event.endsAt,
            circuits: event.objects.map(({ id, impact }) => ({
              circuitId: id,
              impact: impact ?? event.impact ?? "OUTAGE",
            })),
          },
        ];
  const sequence = event.sequence === undefined ? {} : { sequence: event.sequence };
  return {
    statement: { carrier, maintenanceId: event.maintenanceId, status: event.status, ...sequence, windows },
    doubts,
  };
}

export function evidenceOf(event: Event): Evidence[] {
  const by = "X-MAINTNOTE";
  return [
    {
      field: "maintenanceId",
      value: event.maintenanceId ?? "",
      quote: `X-MAINTNOTE-MAINTENANCE-ID:${event.maintenanceId}`,
      by,
    },
    { field: "status", value: event.status ?? "", quote: `X-MAINTNOTE-STATUS:${event.status}`, by },
    { field: "window", value: `${event.startsAt}/${event.endsAt}`, quote: quoteOf(event.summary), by },
    ...event.objects.map(({ id }) => ({
      field: "circuits",
      value: id,
      quote: `X-MAINTNOTE-OBJECT-ID:${id}`,
      by,
    })),
  ];
}
