/** What may be done to a reservation: other flights, cabin, bags, passengers, an end; and certificates. */
import { tool, type Tool } from "factotum/agents";
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal } from "../retail/dialect.ts";
import { Leg, Passenger, writeLegs, writePassengers } from "./booking-tool.ts";
import { priceLeg, type PricedLeg, takeSeats } from "./flights.ts";
import { book, chargeChange } from "./money.ts";
import { Cabin, readReservation, readUser, Reservation } from "./views.ts";

const BAG_USD = 50;
/** Ids of new certificates are fixed, so that a replay gives the recorded ones. */
const NEW_IDS = ["certificate_3221322", "certificate_3221323", "certificate_3221324"];

const FLIGHTS = z.strictObject({
  reservation_id: z.string(),
  cabin: Cabin,
  flights: z.array(Leg),
  payment_id: z.string(),
});
const BAGS = z.strictObject({
  reservation_id: z.string(),
  total_baggages: z.int(),
  nonfree_baggages: z.int(),
  payment_id: z.string(),
});

/** Tools that change reservations, in a dialect. */
export function changingTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "update_reservation_flights",
      description:
        "Stages other flights or another cabin: give every leg of the whole reservation, also those that " +
        "stay. The difference is charged to one gift card or credit card. Needs the customer's explicit yes.",
      effect: "write",
      input: FLIGHTS,
      output: Reservation,
      run: (tx, input) => changeFlights(tx, dialect, input),
    }),
    tool({
      name: "update_reservation_baggages",
      description:
        "Stages more checked bags; each that is not free costs 50. Needs the customer's explicit yes.",
      effect: "write",
      input: BAGS,
      output: Reservation,
      run: (tx, input) => changeBags(tx, dialect, input),
    }),
    tool({
      name: "update_reservation_passengers",
      description: "Stages other passengers, as many as there were. Needs the customer's explicit yes.",
      effect: "write",
      input: z.strictObject({ reservation_id: z.string(), passengers: z.array(Passenger) }),
      output: Reservation,
      run: async (tx, { reservation_id, passengers }) => {
        const reservation = await readLive(tx, dialect, reservation_id);
        if (passengers.length !== reservation.passengers.length) {
          throw refusal(dialect, "Number of passengers does not match");
        }
        await writePassengers(tx, reservation_id, passengers);
        return readReservation(tx, dialect, reservation_id);
      },
    }),
    ...endingTools(dialect),
  ];
}

function endingTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "cancel_reservation",
      description:
        "Stages the cancellation of a whole reservation and its refunds. Needs the customer's yes.",
      effect: "write",
      input: z.strictObject({ reservation_id: z.string() }),
      output: Reservation,
      run: (tx, { reservation_id }) => cancel(tx, dialect, reservation_id),
    }),
    tool({
      name: "send_certificate",
      description: "Stages a travel certificate for a customer, in dollars.",
      effect: "write",
      input: z.strictObject({ user_id: z.string(), amount: z.number() }),
      output: z.string(),
      run: (tx, { user_id, amount }) => giveCertificate(tx, dialect, user_id, amount),
    }),
  ];
}

/** Slip of both benchmarks: what is cancelled can still be changed, and cancelled and refunded again. */
async function readLive(tx: Transaction, dialect: Dialect, id: string): Promise<Reservation> {
  const reservation = await readReservation(tx, dialect, id);
  if (dialect === "own" && reservation.status === "cancelled") {
    throw refusal(dialect, `Reservation ${id} is cancelled; it cannot be changed any more`);
  }
  return reservation;
}

async function changeFlights(
  tx: Transaction,
  dialect: Dialect,
  input: z.infer<typeof FLIGHTS>,
): Promise<Reservation> {
  const reservation = await readLive(tx, dialect, input.reservation_id);
  const wanted = { cabin: input.cabin, seats: reservation.passengers.length };
  const legs: PricedLeg[] = [];
  const kept: PricedLeg[] = [];
  for (const leg of input.flights) {
    const same = reservation.flights.find(
      (one) => one.flight_number === leg.flight_number && one.date === leg.date,
    );
    if (same !== undefined && input.cabin === reservation.cabin) {
      kept.push(same);
      legs.push(same);
    } else legs.push(await priceLeg(tx, dialect, leg, wanted));
  }
  const price = (all: readonly PricedLeg[]): number => all.reduce((sum, leg) => sum + leg.price, 0);
  const amount = (price(legs) - price(reservation.flights)) * wanted.seats;
  await chargeChange(tx, dialect, reservation, { methodId: input.payment_id, amount });
  await writeLegs(tx, input.reservation_id, legs);
  // Slip of dialect 1: the cabin is paid for and not changed.
  if (dialect !== 1) {
    await tx.query("update airline.reservations set cabin = $2 where reservation_id = $1", [
      input.reservation_id,
      input.cabin,
    ]);
  }
  // Slip of both benchmarks: a change of flights moves no seats.
  if (dialect === "own") {
    const left = reservation.flights.filter((leg) => !kept.includes(leg));
    await takeSeats(tx, left, { cabin: reservation.cabin, seats: -wanted.seats });
    await takeSeats(
      tx,
      legs.filter((leg) => !kept.includes(leg)),
      wanted,
    );
  }
  return readReservation(tx, dialect, input.reservation_id);
}

async function changeBags(
  tx: Transaction,
  dialect: Dialect,
  input: z.infer<typeof BAGS>,
): Promise<Reservation> {
  const reservation = await readLive(tx, dialect, input.reservation_id);
  const amount = BAG_USD * Math.max(0, input.nonfree_baggages - reservation.nonfree_baggages);
  await chargeChange(tx, dialect, reservation, { methodId: input.payment_id, amount });
  await tx.query(
    "update airline.reservations set total_baggages = $2, nonfree_baggages = $3 where reservation_id = $1",
    [input.reservation_id, input.total_baggages, input.nonfree_baggages],
  );
  return readReservation(tx, dialect, input.reservation_id);
}

async function cancel(tx: Transaction, dialect: Dialect, id: string): Promise<Reservation> {
  const reservation = await readLive(tx, dialect, id);
  for (const paid of reservation.payment_history) {
    await book(tx, id, { methodId: paid.payment_id, amount: -paid.amount });
  }
  await tx.query("update airline.reservations set status = 'cancelled' where reservation_id = $1", [id]);
  // Slip of both benchmarks: a cancellation releases no seats.
  if (dialect === "own") {
    const seats = -reservation.passengers.length;
    await takeSeats(tx, reservation.flights, { cabin: reservation.cabin, seats });
  }
  return readReservation(tx, dialect, id);
}

async function giveCertificate(
  tx: Transaction,
  dialect: Dialect,
  userId: string,
  amount: number,
): Promise<string> {
  await readUser(tx, dialect, userId);
  const { rows } = await tx.query<{ id: string }>(
    "select payment_method_id as id from airline.payment_methods where user_id = $1",
    [userId],
  );
  const free = NEW_IDS.find((id) => rows.every((row) => row.id !== id));
  if (free === undefined) throw refusal(dialect, "Too many certificates");
  await tx.query(
    `insert into airline.payment_methods (user_id, payment_method_id, seq, kind, amount)
     select $1, $2, coalesce(max(seq) + 1, 0), 'certificate', $3
     from airline.payment_methods where user_id = $1`,
    [userId, free, amount],
  );
  return `Certificate ${free} added to user ${userId} with amount ${amount}.`;
}
