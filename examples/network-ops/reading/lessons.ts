/**
 * What was learned from earlier notices of a carrier, chosen for the notice at hand.
 *
 * A lesson speaks only for its own carrier and its own form: most of the boilerplate must be there
 * again. Where lessons disagree, none of them speaks.
 */
import type { Impact, Notice, Status } from "../notice.ts";
import { layOut, mask, type Page } from "./page.ts";
import type { Anchor, Knowledge, Lesson, WindowLesson } from "./types.ts";

/** The lessons that apply to one notice, sorted by what they teach. */
export type Taught = {
  readonly anchors: readonly Anchor[];
  readonly windows: readonly WindowLesson[];
  readonly impacts: ReadonlyMap<string, Impact>;
  readonly statuses: ReadonlyMap<string, Status>;
  readonly strangers: ReadonlySet<string>;
};

/** A notice is of a lesson's form when it shares this much of the smaller one's boilerplate. */
const SHARED_MIN = 0.5;
const LINES_MAX = 120;

/** Hashes of the masked lines: what stays when names, ids and times change. */
export function boilerplate(page: Page): number[] {
  const hashes = new Set<number>();
  for (const line of page.lines) {
    if (line.part === "subject") continue;
    const masked = mask(line.text)
      .replaceAll(/[#\s|]+/g, " ")
      .trim();
    if (masked.length >= 6) hashes.add(hash(masked));
    if (hashes.size >= LINES_MAX) break;
  }
  return [...hashes].sort((a, b) => a - b);
}

/** FNV-1a, 32 bits: short, stable, and enough to tell lines apart. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

/** How much two notices' boilerplate has in common, 0 to 1, of the smaller one. */
function shared(a: readonly number[], b: readonly number[]): number {
  const other = new Set(b);
  const common = a.filter((value) => other.has(value)).length;
  return common / Math.max(1, Math.min(a.length, b.length));
}

/** True when the notice has the form that the lesson was learned from: most of its boilerplate. */
export function hasShapeOf(notice: Notice, lesson: Lesson): boolean {
  return shared(boilerplate(layOut(notice)), lesson.content.lines) >= SHARED_MIN;
}

export function forShape(page: Page, carrier: string | undefined, knowledge: Knowledge): Taught {
  const own = boilerplate(page);
  const lessons = knowledge.lessons.filter(
    (lesson) => lesson.carrier === carrier && shared(own, lesson.content.lines) >= SHARED_MIN,
  );
  return {
    anchors: lessons.flatMap((lesson) => lesson.content.maintenanceId),
    windows: lessons.map((lesson) => lesson.content.window),
    impacts: agreed(lessons, (lesson) => lesson.content.impacts.map(({ cue, impact }) => [cue, impact])),
    statuses: agreed(lessons, ({ content }) => content.status.cues.map((cue) => [cue, content.status.value])),
    strangers: new Set(lessons.flatMap((lesson) => lesson.content.strangers)),
  };
}

/** Keys on which all lessons that speak say the same. */
function agreed<Value>(
  lessons: readonly Lesson[],
  pairsOf: (lesson: Lesson) => readonly (readonly [string, Value])[],
): Map<string, Value> {
  const values = new Map<string, Value>();
  const split = new Set<string>();
  for (const [key, value] of lessons.flatMap(pairsOf)) {
    if (values.has(key) && values.get(key) !== value) split.add(key);
    values.set(key, value);
  }
  for (const key of split) values.delete(key);
  return values;
}
