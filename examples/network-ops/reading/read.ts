/**
 * One reading of one notice: a calendar with X-MAINTNOTE fields if there is one, else the text.
 *
 * Each field is read by itself and says what it doubts; only together, with no doubt left, are they
 * sure. The reading is a pure function of the notice and what is known.
 */
import type { Notice, Statement, Status } from "../notice.ts";
import { type Event, eventsOf, evidenceOf, invitedOf, toStatement } from "./calendar.ts";
import { crossDoubts } from "./cross-checks.ts";
import { readIdentifiers } from "./identifiers.ts";
import { same } from "./instants.ts";
import { readImpacts } from "./impact.ts";
import { type Affected, carriersNamed, readInventory } from "./inventory.ts";
import { forShape, type Taught } from "./lessons.ts";
import { layOut, type Page } from "./page.ts";
import { readStatus, statusClaims } from "./status.ts";
import type { Doubt, Evidence, Knowledge, Reading } from "./types.ts";
import { iso, readWindows, type WindowsFound } from "./windows.ts";

/**
 * Reads a notice.
 *
 * @returns statements as far as they could be read; `doubts` is empty exactly when all of it is sure
 */
export function readNotice(notice: Notice, knowledge: Knowledge): Reading {
  const { events, broken } = eventsOf(notice);
  const page = layOut(notice);
  if (events.length > 0 || broken) return fromCalendar(notice, page, events, broken, knowledge);
  return fromText(notice, page, knowledge);
}

/** The page as the readings and the lessons both see it. */
function affectedBy(page: Page, knowledge: Knowledge): Affected {
  const first = readInventory(page, knowledge, new Set());
  const taught = forShape(page, first.carrier, knowledge);
  return taught.strangers.size === 0 ? first : readInventory(page, knowledge, taught.strangers);
}

function fromText(notice: Notice, page: Page, knowledge: Knowledge): Reading {
  const affected = affectedBy(page, knowledge);
  const taught: Taught = forShape(page, affected.carrier, knowledge);
  const taken = new Set(affected.sightings.map(({ circuitId }) => circuitId.toLowerCase()));
  const identified = readIdentifiers(page, taken, taught.anchors);
  const impacts = readImpacts(page, affected.circuits, affected.sightings, taught.impacts);
  const status = readStatus(page, taught.statuses);
  const found = readWindows(page, notice, taught.windows, status.status === "RE-SCHEDULED");
  const doubts: Doubt[] = [
    ...affected.doubts,
    ...identified.doubts,
    ...found.doubts,
    ...impacts.doubts,
    ...status.doubts,
  ];
  doubts.push(...invitationDoubts(notice, page, found, status.status));
  const own = [...identified.ids, ...affected.circuits];
  doubts.push(...crossDoubts({ page, notice, status, found, sightings: affected.sightings, own }));
  if (page.truncated) doubts.push({ field: "notice", because: "the notice is too long to be read in full" });
  if (affected.circuits.length === 0 && affected.carrier !== undefined)
    doubts.push({ field: "circuits", because: "no circuit of ours is named" });
  const evidence: Evidence[] = [
    ...affected.evidence,
    ...identified.evidence,
    ...found.evidence,
    ...impacts.evidence,
    ...status.evidence,
  ];
  const [maintenanceId] = identified.ids;
  const statements: Statement[] = [];
  if (affected.carrier !== undefined && maintenanceId !== undefined && status.status !== undefined) {
    const circuits = affected.circuits.flatMap((circuitId) => {
      const impact = impacts.impactOf.get(circuitId);
      return impact === undefined ? [] : [{ circuitId, impact }];
    });
    const windows = found.windows
      .filter((window) => Number.isFinite(window.startsAt) && Number.isFinite(window.endsAt))
      .map((window) => ({ startsAt: iso(window.startsAt), endsAt: iso(window.endsAt), circuits }));
    const sent = notice.sentAt === undefined ? {} : { sentAt: notice.sentAt };
    statements.push({ carrier: affected.carrier, maintenanceId, status: status.status, ...sent, windows });
  }
  if (statements.length === 0 && doubts.length === 0)
    doubts.push({ field: "notice", because: "no statement could be made of it" });
  const announced = found.windows.length > 0 && status.claims.length > 0;
  const relevant = affected.carrier !== undefined || announced || speaksOfWork(notice);
  return { statements, doubts, evidence, relevant };
}

/**
 * An invitation that says another time than the text is a doubt.
 *
 * One exception: nothing is left to be planned of a cancelled or finished maintenance, so an invitation
 * for other days altogether is an older one, as long as subject and body agree on the window.
 */
function invitationDoubts(
  notice: Notice,
  page: Page,
  found: WindowsFound,
  status: Status | undefined,
): Doubt[] {
  const over = status === "CANCELLED" || status === "COMPLETED";
  const twice = found.windows.every(
    ({ slots }) => new Set(slots.map((slot) => page.lines[slot.range.line]?.part)).size > 1,
  );
  const other = invitedOf(notice).filter((span) => !found.windows.some((window) => same(window, span)));
  const apart = other.every((span) =>
    found.windows.every(
      (window) => span.endsAt < window.startsAt - DAY || span.startsAt > window.endsAt + DAY,
    ),
  );
  if (other.length === 0 || (over && twice && apart)) return [];
  return [{ field: "window", because: "the calendar in the notice says another time than its text" }];
}

