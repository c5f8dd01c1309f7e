/** Notices whose fields contradict each other or speak of something else, and wordings that do not. */
import type { Draft } from "./styles.ts";

/** A plain notice of an invented carrier in which one line at a time is changed. */
type Change = {
  readonly title?: string;
  readonly opening?: string;
  readonly id?: string;
  readonly time?: string;
  readonly impact?: string;
  readonly more?: string;
};

const draft = (name: string, change: Change, more: Partial<Draft> = {}): Draft => ({
  name,
  carrier: "Ostfjell Transport",
  subject: change.title ?? "Ostfjell Transport planned maintenance OFT-2026-00417",
  sentAt: "2026-01-12T09:00:00Z",
  text: [
    "Ostfjell Transport",
    change.opening ?? "Planned maintenance",
    change.id ?? "Change number: OFT-2026-00417",
    change.time ?? "Start: 10 February 2026 00:00 UTC\nEnd: 10 February 2026 04:00 UTC",
    "Circuit: OFT-WAVE-70331",
    change.impact ?? "Impact: Outage of up to 45 minutes",
    "Reason: fibre work",
    ...(change.more === undefined ? [] : [change.more]),
  ].join("\n"),
  id: "OFT-2026-00417",
  circuits: ["OFT-WAVE-70331"],
  windows: [["2026-02-10T00:00:00Z", "2026-02-10T04:00:00Z"]],
  ...more,
});
const ask = (name: string, change: Change): Draft => draft(name, change, { ask: true });
const summer = (start: string, end: string): Partial<Draft> => ({ windows: [[start, end]] });

/** A status that belongs to something else, or that the dates deny. */
const DENIED: readonly Draft[] = [
  ask("a phase was completed", { opening: "Planned maintenance\nPhase 1 was completed in December." }),
  ask("a survey was completed", { opening: "Planned maintenance\nThe site survey has been completed." }),
  ask("other work runs", { opening: "Planned maintenance\nWork on OFT-2025-00011 is in progress." }),
  ask("other work was cancelled", { opening: "Planned maintenance\nReplaces OFT-2025-00011 (cancelled)" }),
  ask("an order was cancelled", { opening: "Planned maintenance\nYour order 4411 has been cancelled." }),
  ask("done weeks before the start", { opening: "Status: COMPLETED" }),
  ask("begun weeks before the start", { opening: "This maintenance has started." }),
  ask("cancelled and going ahead", {
    opening: "Status: CANCELLED\nWe confirm that this maintenance will proceed as planned.",
  }),
  ask("moved, and no date yet", { opening: "This maintenance has been rescheduled. A new date follows." }),
  ask("a plan to move it", { opening: "We are planning to reschedule the maintenance." }),
  ask("a year too early", { time: "Start: 10 February 2025 00:00 UTC\nEnd: 10 February 2025 04:00 UTC" }),
];

/** Times that a careful person would not take as they stand. */
const UNSETTLED: readonly Draft[] = [
  ask("two days, one time", { time: "Date: February 10, 2026 and February 11, 2026\nTime: 00:00-04:00 UTC" }),
  ask("days through days", {
    time: "Date: February 10, 2026 through February 12, 2026\nTime: 00:00-04:00 UTC",
  }),
  ask("about that time", {
    time: "Start: approx. 10 February 2026 00:00 UTC\nEnd: 10 February 2026 04:00 UTC",
  }),
  ask("the portal's zone", {
    time: "Start: 10 February 2026 00:00\nEnd: 10 February 2026 04:00",
    more: "Our customer portal shows times in UTC.",
  }),
  ask("an offset that is not the word's", {
    time: "Start: 10 Feb 2026 00:00 CET (UTC+2)\nEnd: 10 Feb 2026 04:00 CET (UTC+2)",
  }),
];

const HIT: readonly Draft[] = [
  ask("an outage and no downtime", { impact: "Impact: Outage\nExpected downtime: none" }),
  ask("an outage that is unlikely", { impact: "Impact: no redundancy during the work, outage unlikely" }),
  ask("a risk in another language", { impact: "Impact: riesgo de corte de servicio" }),
  ask("a port that stays up", { impact: "Impact: no port down expected" }),
  ask("a row that is not understood", {
    impact: "Impact: Outage\nOFT-WAVE-70331 protected, stays on path B",
  }),
  ask("an id of another form beside a label for the id", {
    title: "Ostfjell Transport planned maintenance, client ticket 44100",
    id: "Maintenance ID: 4 4 1 7\nClient ticket: 44100",
  }),
  draft("times out of two", { impact: "Expected outage: 2 x 30 minutes" }),
  draft("a port that goes down", { impact: "Impact: port down for approx. 15 min." }),
  draft("switch hits", { impact: "Impact: 2 switch hits of 50 ms" }, { impact: "REDUCED-REDUNDANCY" }),
  draft(
    "degradation with latency",
    { impact: "Impact: degradation of service (added latency)" },
    {
      impact: "DEGRADED",
    },
  ),
  draft("influence none", { impact: "Influence: None (no influence on traffic)" }, { impact: "NO-IMPACT" }),
  draft("an outage in German", { impact: "Auswirkung: Ausfall bis zu 60 Minuten" }),
];

const WORDED: readonly Draft[] = [
  draft("a label in German", { id: "Wartungsnummer: OFT-2026-00417" }),
  draft("a label in two languages", { id: "Orden de trabajo / Work order: OFT-2026-00417" }),
  draft("a label for an operation", { id: "Operation: OFT-2026-00417" }),
  draft("dots are day-first", { time: "Start: 10.02.2026, 00:00 UTC\nEnd: 10.02.2026, 04:00 UTC" }),
  draft("a city's time", { time: "Start: 10 Feb 2026 01:00 Oslo time\nEnd: 10 Feb 2026 05:00 Oslo time" }),
  draft("a zone explained below", {
    time: "Start: 10-FEB-2026 05:30 IST\nEnd: 10-FEB-2026 09:30 IST",
    more: "IST = UTC+05:30",
  }),
  draft(
    "a zone under its label",
    {
      time: "Start: 10 Jul 2026 02:00\nEnd: 10 Jul 2026 06:00\nTime zone\nCEST",
    },
    summer("2026-07-10T00:00:00Z", "2026-07-10T04:00:00Z"),
  ),
  draft("a change notification", {
    title: "Ostfjell Transport OFT-2026-00417",
    opening: "Change notification",
  }),
  draft(
    "work that is now over",
    {
      title: "Ostfjell Transport OFT-2026-00417",
      opening: "The works are now over.",
    },
    { status: "COMPLETED", sentAt: "2026-02-10T04:10:00Z" },
  ),
  draft(
    "work that will not take place",
    { opening: "The maintenance below will not take place." },
    {
      status: "CANCELLED",
    },
  ),
];

/** One carrier's circuits with a word beside each, and one window for each. */
export const CROSSED: readonly Draft[] = [
  ...DENIED,
  ...UNSETTLED,
  ...HIT,
  ...WORDED,
  {
    ...draft(
      "each circuit with its own window",
      {},
      { ask: true, circuits: ["OFT-WAVE-70331", "OFT-WAVE-70332"] },
    ),
    text: `Ostfjell Transport
Planned maintenance
Change number: OFT-2026-00417
Circuit ID | Start (UTC) | End (UTC) | Impact
OFT-WAVE-70331 | 10-FEB-2026 01:00 | 10-FEB-2026 04:00 | Outage
OFT-WAVE-70332 | 11-FEB-2026 01:00 | 11-FEB-2026 04:00 | Outage`,
  },
];
