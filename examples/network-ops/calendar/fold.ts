/**
 * What a maintenance is, given everything its carrier said about it.
 *
 * The calendar is never edited by a notice: it is folded anew from all accepted notices, in an order
 * that does not depend on when they arrived. So the same notices shuffled, doubled or late end in
 * the same calendar.
 */
import type { Impact, Statement, Status } from "../notice.ts";

/** A statement that was accepted, with the fingerprint of the notice that made it. */
export type AcceptedStatement = { readonly fingerprint: string; readonly statement: Statement };

/** A circuit in a window, by the carrier's id. */
export type CalendarCircuit = { readonly circuitId: string; readonly impact: Impact };

/** A window as the calendar holds it; instants are ISO 8601 in UTC with milliseconds. */
export type CalendarWindow = {
  readonly startsAt: string;
  readonly endsAt: string;
  readonly status: Status;
  readonly circuits: readonly CalendarCircuit[];
};

/** A maintenance as the calendar holds it: windows by start, end; circuits by id. */
export type CalendarEntry = { readonly status: Status; readonly windows: readonly CalendarWindow[] };

/** Impacts from mild to bad, as `netops.impact` orders them. */
const IMPACTS: readonly Impact[] = ["NO-IMPACT", "REDUCED-REDUNDANCY", "DEGRADED", "OUTAGE"];

/** The life of a maintenance: only breaks ties between notices sent at the same instant. */
const STATUSES: readonly Status[] = [
  "TENTATIVE",
  "CONFIRMED",
  "RE-SCHEDULED",
  "IN-PROCESS",
  "COMPLETED",
  "CANCELLED",
];

/** Whether nothing more happens in a window or maintenance of this status. */
export function isOver(status: Status): boolean {
  return status === "CANCELLED" || status === "COMPLETED";
}

/** The worse of two impacts. */
export function worseImpact(one: Impact, other: Impact): Impact {
  return IMPACTS.indexOf(one) >= IMPACTS.indexOf(other) ? one : other;
}

/**
 * Accepted statements from oldest to newest, each fingerprint once.
 *
 * Notices that number themselves stand in the order of their sequence, whatever their dates say;
 * the others in the order they were sent. The two lists are then merged by the sending time, which
 * keeps the order inside each, so that the whole is one order (comparing pair by pair by "sequence
 * if both have one, else date" is not: it can run in a circle). A notice without a date is oldest.
 */
export function inOrder(accepted: readonly AcceptedStatement[]): readonly AcceptedStatement[] {
  const once = [...new Map(accepted.map((item) => [item.fingerprint, item])).values()];
  const numbered = once.filter((item) => item.statement.sequence !== undefined).sort(bySequence);
  const plain = once.filter((item) => item.statement.sequence === undefined).sort(byTime);
  const merged: AcceptedStatement[] = [];
  for (const item of numbered) {
    while (plain[0] !== undefined && byTime(plain[0], item) < 0) merged.push(...plain.splice(0, 1));
    merged.push(item);
  }
  return [...merged, ...plain];
}

/**
 * The maintenance that these statements add up to.
 *
 * - A statement with windows replaces the plan. Circuits that it leaves out are taken over from the
 *   window with the same times, else the one in the same place.
 * - A cancellation, start or completion that names only some of the known windows moves those only.
 * - One that names no window moves every window that is not over.
 * - What is over stays over until a newer statement gives windows again.
 *
 * @param accepted one or more statements about the same maintenance, in any order
 */
export function foldStatements(accepted: readonly AcceptedStatement[]): CalendarEntry {
  let entry: CalendarEntry | undefined;
  for (const { statement } of inOrder(accepted)) entry = next(entry, statement);
  if (entry === undefined) throw new RangeError("a maintenance is folded from at least one statement");
  return entry;
}

function next(entry: CalendarEntry | undefined, statement: Statement): CalendarEntry {
  const known = entry?.windows ?? [];
  const { status } = statement;
  const stated = windowsOf(statement, known);
  if (stated.length > 0) {
    const partial = namesSome(stated, known, status);
    if (!partial) return { status, windows: stated };
    const byTimes = new Map(stated.map((window) => [timesOf(window), window]));
    const windows = known.map((window) => byTimes.get(timesOf(window)) ?? window);
    const agreed = windows.every((window) => window.status === status);
    return { status: agreed ? status : (entry?.status ?? status), windows };
  }
  if (entry === undefined) return { status, windows: [] };
  if (isOver(entry.status) && !isOver(status)) return entry;
  const open = known.some((window) => !isOver(window.status));
  if (!open && known.length > 0 && !isOver(status)) return entry;
  const windows = known.map((window) => (open && isOver(window.status) ? window : { ...window, status }));
  return { status, windows };
}

/** Whether a notice about the course of the work names a part of the known windows and nothing else. */
function namesSome(
  stated: readonly CalendarWindow[],
  known: readonly CalendarWindow[],
  status: Status,
): boolean {
  if (status !== "IN-PROCESS" && !isOver(status)) return false;
  const times = new Set(known.map(timesOf));
  return stated.length < known.length && stated.every((window) => times.has(timesOf(window)));
}

/** The stated windows in time order, one for each pair of times, with circuits left out filled in. */
function windowsOf(statement: Statement, known: readonly CalendarWindow[]): readonly CalendarWindow[] {
  const byTimes = new Map<string, CalendarWindow>();
  for (const window of statement.windows) {
    const plain: CalendarWindow = {
      startsAt: new Date(window.startsAt).toISOString(),
      endsAt: new Date(window.endsAt).toISOString(),
      status: statement.status,
      circuits: window.circuits,
    };
    const same = byTimes.get(timesOf(plain));
    byTimes.set(timesOf(plain), { ...plain, circuits: mergeCircuits(same?.circuits, window.circuits) });
  }
  const ordered = [...byTimes.values()].sort((a, b) => compare(timesOf(a), timesOf(b)));
  return ordered.map((window, place) => {
    if (window.circuits.length > 0) return window;
    const before = known.find((one) => timesOf(one) === timesOf(window)) ?? known[place] ?? known.at(-1);
    return { ...window, circuits: before?.circuits ?? [] };
  });
}

function mergeCircuits(
  one: readonly CalendarCircuit[] | undefined,
  other: readonly CalendarCircuit[],
): readonly CalendarCircuit[] {
  const impacts = new Map<string, Impact>();
  for (const { circuitId, impact } of [...(one ?? []), ...other])
    impacts.set(circuitId, worseImpact(impact, impacts.get(circuitId) ?? impact));
  return [...impacts]
    .map(([circuitId, impact]) => ({ circuitId, impact }))
    .sort((a, b) => compare(a.circuitId, b.circuitId));
}

function timesOf(window: CalendarWindow): string {
  return `${window.startsAt}/${window.endsAt}`;
}

function bySequence(one: AcceptedStatement, other: AcceptedStatement): number {
  return (one.statement.sequence ?? 0) - (other.statement.sequence ?? 0) || byTime(one, other);
}

function byTime(one: AcceptedStatement, other: AcceptedStatement): number {
  return (
    sentOf(one) - sentOf(other) ||
    STATUSES.indexOf(one.statement.status) - STATUSES.indexOf(other.statement.status) ||
    compare(one.fingerprint, other.fingerprint)
  );
}

/** Milliseconds of the sending time; a notice without one counts as older than any that has one. */
function sentOf(item: AcceptedStatement): number {
  return item.statement.sentAt === undefined ? 0 : Date.parse(item.statement.sentAt);
}

/** Order by code unit: a locale would make the calendar depend on the machine. */
function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
