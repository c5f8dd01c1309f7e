import { z } from "zod";
import { amountText, decimalText, rateText } from "./exact.ts";
import { nameText } from "./names.ts";
import { instantText } from "./when.ts";

const LIST_MAX = 100;

const currency = z.string().regex(/^[A-Z]{3}$/, "a currency's three letters");
/** At one instant, or evenly from one instant up to another. */
const earned = z.union([
  z.strictObject({ at: instantText }),
  z
    .strictObject({ from: instantText, to: instantText })
    .refine(({ from, to }) => Date.parse(from) < Date.parse(to), "from must be before to"),
]);

const revenue = z.strictObject({
  kind: z.literal("revenue"),
  id: nameText,
  stream: nameText,
  amount: amountText,
  currency,
  earned,
  tags: z.array(nameText).max(LIST_MAX).default([]),
  /** What an agreement may take off before its rate, by name. */
  deductions: z.record(nameText, amountText).default({}),
});

const restatement = z.strictObject({
  kind: z.literal("restatement"),
  id: nameText,
  /** The revenue that is restated. Of several restatements the last by date holds. */
  of: nameText,
  /** What the revenue was in truth, before refunds. */
  amount: amountText,
  at: instantText,
});

const refund = z.strictObject({
  kind: z.literal("refund"),
  id: nameText,
  /** The revenue of which a part was given back. */
  of: nameText,
  amount: amountText,
  at: instantText,
});

const use = z.strictObject({
  kind: z.literal("use"),
  id: nameText,
  model: nameText,
  licensee: nameText,
  units: amountText,
  /** What serving it cost. */
  cost: amountText,
  currency,
  earned,
});

const result = z.strictObject({
  kind: z.literal("result"),
  id: nameText,
  company: nameText,
  /** A profit, or a loss below 0. */
  amount: decimalText,
  currency,
  earned,
});

const investment = z.strictObject({
  kind: z.literal("investment"),
  id: nameText,
  holder: nameText,
  company: nameText,
  amount: amountText,
  currency,
  at: instantText,
});

const rate = z.strictObject({
  kind: z.literal("rate"),
  id: nameText,
  from: currency,
  to: currency,
  rate: rateText,
  at: instantText,
});

const declaration = z.strictObject({
  kind: z.literal("declaration"),
  id: nameText,
  agreement: nameText,
  event: nameText,
  /** The party that declares. */
  by: nameText,
  at: instantText,
});

const attestation = z.strictObject({
  kind: z.literal("attestation"),
  id: nameText,
  declaration: nameText,
  /**
   * `sign` and `dissent` by an expert; `retract` takes the own last word back. An expert's last
   * word counts.
   */
  says: z.enum(["sign", "dissent", "retract"]),
  by: nameText,
  at: instantText,
});

/** What happened, as told: each fact once, by its id; told twice it counts once. */
export const termEventSchema = z.discriminatedUnion("kind", [
  revenue,
  restatement,
  refund,
  use,
  result,
  investment,
  rate,
  declaration,
  attestation,
]);

/** What `termEventSchema` takes. */
export type TermEventInput = z.input<typeof termEventSchema>;
/** A fact, complete. */
export type TermEvent = z.output<typeof termEventSchema>;
/** The kinds of facts. */
export type TermEventKind = TermEvent["kind"];
/** A fact of one kind. */
export type EventOf<Kind extends TermEventKind> = Extract<TermEvent, { kind: Kind }>;
/** When something was earned. */
export type Earned = z.output<typeof earned>;

/** A fact, and when it was recorded: an instant. */
export type KnownEvent = { readonly event: TermEvent; readonly knownAt: string };
