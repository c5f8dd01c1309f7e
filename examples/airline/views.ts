/** The documents that the airline's tools answer with, read from its tables. */
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal, spoken } from "../retail/dialect.ts";

const Person = z.strictObject({ first_name: z.string(), last_name: z.string(), dob: z.string() });

/** The cabins, the cheapest first. */
export const Cabin = z.enum(["basic_economy", "economy", "business"]);
/** A cabin. */
export type Cabin = z.infer<typeof Cabin>;

/** A customer, with the payment methods and reservations that are theirs. */
export const User = z.strictObject({
  user_id: z.string().optional(),
  name: z.strictObject({ first_name: z.string(), last_name: z.string() }),
  address: z.record(z.string(), z.string().nullable()),
  email: z.string(),
  dob: z.string(),
  payment_methods: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number()]))),
  saved_passengers: z.array(Person),
  membership: z.string(),
  reservations: z.array(z.string()),
});

/** A reservation with its legs, passengers and payments. */
export const Reservation = z.strictObject({
  reservation_id: z.string(),
  user_id: z.string(),
  origin: z.string(),
  destination: z.string(),
  flight_type: z.string(),
  cabin: Cabin,
  flights: z.array(
    z.strictObject({
      origin: z.string(),
      destination: z.string(),
      flight_number: z.string(),
      date: z.string(),
      price: z.number(),
    }),
  ),
  passengers: z.array(Person),
  payment_history: z.array(z.strictObject({ payment_id: z.string(), amount: z.number() })),
  created_at: z.string(),
  total_baggages: z.number(),
  nonfree_baggages: z.number(),
  insurance: z.string(),
  status: z.string().nullable().optional(),
});
/** A reservation as a tool answers with it. */
export type Reservation = z.infer<typeof Reservation>;

const PERSON = "json_build_object('first_name', p.first_name, 'last_name', p.last_name, 'dob', p.dob::text)";

/** One customer. @throws {InputError} `business-refusal` */
export async function readUser(
  tx: Transaction,
  dialect: Dialect,
  userId: string,
): Promise<z.infer<typeof User>> {
  const state = dialect === 1 ? "province" : "state";
  const { rows } = await tx.query<{ document: z.infer<typeof User> }>(
    `select json_build_object('user_id', x.user_id,
       'name', json_build_object('first_name', x.first_name, 'last_name', x.last_name),
       'address', json_build_object('address1', x.address1, 'address2', x.address2, 'city', x.city,
          'country', x.country, '${state}', x.state, 'zip', x.zip),
       'email', x.email, 'dob', x.dob::text,
       'payment_methods', (select coalesce(json_object_agg(m.payment_method_id,
          json_strip_nulls(json_build_object('source', m.kind, 'brand', m.brand, 'last_four', m.last_four,
             'amount', m.amount, 'id', m.payment_method_id)) order by m.seq), '{}')
          from airline.payment_methods m where m.user_id = x.user_id and m.active),
       'saved_passengers', (select coalesce(json_agg(${PERSON} order by p.seq), '[]')
          from airline.saved_passengers p where p.user_id = x.user_id),
       'membership', x.membership,
       'reservations', (select coalesce(json_agg(r.reservation_id order by r.user_seq), '[]')
          from airline.reservations r where r.user_id = x.user_id)) as document
     from airline.users x where x.user_id = $1`,
    [userId],
  );
  if (rows[0] === undefined) throw refusal(dialect, "User not found");
  const { user_id, ...user } = User.parse(rows[0].document);
  // Dialect 1 does not repeat the id that it was asked for.
  return dialect === 1 ? user : { user_id, ...user };
}

/** One reservation. @throws {InputError} `business-refusal` */
export async function readReservation(
  tx: Transaction,
  dialect: Dialect,
  reservationId: string,
): Promise<Reservation> {
  const { rows } = await tx.query<{ document: unknown }>(
    `select json_build_object('reservation_id', x.reservation_id, 'user_id', x.user_id, 'origin', x.origin,
       'destination', x.destination, 'flight_type', x.flight_type, 'cabin', x.cabin,
       'flights', (select coalesce(json_agg(json_build_object(
          'origin', f.origin, 'destination', f.destination,
          'flight_number', l.flight_number, 'date', l.date::text, 'price', l.price) order by l.seq), '[]')
          from airline.reservation_flights l join airline.flights f using (flight_number)
          where l.reservation_id = x.reservation_id),
       'passengers', (select coalesce(json_agg(${PERSON} order by p.seq), '[]')
          from airline.reservation_passengers p where p.reservation_id = x.reservation_id),
       'payment_history', (select coalesce(json_agg(json_build_object('payment_id', y.payment_method_id,
          'amount', y.amount) order by y.seq), '[]')
          from airline.reservation_payments y where y.reservation_id = x.reservation_id),
       'created_at', to_char(x.created_at, 'YYYY-MM-DD"T"HH24:MI:SS'), 'total_baggages', x.total_baggages,
       'nonfree_baggages', x.nonfree_baggages, 'insurance', x.insurance, 'status', x.status) as document
     from airline.reservations x where x.reservation_id = $1`,
    [reservationId],
  );
  if (rows[0] === undefined) throw refusal(dialect, "Reservation not found");
  return spoken(dialect, Reservation.parse(rows[0].document));
}
