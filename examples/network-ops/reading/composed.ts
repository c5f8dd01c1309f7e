/**
 * Notices composed at random from the ways in which carriers word each part, with the truth beside them.
 *
 * A reader is right when it asks, or says the truth: over many compositions that catches what no
 * single example does. Every word here is ours.
 */
import fc from "fast-check";
import { DateTime } from "luxon";
import type { Impact, Notice, Statement, Status } from "../notice.ts";
import type { Knowledge } from "./types.ts";

export type Composed = { readonly notice: Notice; readonly truth: Statement; readonly knowledge: Knowledge };

const CARRIERS = ["Northgate Fibre", "Vela", "Quarry Telecom", "Blue Heron Networks"];
const ID_LABELS = [
  ...["Maintenance ID", "Change number", "Maintenance Ticket #", "Planned Work Ref.", "Ticket", "Event ID"],
  ...["Work order", "Our reference", "Case Number", "Notification number", "Change Request", "Reference"],
];
const ID_FORMS = ["CHG#######", "#######", "PW-####-##", "MNT#####-1", "NG/####/AB", "2024-######"];
const FORMATS = [
  ...["yyyy-MM-dd HH:mm", "dd-LLL-yyyy HH:mm", "LLLL d, yyyy h:mm a", "ccc, d LLL yyyy HH:mm", "MM/dd/yyyy HH:mm"],
  ...["dd.MM.yyyy HH:mm", "yyyy/MM/dd HH:mm", "d LLLL yyyy 'at' HH:mm", "dd/MM/yyyy HH:mm", "dd LLL yy HH:mm"],
  ...["cccc d LLL HH:mm", "h:mm a 'on' LLLL d, yyyy"],
];
/** Zones as written, with what they mean; an empty word leaves the zone out. */
const ZONES: readonly (readonly [string, string])[] = [
  ...([["UTC", "UTC"], ["GMT", "UTC"], ["(UTC)", "UTC"], ["CEST", "Europe/Paris"], ["ET", "America/New_York"]] as const),
  ...([["(UTC+2)", "UTC+2"], ["EDT", "America/New_York"], ["GMT+8", "UTC+8"], ["", "UTC"], ["PDT", "America/Los_Angeles"]] as const),
  ...([["EST", "UTC-5"], ["local time", "Europe/Paris"], ["BST", "Europe/London"], ["JST", "Asia/Tokyo"]] as const),
];
const PAIRS = [
  ...([["Start", "End"], ["From", "To"], ["Start Date/Time", "End Date/Time"], ["Begin", "Finish"]] as const),
  ...([["Maintenance start", "Maintenance end"], ["Planned start time", "Planned end time"]] as const),
  ...([["Scheduled Start", "Scheduled Completion"], ["Window opens", "Window closes"]] as const),
];
const STATUSES: readonly (readonly [string, string, Status])[] = [
  ["Planned maintenance", "We will be performing planned maintenance in our network.", "CONFIRMED"],
  ["Emergency maintenance notification", "Emergency maintenance has been scheduled.", "CONFIRMED"],
  ["REMINDER: scheduled maintenance", "This is a reminder of the scheduled maintenance below.", "CONFIRMED"],
  ["Maintenance notification", "Please be advised of upcoming maintenance work.", "CONFIRMED"],
  ["CANCELLED: planned maintenance", "The maintenance below has been cancelled.", "CANCELLED"],
  ["Maintenance notification", "We regret to inform you that this work was cancelled.", "CANCELLED"],
  ["Planned maintenance cancellation notice", "We would like to inform you of a change.", "CANCELLED"],
  ["Maintenance completed", "The planned maintenance has been completed successfully.", "COMPLETED"],
  ["Maintenance notification", "The work is now complete.", "COMPLETED"],
  ["Maintenance notification - closure", "The works ended at 03:00.", "COMPLETED"],
  ["Rescheduled maintenance", "The maintenance has been rescheduled to the window below.", "RE-SCHEDULED"],
  ["Maintenance notification", "This maintenance was postponed, see the new window below.", "RE-SCHEDULED"],
  ["Maintenance update", "There is an update of the times for this maintenance.", "RE-SCHEDULED"],
  ["Maintenance started", "The maintenance below has started.", "IN-PROCESS"],
  ["Maintenance notification", "The maintenance is now in progress.", "IN-PROCESS"],
  ["Maintenance starting", "Work begins shortly.", "IN-PROCESS"],
];
const IMPACTS: readonly (readonly [string, Impact])[] = [
  ["Impact: Outage", "OUTAGE"],
  ["Service impact: Hard down", "OUTAGE"],
  ["Your service will be unavailable during the window.", "OUTAGE"],
  ["Expected impact: service interruption of up to 30 minutes", "OUTAGE"],
  ["Outage duration: 30 minutes", "OUTAGE"],
  ["Service affecting: Yes", "OUTAGE"],
  ["Impact: No impact expected", "NO-IMPACT"],
  ["This work will not affect your services.", "NO-IMPACT"],
  ["Impact: Loss of redundancy", "REDUCED-REDUNDANCY"],
  ["Impact: degraded performance", "DEGRADED"],
  ["Impact: minor", "DEGRADED"],
  ["Impact: service at risk", "REDUCED-REDUNDANCY"],
  ["Impact: up to 3 short interruptions; protected circuits switch over", "DEGRADED"],
  ["Expect switch hits of 50 ms on your circuit.", "DEGRADED"],
  ["", "OUTAGE"],
];
const NOISE = [
  ...["Account number: 88190023", "Customer ID: 5512098", "Order: SO-771203", "Phone: +1 888 555 0123", "PO 4410982"],
  ...["Date sent: 2024-04-30 09:15 UTC", "If the work is cancelled or rescheduled we will inform you."],
  ...["Reason: to avoid an unplanned outage", "Previous ticket: CHG0000001", "Ticket opened: 12-Apr-2024 10:00 GMT"],
  ...["Once completed, a completion notice will follow.", "For support call 800-555-0199, quote your account 991203."],
  ...["Related change: CHG7777777", "Location: 12 Main Street, Springfield, IL 62701", "Version 2.1"],
];

