import { z } from "zod";
import { amountText, rateText, roundingModes } from "./exact.ts";
import { nameText, wordsText } from "./names.ts";
import { durationText, periodLengths, whenText, zoneText } from "./when.ts";

/** Items in one list of an agreement. */
const LIST_MAX = 500;

const names = z.array(nameText).max(LIST_MAX);

/** When a clause ends: at an instant, on an event that a panel verified, or on whichever is first. */
const until = z.strictObject({ date: whenText.optional(), event: nameText.optional() });

const clauseFields = {
  /** The same through all versions: what was settled under a clause is corrected under it. */
  id: nameText,
  /** The clause as the parties wrote it: quoted where it forbids something. */
  text: wordsText.default(""),
  /** The first instant at which it holds; by default that of the agreement. */
  from: whenText.optional(),
  /** The end: included up to, but not at. Without one the clause holds until an amendment drops it. */
  until: until.optional(),
} as const;

const share = z.strictObject({
  ...clauseFields,
  kind: z.literal("share"),
  payer: nameText,
  payee: nameText,
  /** The streams of revenue that are shared; "*" for all. */
  streams: names.min(1),
  rate: rateText,
  /** Revenue with one of these tags is not shared. */
  excludeTags: names.default([]),
  /** What is taken off the revenue before the rate, by the name that events give it: taxes, fees. */
  deduct: names.default([]),
  /** For how long after the end a refund or a restatement still takes back, or adds to, what was shared. */
  tail: durationText.optional(),
});

const cap = z.strictObject({
  ...clauseFields,
  kind: z.literal("cap"),
  /** The shares that are capped together. */
  clauses: names.min(1),
  /** The most that is ever paid for them. */
  amount: amountText,
  /** What had been paid before the first period that is settled here. */
  paidBefore: amountText.default("0"),
});

const commitment = z.strictObject({
  ...clauseFields,
  kind: z.literal("commitment"),
  payer: nameText,
  payee: nameText,
  /** The least that is paid in each window; what is missing falls due at the window's end. */
  amount: amountText,
  /**
   * Windows are counted from the clause's first day; one that is cut short commits in proportion, and counts
   * what was earned in that part of it. An amendment changes amounts; windows stay as they first were.
   */
  every: z.enum(["month", "quarter", "year"]),
  /** What counts towards it: what these shares come to, and what these streams of purchases took in. */
  clauses: names.default([]),
  streams: names.default([]),
});

const investment = z.strictObject({
  ...clauseFields,
  kind: z.literal("investment"),
  holder: nameText,
  company: nameText,
  share: rateText,
  /**
   * Invested before the first event: the holder's part of losses never adds up to more than all it
   * invested.
   */
  invested: amountText.default("0"),
});

const licence = z.strictObject({
  ...clauseFields,
  kind: z.literal("licence"),
  licensor: nameText,
  licensee: nameText,
  /** Models by name; a name may end with "*". */
  models: names.min(1),
  /** Kinds of access: what is not listed is free, such as an app, open weights or a device. "*" for all. */
  apis: names.default(["*"]),
  regions: names.default(["*"]),
  /** The clouds that the licence speaks of. When it is exclusive, no other may serve what is in its scope. */
  clouds: names.default([]),
  exclusive: z.boolean().default(false),
  /**
   * Owed by the licensee for each unit used; "0" is royalty-free, and then shown with what it would
   * be worth.
   */
  royaltyPerUnit: amountText.optional(),
  imputedPerUnit: amountText.optional(),
});

const clause = z.discriminatedUnion("kind", [share, cap, commitment, investment, licence]);

/** An event that the parties let experts decide. */
const panel = z.strictObject({
  experts: names.min(1),
  /** How many of them must stand by it at the same time. */
  quorum: z.int().min(1),
});

/** An agreement, or its wording after an amendment: always whole, never a difference. */
export const agreementSchema = z
  .strictObject({
    parties: names.min(2),
    /** When the agreement begins. An amendment has its own date beside it. */
    from: whenText,
    zone: zoneText,
    period: z.enum(periodLengths),
    currency: z.string().regex(/^[A-Z]{3}$/, "a currency's three letters"),
    digits: z.int().min(0).max(8).default(2),
    rounding: z.enum(roundingModes).default("half-even"),
    proration: z.enum(["seconds", "days"]).default("days"),
    /**
     * Which rate turns other currencies into this one: the last before the earning ended, or before its
     * period did.
     */
    fx: z.enum(["earned", "period-end"]).default("period-end"),
    /** Whether what two parties owe each other is one amount. */
    netting: z.boolean().default(true),
    panels: z.record(nameText, panel).default({}),
    clauses: z.array(clause).max(LIST_MAX),
  })
  .superRefine((agreement, context) => {
    for (const problem of problemsOf(agreement)) context.addIssue({ code: "custom", message: problem });
  });

