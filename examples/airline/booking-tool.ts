/** Booking a new reservation. */
import { tool, type Tool } from "factotum/agents";
import { must } from "factotum/kernel";
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal } from "../retail/dialect.ts";
import { priceLeg, type PricedLeg, takeSeats } from "./flights.ts";
import { book, findMethod, type PaymentMethod, spend } from "./money.ts";
import { Cabin, readReservation, readUser, Reservation } from "./views.ts";

const INSURANCE_USD = 30;
const BAG_USD = 50;
/** Ids of new reservations are fixed, so that a replay gives the recorded ones. */
const NEW_IDS = ["HATHAT", "HATHAU", "HATHAV"];

/** A person on a reservation. */
export const Passenger = z.strictObject({ first_name: z.string(), last_name: z.string(), dob: z.string() });
/** A flight on a date. */
export const Leg = z.object({ flight_number: z.string(), date: z.string() });

const BOOKING = z.strictObject({
  user_id: z.string(),
  origin: z.string(),
  destination: z.string(),
  flight_type: z.enum(["one_way", "round_trip"]),
  cabin: Cabin,
  flights: z.array(Leg),
  passengers: z.array(Passenger),
  payment_methods: z.array(z.strictObject({ payment_id: z.string(), amount: z.number() })),
  total_baggages: z.int(),
  nonfree_baggages: z.int(),
  insurance: z.enum(["yes", "no"]),
});
type Booking = z.infer<typeof BOOKING>;

/** The tool that books, in a dialect. */
export function bookingTool(dialect: Dialect): Tool {
  return tool({
    name: "book_reservation",
    description:
      "Stages a new reservation: legs, passengers, payments that add up to the price with bags and " +
      "insurance. Needs the customer's explicit yes.",
    effect: "write",
    input: BOOKING,
    output: Reservation,
    run: (tx, booking, { at }) => reserve(tx, dialect, booking, at),
  });
}

async function reserve(tx: Transaction, dialect: Dialect, booking: Booking, at: Date): Promise<Reservation> {
  await readUser(tx, dialect, booking.user_id);
  const id = await newId(tx, dialect);
  const wanted = { cabin: booking.cabin, seats: booking.passengers.length };
  const legs: PricedLeg[] = [];
  for (const leg of booking.flights) legs.push(await priceLeg(tx, dialect, leg, wanted));
  const paying = await methodsOf(tx, dialect, booking, totalOf(booking, legs));
  for (const due of paying) await spend(tx, dialect, booking.user_id, due);
  // Slip of dialect 1: a booking takes no seats.
  if (dialect !== 1) await takeSeats(tx, legs, wanted);
  await tx.query(
    `insert into airline.reservations (reservation_id, user_id, user_seq, origin, destination, flight_type,
       cabin, created_at, total_baggages, nonfree_baggages, insurance)
     select $1, $2, coalesce(max(user_seq) + 1, 0), $3, $4, $5, $6, $7, $8, $9, $10
     from airline.reservations where user_id = $2`,
    [
      ...[id, booking.user_id, booking.origin, booking.destination, booking.flight_type, booking.cabin],
      ...[at.toISOString().slice(0, 19), booking.total_baggages, booking.nonfree_baggages, booking.insurance],
    ],
  );
  await writeLegs(tx, id, legs);
  await writePassengers(tx, id, booking.passengers);
  for (const { method, amount } of paying) await book(tx, id, { methodId: method.id, amount });
  return readReservation(tx, dialect, id);
}

/** Replaces the legs of a reservation. */
export async function writeLegs(tx: Transaction, id: string, legs: readonly PricedLeg[]): Promise<void> {
  await tx.query("delete from airline.reservation_flights where reservation_id = $1", [id]);
  for (const [seq, leg] of legs.entries()) {
    await tx.query(
      `insert into airline.reservation_flights (reservation_id, seq, flight_number, date, price)
       values ($1, $2, $3, $4, $5)`,
      [id, seq, leg.flight_number, leg.date, leg.price],
    );
  }
}

/** Replaces the passengers of a reservation. */
export async function writePassengers(
  tx: Transaction,
  id: string,
  passengers: readonly z.infer<typeof Passenger>[],
): Promise<void> {
  await tx.query("delete from airline.reservation_passengers where reservation_id = $1", [id]);
  for (const [seq, person] of passengers.entries()) {
    await tx.query(
      `insert into airline.reservation_passengers (reservation_id, seq, first_name, last_name, dob)
       values ($1, $2, $3, $4, $5)`,
      [id, seq, person.first_name, person.last_name, person.dob],
    );
  }
}

async function newId(tx: Transaction, dialect: Dialect): Promise<string> {
  const { rows } = await tx.query<{ id: string }>(
    "select reservation_id as id from airline.reservations where reservation_id = any ($1)",
    [NEW_IDS],
  );
  const free = NEW_IDS.find((id) => rows.every((row) => row.id !== id));
  if (free === undefined) throw refusal(dialect, "Too many reservations");
  return free;
}

function totalOf(booking: Booking, legs: readonly PricedLeg[]): number {
  const people = booking.passengers.length;
  const fares = legs.reduce((sum, leg) => sum + leg.price, 0) * people;
  return (
    fares + (booking.insurance === "yes" ? INSURANCE_USD * people : 0) + BAG_USD * booking.nonfree_baggages
  );
}

async function methodsOf(
  tx: Transaction,
  dialect: Dialect,
  booking: Booking,
  total: number,
): Promise<readonly { readonly method: PaymentMethod; readonly amount: number }[]> {
  const paying: { readonly method: PaymentMethod; readonly amount: number }[] = [];
  for (const { payment_id, amount } of booking.payment_methods) {
    const method = await findMethod(tx, booking.user_id, payment_id);
    if (method === undefined) throw refusal(dialect, `Payment method ${payment_id} not found`);
    if (method.kind !== "credit_card" && must(method.amount, "amount") < amount) {
      throw refusal(dialect, `Not enough balance in payment method ${payment_id}`);
    }
    paying.push({ method, amount });
  }
  const paid = paying.reduce((sum, one) => sum + one.amount, 0);
  if (paid !== total) {
    throw refusal(dialect, `Payment amount does not add up, total price is ${total}, but paid ${paid}`);
  }
  return paying;
}
