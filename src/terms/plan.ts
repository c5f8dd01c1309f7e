import { z } from "zod";
import { amountText, rateText, roundingModes } from "./exact.ts";
import { nameText } from "./names.ts";
import { periodLengths, zoneText } from "./when.ts";

const ITEMS_MAX = 100;
const TRIAL_DAYS_MAX = 3_650;

const fee = z.strictObject({ kind: z.literal("fee"), id: nameText, price: amountText });

const seat = z.strictObject({
  kind: z.literal("seat"),
  id: nameText,
  /** Who sits on it: an agent may be sold like a person's place. */
  of: z.enum(["person", "agent"]),
  /** For one seat and a whole period. */
  price: amountText,
});

const consumption = z.strictObject({
  kind: z.literal("consumption"),
  id: nameText,
  /** What is counted: tokens, requests, credits. */
  meter: nameText,
  /** For one unit beyond what is included. */
  price: amountText,
  /** Units of a period that are free: a freemium allowance. */
  included: amountText.default("0"),
  /** What one unit counts for by model, such as 3 for a strong one; 1 for models that are not listed. */
  multipliers: z.record(nameText, rateText).default({}),
  /** What happens beyond what is included and prepaid: it is billed, or refused and never billed. */
  over: z.enum(["bill", "refuse"]).default("bill"),
  /** For one unit of credit that is bought ahead; without it there are no credits. */
  creditPrice: amountText.optional(),
});

const outcome = z.strictObject({
  kind: z.literal("outcome"),
  id: nameText,
  /** The kind of outcome that is paid for while its verdict stands. */
  outcome: nameText,
  price: amountText,
});

const commission = z.strictObject({
  kind: z.literal("commission"),
  id: nameText,
  /** The stream of sales, or of advertising, that agents made. */
  stream: nameText,
  rate: rateText,
});

/** A plan: how agents are sold. Each version is kept; a subscription stays with the one that it has. */
export const planSchema = z
  .strictObject({
    zone: zoneText,
    period: z.enum(periodLengths),
    currency: z.string().regex(/^[A-Z]{3}$/, "a currency's three letters"),
    digits: z.int().min(0).max(8).default(2),
    rounding: z.enum(roundingModes).default("half-even"),
    /** How a part of a period is charged for fees and seats; `none` charges the whole period for any part. */
    proration: z.enum(["days", "seconds", "none"]).default("days"),
    /** Days from the start of a subscription in which nothing is billed. */
    trialDays: z.int().min(0).max(TRIAL_DAYS_MAX).default(0),
    items: z
      .array(z.discriminatedUnion("kind", [fee, seat, consumption, outcome, commission]))
      .min(1)
      .max(ITEMS_MAX),
  })
  .superRefine(({ items }, context) => {
    const ids = items.map((item) => item.id);
    for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) {
      context.addIssue({ code: "custom", message: `item ${id} is there twice` });
    }
  });

/** What `planSchema` takes: defaults may be left out. */
export type PlanInput = z.input<typeof planSchema>;
/** A plan, complete. */
export type Plan = z.output<typeof planSchema>;
/** One thing that a plan charges for. */
export type PlanItem = Plan["items"][number];
/** An item of one kind. */
export type ItemOf<Kind extends PlanItem["kind"]> = Extract<PlanItem, { kind: Kind }>;

/** A version of a plan, as it was recorded. */
export type PlanVersion = { readonly plan: string; readonly version: number; readonly terms: Plan };