/** What `agreementSchema` takes: defaults may be left out. */
export type AgreementInput = z.input<typeof agreementSchema>;
/** An agreement, complete. */
export type Agreement = z.output<typeof agreementSchema>;
/** One clause. */
export type Clause = Agreement["clauses"][number];
/** The kinds of clauses. */
export type ClauseKind = Clause["kind"];
/** A clause of one kind. */
export type ClauseOf<Kind extends ClauseKind> = Extract<Clause, { kind: Kind }>;

/**
 * An agreement as it reads from an instant on. The highest version whose time has come is the one
 * that holds.
 */
export type AgreementVersion = {
  readonly agreement: string;
  /** From 1, without a gap: the order in which the parties agreed. */
  readonly version: number;
  /** When it takes effect: a date in the agreement's zone, or an instant. */
  readonly effectiveFrom: string;
  readonly terms: Agreement;
  /** When it was recorded: an instant. */
  readonly knownAt: string;
};

type Draft = {
  readonly parties: readonly string[];
  readonly panels: Readonly<Record<string, { readonly experts: readonly string[]; readonly quorum: number }>>;
  readonly clauses: readonly Clause[];
};

function problemsOf(draft: Draft): string[] {
  const ids = draft.clauses.map((one) => one.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  return [
    ...twice.map((id) => `clause ${id} is there twice`),
    ...draft.clauses.flatMap((one) =>
      clauseProblems(one, draft).map((problem) => `clause ${one.id}: ${problem}`),
    ),
    ...Object.entries(draft.panels).flatMap(([event, { experts, quorum }]) =>
      new Set(experts).size < quorum ? [`the panel of ${event} has fewer experts than its quorum`] : [],
    ),
  ];
}

function clauseProblems(one: Clause, draft: Draft): string[] {
  const event = one.until?.event;
  const noPanel = event !== undefined && !Object.hasOwn(draft.panels, event);
  return [
    ...strangers(one, draft.parties),
    ...(noPanel ? [`ends on ${event}, for which there is no panel`] : []),
    ...(one.kind === "cap" || one.kind === "commitment" ? sharesMissing(one, draft.clauses) : []),
    ...(one.kind === "commitment" && one.clauses.length + one.streams.length === 0
      ? ["names nothing that counts towards it"]
      : []),
    ...(one.kind === "licence" && one.exclusive && one.clouds.length === 0
      ? ["is exclusive and names no cloud that may serve"]
      : []),
  ];
}

/** The two sides of a clause; null for a cap, which has those of its shares. */
export function sidesOf(one: Clause): { readonly from: string; readonly to: string } | null {
  switch (one.kind) {
    case "share":
    case "commitment":
      return { from: one.payer, to: one.payee };
    case "licence":
      return { from: one.licensee, to: one.licensor };
    case "investment":
      return { from: one.company, to: one.holder };
    case "cap":
      return null;
    default:
      return one satisfies never;
  }
}

function strangers(one: Clause, parties: readonly string[]): string[] {
  const sides = sidesOf(one);
  if (sides === null) return [];
  const unknown = [sides.from, sides.to].filter((side) => !parties.includes(side));
  const same = sides.from === sides.to ? [`${sides.from} is on both sides`] : [];
  return [...unknown.map((side) => `${side} is not a party`), ...same];
}

function sharesMissing(one: ClauseOf<"cap"> | ClauseOf<"commitment">, all: readonly Clause[]): string[] {
  const found = one.clauses.map((id) => all.find((other) => other.id === id));
  const missing = one.clauses.filter((_, at) => found[at]?.kind !== "share");
  const sides = new Set(
    found.flatMap((other) => (other?.kind === "share" ? [`${other.payer}→${other.payee}`] : [])),
  );
  if (one.kind === "commitment") sides.add(`${one.payer}→${one.payee}`);
  const mixed = sides.size > 1 ? ["its shares do not have the same payer and payee"] : [];
  return [...missing.map((id) => `${id} is not a share of this agreement`), ...mixed];
}
