import fc from "fast-check";
import { peek } from "factotum/changes";
import type { Json, JsonObject } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { beforeAll, expect, test } from "vitest";
import type { Dialect } from "../retail/dialect.ts";
import { attempt, type Attempt } from "../retail/sample-shop.ts";
import { openAirline } from "./sample-airline.ts";
import { airlineTables, airlineTools } from "./tools.ts";

let db: Database;
beforeAll(async () => {
  db = await openAirline();
});

const desk = (dialect: Dialect): Attempt => attempt(db, airlineTables, airlineTools(dialect));
const passenger = { first_name: "Ida", last_name: "Berg", dob: "1990-01-01" };
const booking = {
  ...{ user_id: "ida", origin: "AAA", destination: "CCC", flight_type: "one_way", cabin: "economy" },
  ...{ flights: [{ flight_number: "F4", date: "2024-05-20" }], passengers: [passenger] },
  payment_methods: [{ payment_id: "certificate_1", amount: 100 }],
  ...{ total_baggages: 0, nonfree_baggages: 0, insurance: "no" },
};
const change = {
  ...{ reservation_id: "AAAAAA", cabin: "business", payment_id: "credit_card_1" },
  flights: [
    { flight_number: "F1", date: "2024-05-20" },
    { flight_number: "F2", date: "2024-05-20" },
  ],
};

async function seats(work: Attempt, flight: string, cabin: string): Promise<number> {
  const { rows } = await peek(db, work.changes(), (tx) =>
    tx.query<{ seats: number }>(
      `select seats from airline.flight_fares
       where flight_number = $1 and date = '2024-05-20' and cabin = $2`,
      [flight, cabin],
    ),
  );
  return rows[0]?.seats ?? -1;
}

test("a booking is created at the business's time, and takes seats but in dialect 1", async () => {
  for (const [dialect, left] of [
    [1, 3],
    [2, 2],
    ["own", 2],
  ] as const) {
    const work = desk(dialect);
    const made = { reservation_id: "HATHAT", created_at: "2030-01-02T12:00:00", cabin: "economy" };
    expect(await work.call("book_reservation", booking)).toMatchObject(made);
    expect(await seats(work, "F4", "economy")).toBe(left);
    const user = (await work.call("get_user_details", { user_id: "ida" })) as JsonObject;
    expect(user["reservations"]).toEqual(["AAAAAA", "HATHAT"]);
    expect(user["payment_methods"]).not.toHaveProperty("certificate_1");
    expect(Object.hasOwn(user, "user_id")).toBe(dialect !== 1);
  }
});

test("another cabin is paid for, not given in dialect 1, and moves seats in ours", async () => {
  for (const [dialect, cabin, left] of [
    [1, "economy", 3],
    [2, "business", 3],
    ["own", "business", 2],
  ] as const) {
    const work = desk(dialect);
    const changed = await work.call("update_reservation_flights", change);
    expect(changed).toMatchObject({ cabin, payment_history: [{ amount: 185 }, { amount: 215 }] });
    expect(await seats(work, "F1", "business")).toBe(left);
  }
});

test("a cancellation refunds every payment, and gives seats back in ours", async () => {
  for (const [dialect, left] of [
    [1, 3],
    [2, 3],
    ["own", 4],
  ] as const) {
    const work = desk(dialect);
    const cancelled = await work.call("cancel_reservation", { reservation_id: "AAAAAA" });
    expect(cancelled).toMatchObject({
      status: "cancelled",
      payment_history: [{ amount: 185 }, { amount: -185 }],
    });
    expect(await seats(work, "F1", "economy")).toBe(left);
  }
});

test("a second leg on the next day shows the first day's seats in dialect 1 only", async () => {
  const trip = { origin: "AAA", destination: "CCC", date: "2024-05-20" };
  const later = async (dialect: Dialect): Promise<Json | undefined> => {
    const pairs = (await desk(dialect).call(
      "search_onestop_flight",
      trip,
    )) as readonly (readonly JsonObject[])[];
    return pairs.find((pair) => pair[1]?.["date"] === "2024-05-21")?.[1]?.["available_seats"];
  };
  expect(await later("own")).toEqual({ economy: 4, business: 4 });
  expect(await later(1)).toEqual({ economy: 3, business: 3 });
  expect(await later(2)).toEqual({ economy: 4, business: 4 });
});

