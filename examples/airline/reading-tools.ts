/** What the desk may look up. */
import { tool, type Tool } from "factotum/agents";
import { z } from "zod";
import type { Dialect } from "../retail/dialect.ts";
import { flightStatus, Found, searchDirect, searchOneStop } from "./flights.ts";
import { readReservation, readUser, Reservation, User } from "./views.ts";

const TRIP = z.strictObject({ origin: z.string(), destination: z.string(), date: z.string() });

/** The airports that the airline serves; no table holds their cities. */
const AIRPORTS = {
  ...{ SFO: "San Francisco", JFK: "New York", LAX: "Los Angeles", ORD: "Chicago", DFW: "Dallas" },
  ...{ DEN: "Denver", SEA: "Seattle", ATL: "Atlanta", MIA: "Miami", BOS: "Boston", PHX: "Phoenix" },
  ...{ IAH: "Houston", LAS: "Las Vegas", MCO: "Orlando", EWR: "Newark", CLT: "Charlotte" },
  ...{ MSP: "Minneapolis", DTW: "Detroit", PHL: "Philadelphia", LGA: "LaGuardia" },
};

/** Tools that read, in a dialect. */
export function readingTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "get_user_details",
      description: "Shows a customer's profile, payment methods and reservation ids.",
      effect: "read",
      input: z.strictObject({ user_id: z.string() }),
      output: User,
      run: (tx, { user_id }) => readUser(tx, dialect, user_id),
    }),
    tool({
      name: "get_reservation_details",
      description: "Shows a reservation with its legs, passengers and payments.",
      effect: "read",
      input: z.strictObject({ reservation_id: z.string() }),
      output: Reservation,
      run: (tx, { reservation_id }) => readReservation(tx, dialect, reservation_id),
    }),
    ...searchTools(dialect),
  ];
}

function searchTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "search_direct_flight",
      description: "Finds direct flights that can be booked, with seats and prices of each cabin.",
      effect: "read",
      input: TRIP,
      output: z.array(Found),
      run: (tx, trip) => searchDirect(tx, dialect, trip),
    }),
    tool({
      name: "search_onestop_flight",
      description: "Finds pairs of flights with one stop that can be booked.",
      effect: "read",
      input: TRIP,
      output: z.array(z.array(Found)),
      run: (tx, trip) => searchOneStop(tx, dialect, trip),
    }),
    tool({
      name: "get_flight_status",
      description: "Shows the status of a flight on a date.",
      effect: "read",
      input: z.strictObject({ flight_number: z.string(), date: z.string() }),
      output: z.string(),
      run: (tx, leg) => flightStatus(tx, dialect, leg),
    }),
    tool({
      name: "list_all_airports",
      description: "Lists the airports served, with their cities.",
      effect: "read",
      input: z.strictObject({}),
      output: z.union([
        z.record(z.string(), z.string()),
        z.array(z.strictObject({ iata: z.string(), city: z.string() })),
      ]),
      run: async () =>
        dialect === 1 ? AIRPORTS : Object.entries(AIRPORTS).map(([iata, city]) => ({ iata, city })),
    }),
  ];
}
