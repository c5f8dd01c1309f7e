/** What the reader knows, doubts and can show: the shapes that its door speaks. */
import type { Impact, Statement, Status } from "../notice.ts";

/** The inventory and what was learned; a reading is a pure function of the notice and this. */
export type Knowledge = {
  readonly carriers: readonly { readonly name: string }[];
  /** Our circuits, each by its carrier's name and the carrier's own circuit id. */
  readonly circuits: readonly { readonly carrier: string; readonly circuitId: string }[];
  /** Learned from notices that a person or a model resolved; oldest first. */
  readonly lessons: readonly Lesson[];
};

/**
 * What one resolved notice teaches about its carrier.
 *
 * `shape` names the notice's form (stable across its values); `content` is plain JSON.
 */
export type Lesson = { readonly carrier: string; readonly shape: string; readonly content: LessonContent };

/** Where a value stood: the masked words before it, and the form of the value itself. */
export type Anchor = {
  readonly place: "subject" | "body";
  readonly before: string;
  readonly form: string;
};

/** How a window was written: which readings made it, and which were left aside. */
export type WindowLesson = {
  /** Masked labels of ranges that became windows, and of those that did not. */
  readonly kept: readonly string[];
  readonly dropped: readonly string[];
  /** The kept ones were several windows of one maintenance. */
  readonly several: boolean;
  /** Day-first or month-first, when a numeric date had to be decided. */
  readonly order?: "dmy" | "mdy";
  /** Zone words as the carrier means them; `` stands for a time without any zone. */
  readonly zones: readonly { readonly word: string; readonly zone: string }[];
};

export type LessonContent = {
  /** Hashes of the notice's masked lines: its boilerplate, to recognise the form again. */
  readonly lines: readonly number[];
  readonly maintenanceId: readonly Anchor[];
  readonly status: { readonly value: Status; readonly cues: readonly string[] };
  readonly impacts: readonly { readonly cue: string; readonly impact: Impact }[];
  readonly window: WindowLesson;
  /** Forms of ids in circuit places that were not circuits of ours. */
  readonly strangers: readonly string[];
};

export type DoubtField = "carrier" | "maintenanceId" | "window" | "circuits" | "impact" | "status" | "notice";

/** One reason not to commit, in words for the person who is asked. */
export type Doubt = {
  readonly field: DoubtField;
  readonly because: string;
  readonly candidates?: readonly string[];
};

/** Where in the notice a value stands, and which reading found it. */
export type Evidence = {
  readonly field: string;
  readonly value: string;
  readonly quote: string;
  readonly by: string;
};

/** What a notice says; sure enough to commit exactly when `doubts` is empty. */
export type Reading = {
  readonly statements: readonly Statement[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
  /** False when nothing in the notice is about maintenance of a carrier's network. */
  readonly relevant: boolean;
};

/** A quote short enough to show on a card. */
export function quoteOf(text: string): string {
  const flat = text.replaceAll(/\s+/g, " ").trim();
  return flat.length > QUOTE_MAX ? `${flat.slice(0, QUOTE_MAX)}…` : flat;
}

const QUOTE_MAX = 160;
