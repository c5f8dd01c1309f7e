/** The airline's tools: typed functions over a transaction on schema `airline`. */
import type { Tool } from "factotum/agents";
import type { Dialect } from "../retail/dialect.ts";
import { everydayTools } from "../retail/everyday.ts";
import { bookingTool } from "./booking-tool.ts";
import { changingTools } from "./changing-tools.ts";
import { readingTools } from "./reading-tools.ts";

/** The tables that the tools write. */
export const airlineTables = [
  "airline.payment_methods",
  "airline.flight_fares",
  "airline.reservations",
  "airline.reservation_flights",
  "airline.reservation_passengers",
  "airline.reservation_payments",
] as const;

/** All tools of the airline, in a dialect. */
export function airlineTools(dialect: Dialect): readonly Tool[] {
  return [
    ...everydayTools(dialect),
    ...readingTools(dialect),
    bookingTool(dialect),
    ...changingTools(dialect),
  ];
}
