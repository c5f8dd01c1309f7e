import { canonicalJson } from "../kernel/index.ts";
import type { Piece } from "./earned.ts";

/** What a line is about. */
export type LineKind = "share" | "cap" | "commitment" | "royalty" | "result";

/** One amount of a settlement, and how it came about. */
export type Line = {
  readonly clause: string;
  readonly kind: LineKind;
  /** Who owes whom; a negative amount is owed the other way. */
  readonly from: string;
  readonly to: string;
  /** Decimal text with the agreement's digits, rounded once: "-60.00". */
  readonly amount: string;
  /** `shown` is told and not owed: a part of a result, a royalty-free use. */
  readonly settles: "owed" | "shown";
  /** The period in which it was earned: that of the settlement, or a closed one that this corrects. */
  readonly earnedIn: string;
  /** Of a correction: what the closed period had come to, and what it comes to as it is known now. */
  readonly corrects?: { readonly settled: string; readonly now: string };
  /** Of use under a licence: units, what they cost, and what they would have been worth. */
  readonly use?: { readonly units: string; readonly cost: string; readonly imputed: string };
  readonly because: string;
  /** The exact numbers: their sum, rounded, is the amount, or what a correction compares with. */
  readonly derivation: readonly Piece[];
};

/** One party owes another. */
export type Owed = { readonly from: string; readonly to: string; readonly amount: string };

/** Who owes whom for a period, as known at a time. Plain data: the same facts give the same bytes. */
export type Settlement = {
  readonly agreement: string;
  readonly period: string;
  /** Instants: from, up to but not at, to. */
  readonly from: string;
  readonly to: string;
  readonly currency: string;
  readonly lines: readonly Line[];
  /** Above 0, one for each pair of parties (each direction apart where the agreement does not net). */
  readonly owed: readonly Owed[];
};

/** A settlement that was closed: it never changes, and what is learned later corrects the open period. */
export type ClosedSettlement = {
  /** Whole and positive, counted from the agreement's first period. */
  readonly ordinal: number;
  /** When it was closed: an instant. */
  readonly knownAt: string;
  readonly settlement: Settlement;
};

/** The one text of a settlement: equal settlements have equal text. */
export function settlementText(settlement: Settlement): string {
  return canonicalJson(settlement);
}