const DAY = 86_400_000;

function fromCalendar(
  notice: Notice,
  page: Page,
  events: readonly Event[],
  broken: boolean,
  knowledge: Knowledge,
): Reading {
  const doubts: Doubt[] = [];
  if (broken) doubts.push({ field: "notice", because: "a calendar in it is broken" });
  const objects = new Set(events.flatMap((event) => event.objects.map((object) => object.id)));
  const carrier = calendarCarrier(page, objects, knowledge, doubts);
  const statements: Statement[] = [];
  for (const event of events) {
    const { statement, doubts: own } = toStatement(event, carrier ?? "");
    doubts.push(...own);
    if (statement !== undefined) statements.push(statement);
    if (statement !== undefined) doubts.push(...contradictions(page, event, statement));
  }
  return {
    statements: carrier === undefined ? [] : merge(statements, notice, doubts),
    doubts: unique(doubts),
    evidence: events.flatMap(evidenceOf),
    relevant: true,
  };
}

/** The carrier is the one whose inventory holds the calendar's objects, all of them. */
function calendarCarrier(
  page: Page,
  objects: ReadonlySet<string>,
  knowledge: Knowledge,
  doubts: Doubt[],
): string | undefined {
  const collapse = (text: string): string => text.replaceAll(/\s+/g, "").toLowerCase();
  const wanted = new Set([...objects].map(collapse));
  const held = new Map<string, Set<string>>();
  for (const { carrier, circuitId } of knowledge.circuits)
    if (wanted.has(collapse(circuitId)))
      held.set(carrier, (held.get(carrier) ?? new Set()).add(collapse(circuitId)));
  const full = [...held].filter(([, ids]) => ids.size === wanted.size).map(([carrier]) => carrier);
  const named = carriersNamed(page, knowledge);
  if (wanted.size === 0 && named.size === 1) return [...named.keys()][0];
  if (wanted.size === 0) {
    doubts.push({
      field: "carrier",
      because: "neither circuits nor a name show the carrier",
      candidates: [...named.keys()],
    });
    return [...named.keys()][0];
  }
  const best = full.length > 1 ? full.filter((carrier) => named.has(carrier)) : full;
  if (best.length === 1) return best[0];
  const candidates = [...held.keys()];
  if (held.size === 0)
    doubts.push({ field: "circuits", because: "no circuit of ours is named", candidates: [...objects] });
  else if (full.length === 0)
    doubts.push({
      field: "circuits",
      because: "the calendar names circuits that are not ours",
      candidates: [...objects],
    });
  else doubts.push({ field: "carrier", because: "several carriers have these circuits", candidates });
  return candidates[0];
}

/**
 * A cancellation or completion that only the text or only the calendar tells is a doubt.
 *
 * Other words are left to the calendar: "rescheduled" above a calendar that confirms the new time is
 * how the standard is used.
 */
function contradictions(page: Page, event: Event, statement: Statement): Doubt[] {
  const summary: Page = { subject: event.summary, lines: [], truncated: false };
  const claims = [...statusClaims(page), ...statusClaims(summary)].filter(
    ({ from }) => from !== "body" && from !== "field",
  );
  const over = (status: string): boolean => status === "CANCELLED" || status === "COMPLETED";
  const told = new Set(claims.map((claim) => claim.status).filter(over));
  if (told.size === 0 || (told.size === 1 && told.has(statement.status))) return [];
  const because = "the calendar and the text name different statuses";
  return [{ field: "status", because, candidates: [statement.status, ...told] }];
}

/** Events of one maintenance become one statement with several windows. */
function merge(statements: readonly Statement[], notice: Notice, doubts: Doubt[]): Statement[] {
  const merged = new Map<string, Statement>();
  for (const statement of statements) {
    const before = merged.get(statement.maintenanceId);
    if (before !== undefined && before.status !== statement.status)
      doubts.push({ field: "status", because: "two events of one maintenance differ in status" });
    const windows = [...(before?.windows ?? [])];
    for (const window of statement.windows)
      if (!windows.some((other) => JSON.stringify(other) === JSON.stringify(window))) windows.push(window);
    const sent = notice.sentAt === undefined ? {} : { sentAt: notice.sentAt };
    merged.set(statement.maintenanceId, { ...statement, ...sent, windows });
  }
  return [...merged.values()];
}

function unique(doubts: readonly Doubt[]): Doubt[] {
  return [...new Map(doubts.map((doubt) => [`${doubt.field}/${doubt.because}`, doubt])).values()];
}

/** Only the beginning counts: a newsletter may mention maintenance somewhere far down. */
const OPENING_CHARS = 1_500;
const WORK =
  /\bmaint(?:enance|note)?\b|\b(?:planned|scheduled|emergency) (?:work|outage)|BEGIN:V(?:CALENDAR|EVENT)/i;

/**
 * Whether a message could be a notice after all. Calling one irrelevant refuses it for good, so any word
 * of maintenance in its subject or opening makes it a question instead.
 */
function speaksOfWork(notice: Notice): boolean {
  const files = notice.attachments.map((file) => file.text.slice(0, OPENING_CHARS));
  return [notice.subject ?? "", notice.text.slice(0, OPENING_CHARS), ...files].some((text) =>
    WORK.test(text),
  );
}
