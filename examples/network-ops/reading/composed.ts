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
  ...[
    "yyyy-MM-dd HH:mm",
    "dd-LLL-yyyy HH:mm",
    "LLLL d, yyyy h:mm a",
    "ccc, d LLL yyyy HH:mm",
    "MM/dd/yyyy HH:mm",
  ],
  ...[
    "dd.MM.yyyy HH:mm",
    "yyyy/MM/dd HH:mm",
    "d LLLL yyyy 'at' HH:mm",
    "dd/MM/yyyy HH:mm",
    "dd LLL yy HH:mm",
  ],
  ...["cccc d LLL HH:mm", "h:mm a 'on' LLLL d, yyyy"],
];
/** Zones as written, with what they mean; an empty word leaves the zone out. */
const ZONES: readonly (readonly [string, string])[] = [
  ...([
    ["UTC", "UTC"],
    ["GMT", "UTC"],
    ["(UTC)", "UTC"],
    ["CEST", "Europe/Paris"],
    ["ET", "America/New_York"],
  ] as const),
  ...([
    ["(UTC+2)", "UTC+2"],
    ["EDT", "America/New_York"],
    ["GMT+8", "UTC+8"],
    ["", "UTC"],
    ["PDT", "America/Los_Angeles"],
  ] as const),
  ...([
    ["EST", "UTC-5"],
    ["local time", "Europe/Paris"],
    ["BST", "Europe/London"],
    ["JST", "Asia/Tokyo"],
  ] as const),
];
const PAIRS = [
  ...([
    ["Start", "End"],
    ["From", "To"],
    ["Start Date/Time", "End Date/Time"],
    ["Begin", "Finish"],
  ] as const),
  ...([
    ["Maintenance start", "Maintenance end"],
    ["Planned start time", "Planned end time"],
  ] as const),
  ...([
    ["Scheduled Start", "Scheduled Completion"],
    ["Window opens", "Window closes"],
  ] as const),
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
  ["Service notification", "We must postpone the maintenance below.", "RE-SCHEDULED"],
  ["Network maintenance", "The times of this maintenance have changed.", "RE-SCHEDULED"],
  ["Network maintenance", "Please note the new times of this planned maintenance.", "RE-SCHEDULED"],
  ["Network maintenance - all clear", "Engineers have left the site, the planned work is done.", "COMPLETED"],
  ["Network maintenance", "The planned work was carried out as announced.", "COMPLETED"],
  ["Network maintenance", "Our engineers finished the scheduled work early.", "COMPLETED"],
  ["Network maintenance", "We hereby withdraw the announced planned maintenance.", "CANCELLED"],
  ["Network maintenance", "The planned maintenance will not take place.", "CANCELLED"],
  ["Network maintenance", "The scheduled maintenance is called off.", "CANCELLED"],
  ["Network maintenance", "Engineers are on site and the scheduled work is under way.", "IN-PROCESS"],
  ["Network maintenance", "We have commenced the scheduled work.", "IN-PROCESS"],
  ["Network maintenance", "We are planning maintenance, subject to approval.", "TENTATIVE"],
  ["Network maintenance", "The planned maintenance was unsuccessful and had to be rolled back.", "COMPLETED"],
  ["Network maintenance", "The planned maintenance continues beyond its window.", "IN-PROCESS"],
  ["Network maintenance", "The planned maintenance is put off to a later date.", "RE-SCHEDULED"],
  ["Network maintenance", "Planned maintenance: dates amended.", "RE-SCHEDULED"],
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
  ["Impact: your traffic will be switched to the backup path", "REDUCED-REDUNDANCY"],
  ["Your circuit will be down, unless protected.", "DEGRADED"],
  ["We expect no outage but increased latency.", "DEGRADED"],
  ["Service impact: Yes, details to follow", "DEGRADED"],
  ["No service outage is anticipated, only a loss of redundancy.", "REDUCED-REDUNDANCY"],
  ["Impact: none to moderate", "DEGRADED"],
  ["Impact: Outage of the management portal only", "NO-IMPACT"],
  ["", "OUTAGE"],
];
const NOISE = [
  ...[
    "Account number: 88190023",
    "Customer ID: 5512098",
    "Order: SO-771203",
    "Phone: +1 888 555 0123",
    "PO 4410982",
  ],
  ...["Date sent: 2024-04-30 09:15 UTC", "If the work is cancelled or rescheduled we will inform you."],
  ...[
    "Reason: to avoid an unplanned outage",
    "Previous ticket: CHG0000001",
    "Ticket opened: 12-Apr-2024 10:00 GMT",
  ],
  ...[
    "Once completed, a completion notice will follow.",
    "For support call 800-555-0199, quote your account 991203.",
  ],
  ...[
    "Our NOC is open from 08:00 to 18:00 CET on weekdays.",
    "You can cancel your subscription at any time.",
  ],
  ...[
    "The previous maintenance CHG0000002 was completed on 1 April 2024.",
    "Last updated: 2024-04-29 10:00 UTC",
  ],
  ...[
    "This work was originally planned for 2 April 2024 01:00 UTC.",
    "Redundant services will not be affected.",
  ],
  ...[
    "Impact on other customers: outage",
    "The purpose of this work is to restore redundancy after an outage.",
  ],
  ...["Maintenance in progress may delay our answers.", "Ticket for site access: 5512093", "CMDB: 44123129"],
  ...[
    "Original window: 2024-04-03 01:00 UTC - 2024-04-03 04:00 UTC",
    "Backup window: 2024-10-28 01:00 - 04:00 UTC",
  ],
  ...[
    "Impact start: 2024-10-30 02:00 UTC",
    "Power outage simulation in the data centre",
    "Work is 50% complete.",
  ],
  ...[
    "Tickets are completed within 24 hours.",
    "Other maintenance: CHG8888888 (cancelled)",
    "Duration: 45 minutes",
  ],
  ...["Please do not reschedule on your side.", "Approved by: J. Doe", "Emergency contact: 24x7"],
  ...["Your other circuit XX-ETH-9999 will be down on 12 May 2024.", "Downtime for protected services: none"],
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
    const show = (at: DateTime): string =>
      `${at.setZone(zone).toFormat(parts.format, { locale: "en" })} ${word}`.trim();
    const circuitIds = Array.from(
      { length: parts.circuits },
      (_, at) => `${parts.carrier.slice(0, 2).toUpperCase()}-ETH-${(parts.seed % 9000) + 1000 + at}`,
    );
    const [startLabel, endLabel] = parts.pair;
    const window = windowLines(parts.layout, startLabel, endLabel, show(start), show(end));
    const field = (label: string, value: string): string[] =>
      parts.layout === "below"
        ? [label, value]
        : [parts.layout === "row" ? `| ${label} | ${value}` : `${label}: ${value}`];
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
      text: [
        `Dear customer of ${parts.carrier},`,
        parts.status[1],
        ...blocks.flat(),
        "Kind regards, the NOC",
      ].join("\n"),
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

function windowLines(
  layout: string,
  startLabel: string,
  endLabel: string,
  start: string,
  end: string,
): string[] {
  if (layout === "below") return [startLabel, start, endLabel, end];
  if (layout === "row") return [`| ${startLabel} | ${start}`, `| ${endLabel} | ${end}`];
  if (layout === "range") return [`Maintenance window: ${start} - ${end}`];
  if (layout === "sentence") return [`The work will take place from ${start} to ${end}.`];
  return [`${startLabel}: ${start}`, `${endLabel}: ${end}`];
}
