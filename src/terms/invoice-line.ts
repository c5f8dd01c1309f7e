import type { Metered } from "./metering.ts";

/** What a line charges for. */
export type ChargeKind =
  | "fee"
  | "seat"
  | "consumption"
  | "credits"
  | "outcome"
  | "reopened"
  | "commission"
  | "commission-refund"
  | "refund";

/** One line of an invoice. */
export type InvoiceLine = {
  readonly kind: ChargeKind;
  readonly item: string;
  /** The version of the plan whose price it is: `team@1`. */
  readonly plan: string;
  /** Exact, as text: `40`, or `1/2` for half a period. Negative for what is credited back. */
  readonly quantity: string;
  readonly price: string;
  /** Decimal text with the plan's digits, rounded once. */
  readonly amount: string;
  /** The period in which it arose: that of the invoice, or a closed one that this corrects. */
  readonly arisesIn: string;
  readonly corrects?: { readonly invoiced: string; readonly now: string };
  /** The facts that it comes from, by id. */
  readonly events: readonly string[];
  /** Of consumption: how each fact was paid for. */
  readonly metered?: readonly Metered[];
};