const digits = (form: string, seed: number): string => {
  let at = 0;
  return form.replaceAll("#", () => String(Math.floor(seed / 7 ** (at++ % 8) + at * 3) % 10));
};

/** Any notice that the parts can make. */
export const composed: fc.Arbitrary<Composed> = fc
  .record({
    carrier: fc.constantFrom(...CARRIERS),
    idLabel: fc.constantFrom(...ID_LABELS),
    idForm: fc.constantFrom(...ID_FORMS),
    inSubject: fc.boolean(),
    seed: fc.integer({ min: 1_000_000, max: 9_999_999 }),
    start: fc.date({ min: new Date("2024-04-02"), max: new Date("2024-10-20"), noInvalidDate: true }),
    hours: fc.integer({ min: 1, max: 9 }),
    format: fc.constantFrom(...FORMATS),
    zone: fc.constantFrom(...ZONES),
    pair: fc.constantFrom(...PAIRS),
    status: fc.constantFrom(...STATUSES),
    impact: fc.constantFrom(...IMPACTS),
    noise: fc.uniqueArray(fc.constantFrom(...NOISE), { maxLength: 4 }),
    circuits: fc.integer({ min: 1, max: 3 }),
    layout: fc.constantFrom("colon", "below", "row", "range", "sentence"),
    mixed: fc.boolean(),
  })
  .map((parts) => {
    const id = digits(parts.idForm, parts.seed);
    const [word, zone] = parts.zone;
    const start = DateTime.fromJSDate(parts.start, { zone: "UTC" }).startOf("hour");
    const end = start.plus({ hours: parts.hours });
    const show = (at: DateTime): string => `${at.setZone(zone).toFormat(parts.format, { locale: "en" })} ${word}`.trim();
    const circuitIds = Array.from({ length: parts.circuits }, (_, at) => `${parts.carrier.slice(0, 2).toUpperCase()}-ETH-${(parts.seed % 9000) + 1000 + at}`);
    const [startLabel, endLabel] = parts.pair;
    const window = windowLines(parts.layout, startLabel, endLabel, show(start), show(end));
    const field = (label: string, value: string): string[] =>
      parts.layout === "below" ? [label, value] : [parts.layout === "row" ? `| ${label} | ${value}` : `${label}: ${value}`];
    const body = [
      field(parts.idLabel, id),
      window,
      parts.impact[0] === "" ? [] : [parts.impact[0]],
      ["Affected circuits:", ...circuitIds],
      ...parts.noise.map((line) => [line]),
    ];
    const blocks = parts.mixed ? [body[1] ?? [], body[0] ?? [], ...body.slice(4), ...body.slice(2, 4)] : body;
    const notice: Notice = {
      subject: `${parts.carrier}: ${parts.status[0]}${parts.inSubject ? ` ${id}` : ""}`,
      sentAt: "2024-04-01T09:00:00Z",
      text: [`Dear customer of ${parts.carrier},`, parts.status[1], ...blocks.flat(), "Kind regards, the NOC"].join("\n"),
      attachments: [],
    };
    const circuits = circuitIds.map((circuitId) => ({ circuitId, impact: parts.impact[1] }));
    const truth: Statement = {
      carrier: parts.carrier,
      maintenanceId: id,
      status: parts.status[2],
      windows: [{ startsAt: start.toISO() ?? "", endsAt: end.toISO() ?? "", circuits }],
    };
    const decoys = circuitIds.map((circuitId) => circuitId.replace("-ETH-", "-EPL-"));
    const knowledge: Knowledge = {
      carriers: CARRIERS.map((name) => ({ name })),
      circuits: [...circuitIds, ...decoys].map((circuitId) => ({ carrier: parts.carrier, circuitId })),
      lessons: [],
    };
    return { notice, truth, knowledge };
  });

function windowLines(layout: string, startLabel: string, endLabel: string, start: string, end: string): string[] {
  if (layout === "below") return [startLabel, start, endLabel, end];
  if (layout === "row") return [`| ${startLabel} | ${start}`, `| ${endLabel} | ${end}`];
  if (layout === "range") return [`Maintenance window: ${start} - ${end}`];
  if (layout === "sentence") return [`The work will take place from ${start} to ${end}.`];
  return [`${startLabel}: ${start}`, `${endLabel}: ${end}`];
}
