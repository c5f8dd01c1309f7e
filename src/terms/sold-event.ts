import { z } from "zod";
import { amountText } from "./exact.ts";
import { nameText, wordsText } from "./names.ts";
import { instantText } from "./when.ts";

const base = { id: nameText, subscription: nameText, at: instantText } as const;
const plan = { plan: nameText, version: z.int().min(1) } as const;

const KEY_CHARS_MAX = 500;
const keyText = z.string().min(1).max(KEY_CHARS_MAX);

/** What happened to a subscription, as told: each fact once, by its id. */
export const soldEventSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("subscribed"), ...base, customer: nameText, ...plan }),
  /** To another plan, or to another version of the same. */
  z.strictObject({ kind: z.literal("moved"), ...base, ...plan }),
  z.strictObject({ kind: z.literal("ended"), ...base }),
  z.strictObject({ kind: z.literal("seat-added"), ...base, item: nameText, seat: nameText }),
  z.strictObject({ kind: z.literal("seat-removed"), ...base, item: nameText, seat: nameText }),
  z.strictObject({
    ...{ kind: z.literal("consumed"), ...base, meter: nameText, units: amountText },
    model: nameText.optional(),
    /** The usage event that it tells of, by its source and that one's id. */
    usage: z.strictObject({ source: keyText, id: keyText }).optional(),
  }),
  /** Credits bought ahead. */
  z.strictObject({ kind: z.literal("topped-up"), ...base, item: nameText, units: amountText }),
  z.strictObject({ kind: z.literal("resolved"), ...base, outcome: nameText }),
  /** The verdict on an outcome no longer stands: it is credited back. */
  z.strictObject({ kind: z.literal("reopened"), ...base, of: nameText }),
  z.strictObject({ kind: z.literal("sold"), ...base, stream: nameText, amount: amountText }),
  z.strictObject({ kind: z.literal("sale-refunded"), ...base, of: nameText, amount: amountText }),
  /** Money given back to the customer. */
  z.strictObject({ kind: z.literal("refunded"), ...base, amount: amountText, because: wordsText }),
]);

/** What `soldEventSchema` takes. */
export type SoldEventInput = z.input<typeof soldEventSchema>;
/** A fact about a subscription, complete. */
export type SoldEvent = z.output<typeof soldEventSchema>;
/** A fact of one kind. */
export type SoldOf<Kind extends SoldEvent["kind"]> = Extract<SoldEvent, { kind: Kind }>;
/** A fact about a subscription, and when it was recorded: an instant. */
export type KnownSoldEvent = { readonly event: SoldEvent; readonly knownAt: string };
