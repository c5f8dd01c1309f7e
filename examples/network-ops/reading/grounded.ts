/**
 * Can every value of a statement be pointed to in the notice or the inventory?
 *
 * It asks nothing about how the statement was made, so that it also checks what a model wrote: an id
 * must stand in the notice, a circuit in the notice and the inventory, an instant must be one of the
 * notice's own times in a zone it states, an impact and a status must have words that can mean them.
 */
import type { Notice, Statement } from "../notice.ts";
import { eventsOf } from "./calendar.ts";
import { type Degree, degreeOf } from "./degree.ts";
import { impactClaims } from "./impact.ts";
import { layOut, type Page } from "./page.ts";
import { statusClaims } from "./status.ts";
import { stampsOf } from "./stamps.ts";
import type { Doubt } from "./types.ts";
import { DateTime } from "luxon";
import { zonesIn } from "./zones.ts";

const squash = (text: string): string => text.replaceAll(/\s+/g, "").toLowerCase();
const MINUTE = 60_000;

/** Doubts about values that cannot be pointed to; empty when all can. */
export function grounded(notice: Notice, statement: Statement): readonly Doubt[] {
  const doubts: Doubt[] = [];
  const page = layOut(notice);
  const { events } = eventsOf(notice);
  const text = [page.subject, ...page.lines.map((line) => line.text)].join("\n");
  const calendar = events.length > 0 ? JSON.stringify(events) : "";
  const has = (value: string): boolean => standsIn(value, text) || standsIn(value, calendar);
  if (!has(statement.maintenanceId))
    doubts.push({
      field: "maintenanceId",
      because: `"${statement.maintenanceId}" does not stand in the notice`,
    });
  if (!statusHas(page, events, statement.status))
    doubts.push({ field: "status", because: `nothing in the notice means ${statement.status}` });
  const instants = new Set([
    ...instantsOf(page, notice.sentAt),
    ...events.flatMap(({ startsAt, endsAt }) => [Date.parse(startsAt ?? ""), Date.parse(endsAt ?? "")]),
  ]);
  const circuits = new Set<string>();
  const impacts = new Set<string>();
  for (const window of statement.windows) {
    for (const at of [window.startsAt, window.endsAt])
      if (![...instants].some((instant) => Math.abs(instant - Date.parse(at)) <= MINUTE))
        doubts.push({ field: "window", because: `${at} is no time that the notice states` });
    for (const { circuitId, impact } of window.circuits) {
      circuits.add(circuitId);
      impacts.add(impact);
    }
  }
  for (const circuitId of circuits)
    if (!has(circuitId))
      doubts.push({ field: "circuits", because: `"${circuitId}" does not stand in the notice` });
  for (const impact of impacts)
    if (!impactHas(page, impact) && !events.some((event) => JSON.stringify(event).includes(`"${impact}"`)))
      doubts.push({ field: "impact", because: `nothing in the notice means ${impact}` });
  return doubts;
}

/** The value stands in the text as a word of its own; spaces inside it may differ. */
function standsIn(value: string, text: string): boolean {
  const wanted = value.trim();
  if (wanted === "") return false;
  const body = wanted
    .split(/\s+/)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`))
    .join(String.raw`\s*`);
  const before = /^[\p{L}\p{N}]/u.test(wanted) ? String.raw`(?<![\p{L}\p{N}])` : "";
  const after = /[\p{L}\p{N}]$/u.test(wanted) ? String.raw`(?![\p{L}\p{N}])` : "";
  return squash(text).includes(squash(wanted)) && new RegExp(before + body + after, "iu").test(text);
}

const STATUS_WORDS: Readonly<Record<Statement["status"], RegExp>> = {
  TENTATIVE: /tentative|provisional|preliminary|to be confirmed|tbc/i,
  CONFIRMED: /plan|schedul|maintenance|will be|reminder|notif|emergency|upcoming|confirm/i,
  "RE-SCHEDULED": /re-?schedul|postpon|moved|new (?:date|time|window)|revis|updat|chang|amend|extend/i,
  CANCELLED: /cancel|annul|withdrawn|called off|abort/i,
  "IN-PROCESS": /start|begin|began|begun|progress|underway|under way|commenc|ongoing|process/i,
  COMPLETED: /complet|conclu|finish|clos|over|end(?:ed)?\b|done/i,
};

function statusHas(page: Page, events: readonly { status: unknown }[], status: Statement["status"]): boolean {
  if (events.length > 0) return events.some((event) => event.status === status);
  if (statusClaims(page).some((claim) => claim.status === status)) return true;
  return page.lines.some((line) => STATUS_WORDS[status].test(line.text));
}

function impactHas(page: Page, impact: string): boolean {
  const can = (degree: Degree): boolean =>
    degree === impact ||
    degree === "UNCLEAR" ||
    degree === "SOME" ||
    (degree === "RISK" && impact !== "OUTAGE") ||
    ((degree === "AFFECTING" || degree === "LASTING") && impact !== "NO-IMPACT");
  const claims = impactClaims(page, []);
  return (
    claims.some((claim) => can(claim.degree)) ||
    page.lines.some((line) => line.text.split(/[.;|]/).some((phrase) => can(degreeOf(phrase))))
  );
}

/** Every instant that a time of the notice can be: on its own day or another named one, in a named zone. */
function instantsOf(page: Page, sentAt: string | undefined): number[] {
  const { stamps } = stampsOf(page);
  const days = stamps.flatMap(({ moment }) => (moment.day === undefined ? [] : [moment.day]));
  const zones = new Set([
    "UTC",
    ...page.lines.flatMap((line) => zonesIn(line.text).flatMap((zone) => zone.zones)),
  ]);
  const years = new Set(days.flatMap((day) => day.year ?? []));
  // A day without a year is near the day the mail was sent.
  const sent = sentAt === undefined ? undefined : new Date(sentAt).getUTCFullYear();
  if (years.size === 0 && sent !== undefined) for (const year of [sent - 1, sent, sent + 1]) years.add(year);
  const instants: number[] = [];
  for (const { moment } of stamps) {
    if (moment.clock === undefined) continue;
    const own = moment.day === undefined ? days : [moment.day];
    for (const day of own.slice(0, 60))
      for (const option of [day, ...(day.swapped === undefined ? [] : [{ ...day, ...day.swapped }])])
        for (const year of option.year === undefined ? years : [option.year])
          for (const zone of new Set([...(moment.zone?.zones ?? zones)].slice(0, 8))) {
            const { minutes } = moment.clock;
            const base = {
              year,
              month: option.month,
              day: option.day,
              hour: Math.floor(minutes / 60) % 24,
              minute: minutes % 60,
            };
            const at = DateTime.fromObject(base, { zone }).plus({ days: minutes >= 1440 ? 1 : 0 });
            if (!at.isValid) continue;
            instants.push(at.toMillis());
            // A bare end time after midnight belongs to the next day.
            if (moment.day === undefined) instants.push(at.plus({ days: 1 }).toMillis());
          }
  }
  return instants;
}
