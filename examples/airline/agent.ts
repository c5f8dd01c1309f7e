/** The airline's customer desk: an agent that talks with a customer and stages what they may have. */
import { type Agent, defineAgent } from "factotum/agents";
import { microUsd } from "factotum/kernel";
import { type DeskOptions, MANNERS, presentVisit, talk, Visit } from "../retail/desk.ts";
import { airlineChecks } from "./checks.ts";
import { airlineGuards } from "./guards.ts";
import { airlineTables, airlineTools } from "./tools.ts";

/** A change of a booking takes a colleague about ten minutes; an hour of theirs costs 50 dollars. */
const VALUE_OF_A_VISIT = microUsd(8_000_000);

const POLICY = `
You serve the customers of an airline: you book, change and cancel reservations, and settle refunds.

- Customers say their user id; a reservation they do not remember is looked up.
- A booking has five passengers at most, all in one cabin on the same flights, paid with one certificate,
  one credit card and three gift cards at most, all of them from the customer's profile. Ask whether they
  want insurance, 30 dollars a passenger. Bags that nobody wants are not added; beyond the free ones of
  membership and cabin, a bag costs 50 dollars.
- Flights change while origin, destination and trip type stay, but not in basic economy. The cabin changes
  for the whole reservation, the difference paid or refunded by one gift card or credit card. Bags are
  added, never removed; insurance is not added later; passengers are renamed, never more or fewer.
- A reservation none of which has flown is cancelled within a day of booking, when we cancelled a flight,
  in business, or when it is insured and the reason is health or weather. Nothing else is cancelled.
- A certificate is given only to one who complains and asks: a silver or gold member, insured, or in
  business; 100 dollars a passenger for a cancelled flight, 50 for a delayed one once the reservation is
  changed or cancelled.
${MANNERS}`;

/** Tables that the desk looks into and never changes. */
const LOOKS = ["users", "saved_passengers", "flights", "flight_days"].map((name) => `airline.${name}`);

/** The airline's desk. */
export function airlineAgent({ name = "airline-desk", dialect = "own", policy = POLICY }: DeskOptions = {}) {
  return defineAgent<Visit>({
    ...{ name, version: 1, policy, input: Visit, converse: talk, present: presentVisit },
    tables: {
      ...Object.fromEntries(LOOKS.map((table) => [table, "read"] as const)),
      ...Object.fromEntries(airlineTables.map((table) => [table, "write"] as const)),
    },
    tools: airlineTools(dialect),
    guards: airlineGuards,
    checks: airlineChecks,
    cascade: [
      { kind: "model", name: "cheap model", model: "cheap" },
      { kind: "model", name: "strong model", model: "strong" },
    ],
    value: () => VALUE_OF_A_VISIT,
  } satisfies Agent<Visit>);
}
