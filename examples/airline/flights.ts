/** Flights on a day: their state, seats and prices. */
import { InputError } from "factotum/kernel";
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal } from "../retail/dialect.ts";
import type { Cabin } from "./views.ts";

const PerCabin = z.strictObject({
  basic_economy: z.number().optional(),
  economy: z.number().optional(),
  business: z.number().optional(),
});

/** A flight that a search found. The day's fields depend on its status. */
export const Found = z.looseObject({
  flight_number: z.string(),
  origin: z.string(),
  destination: z.string(),
  scheduled_departure_time_est: z.string(),
  scheduled_arrival_time_est: z.string(),
  status: z.string(),
  available_seats: PerCabin.optional(),
  prices: PerCabin.optional(),
  date: z.string().nullable().optional(),
});

type Leg = { readonly flight_number: string; readonly date: string };
/** A leg that can be sold. */
export type PricedLeg = Leg & { readonly price: number };

const DAY = `json_strip_nulls(json_build_object('status', d.status,
  'actual_departure_time_est', ${stamp("actual_departure_est")},
  'actual_arrival_time_est', ${stamp("actual_arrival_est")},
  'estimated_departure_time_est', ${stamp("estimated_departure_est")},
  'estimated_arrival_time_est', ${stamp("estimated_arrival_est")},
  'available_seats', (select json_object_agg(c.cabin, c.seats) from airline.flight_fares c
     where c.flight_number = d.flight_number and c.date = d.date),
  'prices', (select json_object_agg(c.cabin, c.price) from airline.flight_fares c
     where c.flight_number = d.flight_number and c.date = d.date)))`;

/** Finds flights that fly from one airport to another on a date and can be booked. */
export async function searchDirect(
  tx: Transaction,
  dialect: Dialect,
  trip: { readonly origin: string; readonly destination: string; readonly date: string },
): Promise<z.infer<typeof Found>[]> {
  const { rows } = await tx.query<{ flight: object; day: object }>(
    `select ${flight("f")} as flight, ${DAY} as day
     from airline.flights f join airline.flight_days d using (flight_number)
     where f.origin = $1 and f.destination = $2 and d.date::text = $3 and d.status = 'available'
     order by f.seq`,
    [trip.origin, trip.destination, trip.date],
  );
  const date = dialect === 1 ? {} : { date: null };
  return rows.map((row) => Found.parse({ ...row.flight, ...row.day, ...date }));
}

/** Finds pairs of flights with one stop, the second leaving after the first lands. */
export async function searchOneStop(
  tx: Transaction,
  dialect: Dialect,
  trip: { readonly origin: string; readonly destination: string; readonly date: string },
): Promise<z.infer<typeof Found>[][]> {
  const next = dayAfter(dialect, trip.date);
  const { rows } = await tx.query<{
    first: object;
    day: object;
    second: object;
    later: object | null;
    on: string;
  }>(
    `select ${flight("f")} as first, ${DAY} as day, ${flight("g")} as second, e.date::text as on,
       (select ${DAY} from airline.flight_days d
          where d.flight_number = g.flight_number and d.date = shown.on)
         as later
     from airline.flights f
     join airline.flight_days d using (flight_number)
     join airline.flights g on g.origin = f.destination
     join airline.flight_days e on e.flight_number = g.flight_number
       and e.date::text = case when f.scheduled_arrival_est like '%+1%' then $4 else $3 end
     -- Slip of dialect 1: the second leg shows the seats and prices of the first date.
     cross join lateral (select case when $5 then d.date else e.date end as on) shown
     where f.origin = $1 and g.destination = $2 and d.date::text = $3
       and d.status = 'available' and e.status = 'available'
       and case when $6 and f.scheduled_arrival_est like '%+1%'
         then replace(f.scheduled_arrival_est, '+1', '') <= g.scheduled_departure_est
         else f.scheduled_arrival_est collate "C" <= g.scheduled_departure_est collate "C" end
     order by f.seq, g.seq`,
    [trip.origin, trip.destination, trip.date, next, dialect === 1, dialect === "own"],
  );
  return rows.map((row) => [
    Found.parse({ ...row.first, ...row.day, date: trip.date }),
    Found.parse({ ...row.second, ...row.later, date: row.on }),
  ]);
}

/** Slip of both benchmarks: the day after is the next number in May 2024. */
function dayAfter(dialect: Dialect, date: string): string {
  if (dialect !== "own") return `2024-05-${Number(date.slice(-2)) + 1}`;
  const day = new Date(`${date}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + 1);
  return day.toISOString().slice(0, 10);
}

/** A day's status. @throws {InputError} `business-refusal` */
export async function flightStatus(tx: Transaction, dialect: Dialect, leg: Leg): Promise<string> {
  const { rows } = await tx.query<{ status: string | null }>(
    `select d.status from airline.flights f
     left join airline.flight_days d on d.flight_number = f.flight_number and d.date::text = $2
     where f.flight_number = $1`,
    [leg.flight_number, leg.date],
  );
  if (rows[0] === undefined) throw refusal(dialect, `Flight ${leg.flight_number} not found`);
  if (rows[0].status === null) {
    throw refusal(dialect, `Flight ${leg.flight_number} not found on date ${leg.date}`);
  }
  return rows[0].status;
}

/** Prices a leg that has seats for so many passengers. @throws {InputError} `business-refusal` */
export async function priceLeg(
  tx: Transaction,
  dialect: Dialect,
  leg: Leg,
  wanted: { readonly cabin: Cabin; readonly seats: number },
): Promise<PricedLeg> {
  const status = await flightStatus(tx, dialect, leg);
  if (status !== "available") {
    throw refusal(dialect, `Flight ${leg.flight_number} not available on date ${leg.date}`);
  }
  const { rows } = await tx.query<{ seats: number; price: number }>(
    "select seats, price from airline.flight_fares where flight_number = $1 and date = $2 and cabin = $3",
    [leg.flight_number, leg.date, wanted.cabin],
  );
  const [fare] = rows;
  if (fare === undefined || fare.seats < wanted.seats) {
    throw refusal(dialect, `Not enough seats on flight ${leg.flight_number}`);
  }
  return { flight_number: leg.flight_number, date: leg.date, price: fare.price };
}

/** Takes seats on legs, or gives them back where negative. @throws {InputError} `seats-missing` */
export async function takeSeats(
  tx: Transaction,
  legs: readonly Leg[],
  wanted: { readonly cabin: Cabin; readonly seats: number },
): Promise<void> {
  for (const leg of legs) {
    const { rowCount } = await tx.query(
      `update airline.flight_fares set seats = seats - $4
       where flight_number = $1 and date = $2 and cabin = $3 and seats >= $4`,
      [leg.flight_number, leg.date, wanted.cabin, wanted.seats],
    );
    // A day that has flown has no fares left to give seats back to.
    if (rowCount === 1 || wanted.seats <= 0) continue;
    throw new InputError({
      code: "seats-missing",
      message: `${leg.flight_number} on ${leg.date} has no ${wanted.seats} seats left in ${wanted.cabin}`,
    });
  }
}

function flight(alias: string): string {
  return `json_build_object('flight_number', ${alias}.flight_number, 'origin', ${alias}.origin,
    'destination', ${alias}.destination, 'scheduled_departure_time_est', ${alias}.scheduled_departure_est,
    'scheduled_arrival_time_est', ${alias}.scheduled_arrival_est)`;
}

function stamp(column: string): string {
  return `to_char(d.${column}, 'YYYY-MM-DD"T"HH24:MI:SS')`;
}