test("what the business does not do is refused", async () => {
  const refused = async (name: string, input: Json, because: string): Promise<void> => {
    const work = desk("own");
    await expect(work.call(name, input)).rejects.toThrow(because);
    expect(work.changes().rows).toEqual([]);
  };
  await refused("book_reservation", { ...booking, insurance: "yes" }, "total price is 130, but paid 100");
  await refused(
    "book_reservation",
    { ...booking, passengers: [1, 2, 3, 4].map(() => passenger) },
    "Not enough seats on flight F4",
  );
  await refused(
    "update_reservation_flights",
    { ...change, payment_id: "certificate_1" },
    "Certificate cannot be used",
  );
  await refused(
    "update_reservation_passengers",
    { reservation_id: "AAAAAA", passengers: [passenger, passenger] },
    "Number of passengers does not match",
  );
  await refused("get_reservation_details", { reservation_id: "ZZZZZZ" }, "Reservation not found");
});

const cabin = fc.constantFrom("economy", "business");
const people = fc.integer({ min: 1, max: 4 }).map((count) => Array.from({ length: count }, () => passenger));
const anyCall = fc.oneof(
  fc.record({
    name: fc.constant("book_reservation"),
    input: fc.record({ cabin, passengers: people }).map((more) => ({
      ...{ ...booking, ...more },
      payment_methods: [
        {
          payment_id: "credit_card_1",
          amount: (more.cabin === "economy" ? 100 : 200) * more.passengers.length,
        },
      ],
    })),
  }),
  fc.record({
    name: fc.constant("update_reservation_flights"),
    input: fc.record({
      cabin,
      reservation_id: fc.constantFrom("AAAAAA", "HATHAT"),
      payment_id: fc.constantFrom("gift_card_1", "credit_card_1"),
      flights: fc.constantFrom([{ flight_number: "F4", date: "2024-05-20" }], change.flights),
    }),
  }),
  fc.record({
    name: fc.constant("cancel_reservation"),
    input: fc.record({ reservation_id: fc.constantFrom("AAAAAA", "HATHAT") }),
  }),
);

/** Free and taken seats together, of every flight and cabin. */
const SEATS = `
  select (select string_agg(concat_ws(' ', f.flight_number, f.date, f.cabin, f.seats + coalesce(taken, 0)),
        ',' order by f.flight_number, f.date, f.cabin) from airline.flight_fares f left join (
      select l.flight_number, l.date, r.cabin, count(*) as taken from airline.reservations r
      join airline.reservation_flights l using (reservation_id)
      join airline.reservation_passengers using (reservation_id)
      where r.status is null group by 1, 2, 3) t using (flight_number, date, cabin)) as seats,
    (select min(amount)::float8 from airline.payment_methods) as least`;

/** Makes the calls, and says after each what no longer holds. */
async function slips(dialect: Dialect, calls: readonly { readonly name: string; readonly input: Json }[]) {
  const { rows: before } = await db.query<{ seats: string }>(SEATS);
  const work = desk(dialect);
  const broken = new Set<string>();
  let went = 0;
  for (const { name, input } of calls) {
    const done = await work.call(name, input).catch(() => undefined);
    if (done === undefined) continue;
    went += 1;
    const { rows } = await peek(db, work.changes(), (tx) =>
      tx.query<{ seats: string; least: number }>(SEATS),
    );
    if (rows[0]?.seats !== before[0]?.seats) broken.add(`a seat is lost or doubled by ${name}`);
    if ((rows[0]?.least ?? -1) < 0) broken.add(`${name} takes a card below nothing`);
  }
  return { went, broken: [...broken] };
}

test("whatever is called, a seat is free or taken once, and no gift card goes below nothing", async () => {
  let went = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyCall, { maxLength: 5 }), async (calls) => {
      const done = await slips("own", calls);
      went += done.went;
      expect(done.broken).toEqual([]);
    }),
    { numRuns: 40 },
  );
  expect(went).toBeGreaterThan(20);
});

test("the same rule catches the benchmarks' slips: seats neither taken, moved nor released", async () => {
  const book = { name: "book_reservation", input: booking };
  const move = { name: "update_reservation_flights", input: change };
  const cancel = { name: "cancel_reservation", input: { reservation_id: "AAAAAA" } };
  for (const dialect of [1, 2] as const) {
    const caught = (await Promise.all([book, move, cancel].map((one) => slips(dialect, [one])))).map(
      ({ broken }) => broken.length,
    );
    // Dialect 1 takes no seats for a booking and leaves the cabin as it was; dialect 2 notes another cabin.
    expect(caught).toEqual(dialect === 1 ? [1, 0, 1] : [0, 1, 1]);
  }
  expect((await slips("own", [book, move, cancel])).broken).toEqual([]);
});
