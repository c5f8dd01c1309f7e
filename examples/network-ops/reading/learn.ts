/**
 * What a resolved notice teaches: where its id stood, which words meant its status and impact, which
 * ranges were its windows, and what its zone words meant.
 */
import { DateTime } from "luxon";
import type { Impact, Notice, Statement, Status } from "../notice.ts";
import { eventsOf } from "./calendar.ts";
import { placesOf } from "./identifiers.ts";
import { isImpact } from "./degree.ts";
import { type ImpactClaim, impactClaims, SILENT } from "./impact.ts";
import type { Slot } from "./instants.ts";
import { formOf, readInventory } from "./inventory.ts";
import { boilerplate, hash } from "./lessons.ts";
import { layOut, type Page } from "./page.ts";
import { statusClaims } from "./status.ts";
import type { Anchor, Knowledge, Lesson, WindowLesson } from "./types.ts";
import { labelKey, readWindows } from "./windows.ts";

const ANCHORS_MAX = 8;
const CUES_MAX = 20;

/** The lesson of one notice that a person or a model resolved; none where nothing can be tied to the text. */
export function learn(notice: Notice, resolved: readonly Statement[], knowledge: Knowledge): Lesson[] {
  const [first] = resolved;
  if (first === undefined || eventsOf(notice).events.length > 0) return [];
  if (resolved.some((statement) => statement.carrier !== first.carrier || statement.status !== first.status))
    return [];
  const page = layOut(notice);
  if (page.truncated) return [];
  const lines = boilerplate(page);
  return [
    {
      carrier: first.carrier,
      shape: hash(lines.join()).toString(16),
      content: {
        lines,
        maintenanceId: anchorsOf(page, resolved),
        status: { value: first.status, cues: cuesOf(page, first.status) },
        impacts: impactsOf(page, resolved, knowledge),
        window: windowOf(page, notice, resolved),
        strangers: strangersOf(page, knowledge),
      },
    },
  ];
}

function anchorsOf(page: Page, resolved: readonly Statement[]): Anchor[] {
  const ids = new Set(resolved.map((statement) => statement.maintenanceId));
  if (ids.size !== 1) return [];
  const places = placesOf(page);
  const anchors = new Map<string, Anchor>();
  for (const { id, place, before, form } of places) {
    if (!ids.has(id)) continue;
    // A place where something else of the same form stands too cannot tell them apart.
    const rivals = places.some(
      (other) => other.id !== id && other.before === before && other.place === place && other.form === form,
    );
    if (!rivals && before !== "") anchors.set(`${place}/${before}`, { place, before, form });
  }
  return [...anchors.values()].slice(0, ANCHORS_MAX);
}

/** Shorter cues are labels; they stand in notices of every status. */
const CUE_WORDS_MIN = 4;

/** The words that said this status; where none did, all of them, as a warning. */
function cuesOf(page: Page, status: Status): string[] {
  const claims = statusClaims(page).filter(
    (claim) => claim.from === "subject" || claim.cue.split(" ").length >= CUE_WORDS_MIN,
  );
  const agreeing = claims.filter((claim) => claim.status === status);
  const open = claims.filter((claim) => claim.status === "UNCLEAR");
  const told = agreeing.length + open.length > 0 ? [...agreeing, ...open] : claims;
  return [...new Set(told.map((claim) => claim.cue))].slice(0, CUES_MAX);
}

/**
 * Cues that decided: rows if rows say anything, else fields, else sentences, else silence.
 *
 * Boilerplate beside a telling row must not be learned: it stands beside other rows as well.
 */
