/** Times of maintenance as carriers choose them: at night, where they work. */
import { DateTime } from "luxon";

/** A window of work in the local time of those who do it. */
export type LocalWindow = { readonly start: DateTime<true>; readonly end: DateTime<true> };

/** The instant in a zone; throws for a zone that does not exist. */
export function inZone(at: Date, zone: string): DateTime<true> {
  const local = DateTime.fromJSDate(at, { zone });
  if (!local.isValid) throw new RangeError(`no time zone is named ${zone}`);
  return local;
}

/**
 * A night's window `days` after `at`, moved on by a day while the clocks change in that night, so
 * that its wall-clock times mean one instant each.
 */
export function nightAfter(at: Date, zone: string, days: number, hour: number, hours: number): LocalWindow {
  let midnight = inZone(at, zone).startOf("day").plus({ days });
  while (midnight.offset !== midnight.plus({ days: 1 }).offset) midnight = midnight.plus({ days: 1 });
  const start = midnight.set({ hour });
  return { start, end: start.plus({ hours }) };
}

/** Local midnight of the first day, at least `days` after `at`, in which the zone's clocks change. */
export function clockChangeAfter(at: Date, zone: string, days: number): DateTime<true> {
  let midnight = inZone(at, zone).startOf("day").plus({ days });
  for (let tried = 0; tried < 400; tried += 1) {
    const next = midnight.plus({ days: 1 });
    if (midnight.offset !== next.offset) return midnight;
    midnight = next;
  }
  throw new RangeError(`the clocks of ${zone} do not change`);
}

/** ISO 8601 in UTC with milliseconds, the form of all instants in statements. */
export function utc(at: DateTime): string {
  return at.toJSDate().toISOString();
}
