/** The reservations that a change set touches, as they were and as they would be. */
import type { Row } from "factotum/changes";
import type { DeskContext } from "../retail/conversation.ts";

/** A leg with what its day says of it. */
type TouchedLeg = {
  readonly flight: string;
  readonly date: string;
  readonly status: string;
  readonly origin: string;
  readonly destination: string;
};

/** One reservation. `before` is null where the change set books it. */
export type Touched = {
  readonly id: string;
  readonly before: Row | null;
  readonly after: Row;
  /** The cabin paid for: dialect 1 charges for another cabin and does not note it. */
  readonly cabin: string;
  readonly membership: string;
  readonly people: number;
  readonly legsBefore: readonly TouchedLeg[];
  readonly legsAfter: readonly TouchedLeg[];
};

type Seen = {
  readonly row: Record<string, string | number | null>;
  readonly membership: string;
  readonly people: number;
  readonly legs: Record<string, TouchedLeg> | null;
};

const SEEN = `select to_json(r) as row, u.membership,
    (select count(*)::int from airline.reservation_passengers p
      where p.reservation_id = r.reservation_id) as people,
    (select json_object_agg(l.seq, ${leg("l")}) from airline.reservation_flights l
       join airline.flights f using (flight_number) join airline.flight_days d using (flight_number, date)
      where l.reservation_id = r.reservation_id) as legs
  from airline.reservations r join airline.users u using (user_id) where r.reservation_id = $1`;

/** Reads every reservation that the change set touches. */
export async function touchedReservations(context: DeskContext): Promise<readonly Touched[]> {
  const ids = context.diff.flatMap((row) =>
    row.table.startsWith("airline.reservation") ? [row.key["reservation_id"] ?? ""] : [],
  );
  const found: Touched[] = [];
  for (const id of new Set(ids)) found.push(await touched(context, id));
  return found;
}

async function touched({ diff, view, calls }: DeskContext, id: string): Promise<Touched> {
  const { rows } = await view.query<Seen>(SEEN, [id]);
  const seen = rows[0];
  if (seen === undefined) throw new Error(`reservation ${id} is not there`);
  const after = Object.fromEntries(
    Object.entries(seen.row).map(([name, value]) => [name, value === null ? null : String(value)]),
  );
  const head = diff.find((row) => row.table === "airline.reservations" && row.key["reservation_id"] === id);
  const legs = new Map(Object.entries(seen.legs ?? {}));
  const before = new Map(legs);
  for (const row of diff) {
    if (row.table !== "airline.reservation_flights" || row.key["reservation_id"] !== id) continue;
    const seq = row.key["seq"] ?? "";
    if (row.before === null) before.delete(seq);
    else before.set(seq, await legOf(view, row.before));
  }
  const inOrder = (all: ReadonlyMap<string, TouchedLeg>): readonly TouchedLeg[] =>
    [...all].sort(([a], [b]) => Number(a) - Number(b)).map(([, one]) => one);
  return {
    ...{ id, after, membership: seen.membership, people: seen.people },
    cabin: cabinsAsked(calls, id).at(-1) ?? after["cabin"] ?? "",
    before: head?.kind === "insert" ? null : (head?.before ?? after),
    legsBefore: inOrder(before),
    legsAfter: inOrder(legs),
  };
}

/** The cabins that changes of this reservation asked for, in order. */
export function cabinsAsked(calls: DeskContext["calls"], id: string): readonly string[] {
  return calls.flatMap(({ tool, input }) => {
    const { reservation_id, cabin } = input as { readonly reservation_id?: string; readonly cabin?: string };
    return tool === "update_reservation_flights" && reservation_id === id && cabin ? [cabin] : [];
  });
}

async function legOf(view: DeskContext["view"], row: Row): Promise<TouchedLeg> {
  const { rows } = await view.query<{ leg: TouchedLeg }>(
    `select ${leg("d")} as leg from airline.flights f join airline.flight_days d using (flight_number)
     where flight_number = $1 and d.date = $2`,
    [row["flight_number"], row["date"]],
  );
  if (rows[0] === undefined) throw new Error(`flight ${row["flight_number"] ?? ""} is not there`);
  return rows[0].leg;
}

function leg(day: string): string {
  return `json_build_object('flight', f.flight_number, 'date', ${day}.date::text, 'status', d.status,
    'origin', f.origin, 'destination', f.destination)`;
}

/** Whether a change moves a reservation to other flights or days. */
export function legsMoved(one: Touched): boolean {
  const names = (legs: Touched["legsAfter"]): string =>
    legs.map(({ flight, date }) => `${flight} ${date}`).join();
  return one.before !== null && names(one.legsBefore) !== names(one.legsAfter);
}

/** Whether a leg has taken off. */
export function flown({ status, date }: Touched["legsAfter"][number], at: Date): boolean {
  return ["landed", "flying"].includes(status) || date < at.toISOString().slice(0, 10);
}
