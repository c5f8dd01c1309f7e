/** iCalendar with the X-MAINTNOTE fields of the maintenance notification standard (BCOP). */
import type { DateTime } from "luxon";
import { worseImpact } from "../calendar/index.ts";
import { spell, type Work, type WorkWindow } from "./work.ts";

/** RFC 5545: lines are folded before 75 octets. */
const LINE_OCTETS_MAX = 74;

/** The calendar of a work: one event a window. With `zone`, times are local and name it. */
export function calendarFile(work: Work, sentAt: DateTime, zone?: string): string {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    `PRODID:-//${work.carrier.name}//Change calendar 4.1//EN`,
    "METHOD:PUBLISH",
    ...work.windows.flatMap((window, place) => eventLines(work, window, place, sentAt, zone)),
    "END:VCALENDAR",
    "",
  ];
  return lines.map(fold).join("\r\n");
}

function eventLines(
  work: Work,
  window: WorkWindow,
  place: number,
  sentAt: DateTime,
  zone: string | undefined,
): readonly string[] {
  const worst = window.circuits.map(({ impact }) => impact).reduce(worseImpact, "NO-IMPACT");
  const mixed = window.circuits.some(({ impact }) => impact !== worst);
  return [
    "BEGIN:VEVENT",
    `UID:${work.id}-${place + 1}@${work.carrier.mailDomain}`,
    `DTSTAMP:${stamp(sentAt)}`,
    time("DTSTART", window.start, zone),
    time("DTEND", window.end, zone),
    `SEQUENCE:${work.sequence}`,
    `SUMMARY:${escape(`${work.id}: planned work at ${work.city}, ${work.reason}`)}`,
    `ORGANIZER;CN="${work.carrier.name} change desk":mailto:change@${work.carrier.mailDomain}`,
    `X-MAINTNOTE-PROVIDER:${work.carrier.mailDomain}`,
    "X-MAINTNOTE-ACCOUNT:20441",
    `X-MAINTNOTE-MAINTENANCE-ID:${work.id}`,
    ...window.circuits.map(({ circuitId, impact }) =>
      mixed
        ? `X-MAINTNOTE-OBJECT-ID;X-MAINTNOTE-OBJECT-IMPACT=${impact}:${escape(circuitId)}`
        : `X-MAINTNOTE-OBJECT-ID:${escape(circuitId)}`,
    ),
    `X-MAINTNOTE-IMPACT:${worst}`,
    `X-MAINTNOTE-STATUS:${work.status}`,
    `DESCRIPTION:${escape(`${work.reason}.\nQuestions: +47 555 0199, quote ${work.id}.`)}`,
    "END:VEVENT",
  ];
}

function time(name: string, at: DateTime, zone: string | undefined): string {
  if (zone === undefined) return `${name}:${stamp(at)}`;
  return `${name};TZID=${zone}:${spell(at.setZone(zone), "yyyyLLdd'T'HHmmss")}`;
}

function stamp(at: DateTime): string {
  return spell(at.toUTC(), "yyyyLLdd'T'HHmmss'Z'");
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll(/[;,]/g, "\\$&").replaceAll("\n", "\\n");
}

/** Folds by octets without cutting a character. */
function fold(line: string): string {
  const parts: string[] = [];
  let part = "";
  for (const character of line) {
    if (Buffer.byteLength(part + character) > LINE_OCTETS_MAX) {
      parts.push(part);
      part = ` ${character}`;
    } else part += character;
  }
  return [...parts, part].join("\r\n");
}
