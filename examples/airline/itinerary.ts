/** Where a reservation flies: "the API does not check these, so make sure that the rules apply". */
import type { DeskContext } from "../retail/conversation.ts";
import { cabinsAsked, flown, legsMoved, type Touched } from "./touched.ts";

/** "Basic economy flights cannot be modified"; its cabin may be changed first, in a change of its own. */
export function basicEconomyStays(one: Touched, { calls }: DeskContext): readonly string[] {
  if (one.before?.["cabin"] !== "basic_economy" || !legsMoved(one)) return [];
  const earlier = cabinsAsked(calls, one.id).slice(0, -1);
  if (earlier.some((cabin) => cabin !== "basic_economy")) return [];
  return [`${one.id} is basic economy; its flights cannot be changed`];
}

/** "Without changing the origin, destination, and trip type": the legs join up and fly the trip. */
export function sameTrip(one: Touched): readonly string[] {
  if (one.before !== null && !legsMoved(one)) return [];
  const { origin, destination, flight_type } = one.after;
  const legs = one.legsAfter;
  const end = flight_type === "round_trip" ? origin : destination;
  const whole = legs[0]?.origin === origin && legs.at(-1)?.destination === end;
  const there = legs.some((leg) => leg.destination === destination);
  // A round trip flies back from where it went, a one-way trip from nowhere else: legs join up.
  const broken = legs.some((leg, at) => at > 0 && legs[at - 1]?.destination !== leg.origin);
  if (whole && there && !broken) return [];
  return [`${one.id} does not fly its trip, ${origin ?? ""} to ${destination ?? ""}`];
}

/** "If any flight has been flown", neither it nor the cabin may be changed. */
export function notFlown(one: Touched, { at }: DeskContext): readonly string[] {
  if (one.before === null || one.after["status"] === "cancelled") return [];
  const gone = one.legsBefore.filter((leg) => flown(leg, at));
  const kept = gone.every((leg) =>
    one.legsAfter.some((next) => next.flight === leg.flight && next.date === leg.date),
  );
  const sameCabin = one.before["cabin"] === one.after["cabin"];
  return gone.length > 0 && !(kept && sameCabin) ? [`${one.id} has flown in part`] : [];
}
