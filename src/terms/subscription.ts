import { refuseTerms } from "./errors.ts";
import type { PlanItem, PlanVersion } from "./plan.ts";
import type { SoldEvent, SoldOf } from "./sold-event.ts";
import { later, type Moment, moment, never, overlap, type Span } from "./when.ts";

/** A span in which a subscription has one version of a plan and pays for it. */
export type Held = Span & { readonly plan: PlanVersion };

/** A subscription as known: its facts by time, and the plans that it had. */
export type Subscription = {
  readonly id: string;
  readonly customer: string;
  /** By time, then by id. */
  readonly events: readonly SoldEvent[];
  /** The plan of the first day: its zone, period, currency and rounding are those of every invoice. */
  readonly frame: PlanVersion["terms"];
  /** After the trial; without the trial there is nothing to bill. */
  readonly held: readonly Held[];
};

/**
 * A subscription from its facts.
 *
 * @param events of this subscription, each once
 * @throws {TermsError} `subscription-unknown` before it began, `plan-unknown`, or `frame-changed` when it
 * moved to a plan with another zone, period, currency or rounding
 */
export function openSubscription(
  id: string,
  plans: readonly PlanVersion[],
  events: readonly SoldEvent[],
): Subscription {
  const sorted = [...events].sort((left, right) => byTime(left, right));
  const begun = sorted.find((event) => event.kind === "subscribed");
  if (begun === undefined) {
    throw refuseTerms("subscription-unknown", `subscription ${id} was not begun by then; record when it was`);
  }
  const first = planOf(plans, begun);
  const frame = first.terms;
  const starts: (SoldOf<"subscribed"> | SoldOf<"moved">)[] = [
    begun,
    ...sorted.filter((event) => event.kind === "moved").filter((event) => at(event) > at(begun)),
  ];
  const ended = sorted.find((event) => event.kind === "ended");
  const end = ended === undefined ? never : at(ended);
  const billed = { from: later(at(begun), `P${frame.trialDays}D`, frame.zone), to: end };
  const held = starts.flatMap((start, index) => {
    const plan = planOf(plans, start);
    checkFrame(id, frame, plan);
    const next = starts[index + 1];
    const span = overlap({ from: at(start), to: next === undefined ? never : at(next) }, billed);
    return span === null ? [] : [{ ...span, plan }];
  });
  return { id, customer: begun.customer, events: sorted, frame, held };
}

/** Moments of facts that were read before. */
const moments = new WeakMap<SoldEvent, Moment>();

/** When something happened. */
export function at(event: SoldEvent): Moment {
  const kept = moments.get(event) ?? moment(event.at, "UTC");
  moments.set(event, kept);
  return kept;
}

function byTime(left: SoldEvent, right: SoldEvent): number {
  const [before, after] = [at(left), at(right)];
  if (before !== after) return before < after ? -1 : 1;
  return left.id < right.id ? -1 : 1;
}

function planOf(
  plans: readonly PlanVersion[],
  wanted: { readonly plan: string; readonly version: number },
): PlanVersion {
  const found = plans.find((one) => one.plan === wanted.plan && one.version === wanted.version);
  if (found !== undefined) return found;
  throw refuseTerms(
    "plan-unknown",
    `there is no version ${wanted.version} of plan ${wanted.plan}; record it first`,
  );
}

const FRAME = ["zone", "period", "currency", "digits", "rounding"] as const;

function checkFrame(id: string, frame: PlanVersion["terms"], plan: PlanVersion): void {
  const changed = FRAME.filter((field) => frame[field] !== plan.terms[field]);
  if (changed.length === 0) return;
  throw refuseTerms(
    "frame-changed",
    `subscription ${id} moved to version ${plan.version} of ${plan.plan}, which changes ` +
      `${changed.join(", ")}: end it and begin a new one`,
  );
}

/** The plan that holds at a moment and is paid for; null in a trial and after the end. */
export function heldAt(subscription: Subscription, when: Moment): Held | null {
  return subscription.held.find((held) => held.from <= when && when < held.to) ?? null;
}

/** The items of one kind that a version of a plan has. */
export function itemsOf<Kind extends PlanItem["kind"]>(
  plan: PlanVersion,
  kind: Kind,
): readonly Extract<PlanItem, { kind: Kind }>[] {
  return plan.terms.items.filter((item): item is Extract<PlanItem, { kind: Kind }> => item.kind === kind);
}