function impactsOf(
  page: Page,
  resolved: readonly Statement[],
  knowledge: Knowledge,
): { cue: string; impact: Impact }[] {
  const circuits = resolved.flatMap((statement) => statement.windows.flatMap((window) => window.circuits));
  const impacts = new Map(circuits.map(({ circuitId, impact }) => [collapse(circuitId), impact]));
  const all = new Set(impacts.values());
  const [only] = all;
  const { sightings } = readInventory(page, knowledge, new Set());
  const claims = impactClaims(page, sightings);
  const wanted = (claim: ImpactClaim): Impact | undefined =>
    claim.circuitId === undefined
      ? all.size === 1
        ? only
        : undefined
      : impacts.get(collapse(claim.circuitId));
  for (const from of ["row", "field", "sentence"] as const) {
    const level = claims.filter(
      (claim) => claim.from === from && claim.degree !== undefined && claim.degree !== "SOME",
    );
    if (level.length === 0) continue;
    const agreed = level.filter((claim) => !isImpact(claim.degree) || claim.degree === wanted(claim));
    const learned = new Map<string, Impact>();
    for (const claim of agreed.length > 0 ? agreed : level) {
      const impact = wanted(claim);
      if (impact !== undefined) learned.set(claim.cue, impact);
    }
    return [...learned].slice(0, CUES_MAX).map(([cue, impact]) => ({ cue, impact }));
  }
  return only !== undefined && all.size === 1 ? [{ cue: SILENT, impact: only }] : [];
}

const collapse = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

function windowOf(page: Page, notice: Notice, resolved: readonly Statement[]): WindowLesson {
  const wanted = resolved.flatMap((statement) => statement.windows);
  const found = readWindows(page, notice, [], resolved[0]?.status === "RE-SCHEDULED");
  const kept = new Set<string>();
  const dropped = new Set<string>();
  const zones = new Map<string, string>();
  const orders = new Set<"dmy" | "mdy">();
  for (const slot of found.slots) {
    const label = labelKey(slot.range);
    const hit = slot.spans.some((span) =>
      wanted.some(
        (window) =>
          near(Date.parse(window.startsAt), span.startsAt) && near(Date.parse(window.endsAt), span.endsAt),
      ),
    );
    if (hit) kept.add(label);
    else if (slot.spans.length === 1) dropped.add(label);
    const meant = hit && slot.spans.length > 1 ? meantBy(slot, wanted) : [];
    if (slot.zone !== undefined && meant.length === 1 && meant[0] !== undefined)
      zones.set(slot.zone.word, meant[0]);
    if (slot.spans.length === 0 && slot.wall.length === 1)
      if (wanted.some((window) => near(Date.parse(window.startsAt), slot.wall[0]?.startsAt ?? 0)))
        zones.set("", "UTC");
    const day = slot.range.start.day;
    if (day?.swapped !== undefined)
      for (const window of wanted) {
        const month = new Date(window.startsAt).getUTCMonth() + 1;
        if (month === day.month) orders.add("mdy");
        if (month === day.swapped.month) orders.add("dmy");
      }
  }
  // Windows that match no range were put together by hand: nothing is learned from that.
  if (kept.size === 0) return { kept: [], dropped: [], several: false, zones: [] };
  const order = orders.size === 1 ? { order: [...orders][0] ?? "mdy" } : {};
  return {
    kept: [...kept],
    dropped: [...dropped].filter((label) => !kept.has(label)),
    several: wanted.length > 1,
    zones: [...zones].map(([word, zone]) => ({ word, zone })),
    ...order,
  };
}

/** The zones of an ambiguous word in which the clock as written shows one of the windows. */
function meantBy(slot: Slot, wanted: Statement["windows"]): string[] {
  return (slot.zone?.zones ?? []).filter((zone) =>
    wanted.some((window) => {
      const at = Date.parse(window.startsAt);
      const offset = DateTime.fromMillis(at, { zone }).offset * 60_000;
      return slot.wall.some((wall) => near(wall.startsAt, at + offset));
    }),
  );
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 60_000;

function strangersOf(page: Page, knowledge: Knowledge): string[] {
  return [...new Set(readInventory(page, knowledge, new Set()).strangers.map(formOf))];
}
