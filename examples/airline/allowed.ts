/** What the policy lets a reservation undergo, as far as the books show it. */
import type { DeskContext } from "../retail/conversation.ts";

const DAY_MS = 86_400_000;

/** A reservation that was looked at in a conversation. */
export type Standing = {
  readonly id: string;
  readonly cabin: string;
  readonly membership: string;
  readonly insured: boolean;
  /** Whether it was booked within the last day. */
  readonly fresh: boolean;
  readonly flown: boolean;
  readonly cancelled: boolean;
  readonly delayed: boolean;
};

/** What the books say of the grounds for letting a reservation go. */
export type Grounds = Pick<Standing, "cabin" | "cancelled" | "fresh">;

/** Whether a reservation may be cancelled on the books alone; an insurance needs a reason, too. */
export function mayBeCancelled({ cabin, cancelled, fresh }: Grounds): boolean {
  return fresh || cancelled || cabin === "business";
}

/** Whether a reservation was booked within the last day; `booked` is a timestamp of the airline's, in UTC. */
export function isFresh(booked: string, at: Date): boolean {
  return at.getTime() - Date.parse(`${booked.replace(" ", "T")}Z`) <= DAY_MS;
}

/** What is wished for, and whether a reservation may have it. */
const ALLOWED: Readonly<Record<string, (one: Standing) => boolean>> = {
  "a cancellation": (one) => mayBeCancelled(one) || one.insured,
  "another flight": (one) => one.cabin !== "basic_economy" && !one.flown,
  "another cabin": (one) => !one.flown,
  compensation: (one) =>
    (one.cancelled || one.delayed) &&
    (one.membership !== "regular" || one.insured || one.cabin === "business"),
};

/** Whether none of these reservations may have what is wished for; of none at all, nothing is known. */
export function forbidden(what: string, among: readonly Standing[]): boolean {
  const allowed = ALLOWED[what];
  return allowed !== undefined && among.length > 0 && !among.some(allowed);
}

/** The reservations that the agent looked at. */
export async function lookedAt({ calls, view, at }: DeskContext): Promise<readonly Standing[]> {
  const ids = calls.flatMap(({ tool, input }) =>
    tool === "get_reservation_details"
      ? [(input as { readonly reservation_id?: string }).reservation_id ?? ""]
      : [],
  );
  const { rows } = await view.query<Omit<Standing, "fresh"> & { readonly booked: string }>(
    `select r.reservation_id as id, r.cabin, u.membership, r.insurance = 'yes' as insured,
       r.created_at::text as booked, bool_or(d.status in ('landed', 'flying')) as flown,
       bool_or(d.status = 'cancelled') as cancelled, bool_or(d.status = 'delayed') as delayed
     from airline.reservations r join airline.users u using (user_id)
     join airline.reservation_flights l using (reservation_id)
     join airline.flight_days d using (flight_number, date)
     where r.reservation_id = any ($1)
     group by r.reservation_id, u.membership`,
    [ids],
  );
  return rows.map(({ booked, ...one }) => ({ ...one, fresh: isFresh(booked, at) }));
}
