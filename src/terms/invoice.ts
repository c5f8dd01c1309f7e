import { canonicalJson, toJson } from "../kernel/index.ts";
import { refuseTerms } from "./errors.ts";
import { minorFromText, minorText } from "./exact.ts";
import { chargesOf } from "./charges.ts";
import type { PlanVersion } from "./plan.ts";
import type { InvoiceLine } from "./invoice-line.ts";
import type { KnownSoldEvent, SoldEvent } from "./sold-event.ts";
import { openSubscription, type Subscription } from "./subscription.ts";
import { type Moment, moment, momentText, type Period, periodAt, periodNamed } from "./when.ts";

/** What a customer pays for a period. Plain data: the same facts give the same bytes. */
export type Invoice = {
  readonly subscription: string;
  readonly customer: string;
  readonly period: string;
  readonly from: string;
  readonly to: string;
  readonly currency: string;
  readonly lines: readonly InvoiceLine[];
  /** The sum of the lines; below 0 when the customer gets money back. */
  readonly total: string;
};

/** An invoice that was sent: it never changes, and what is learned later is in the next one. */
export type ClosedInvoice = { readonly ordinal: number; readonly knownAt: string; readonly invoice: Invoice };

/** Everything that was ever told about one subscription. */
export type SubscriptionFacts = {
  readonly subscription: string;
  readonly plans: readonly PlanVersion[];
  readonly events: readonly KnownSoldEvent[];
  readonly closed: readonly ClosedInvoice[];
};

/**
 * The invoice of a subscription for a period, as known at `knownAt`. Pure: the same facts in any order,
 * however often told, give the same bytes. One that was closed by then is returned as it is; the first open
 * one also corrects those.
 *
 * @param period its name: `2026-03`, `2026-Q1` or `2026`, by the plan's period
 * @param knownAt an instant
 * @throws {TermsError} `event-conflict` when an id was told with two contents; `subscription-unknown`, `plan-
 * unknown`, `frame-changed`; `period-name`; `period-outside` before the subscription began
 */
export function computeInvoice(facts: SubscriptionFacts, period: string, knownAt: string): Invoice {
  const { subscription, closed, open } = openFacts(facts, moment(knownAt, "UTC"));
  const { frame } = subscription;
  const wanted = periodNamed(period, frame.period, frame.zone);
  const kept = closed.find((invoice) => invoice.period === wanted.name);
  if (kept !== undefined) return kept;
  if (wanted.from < open.from) {
    throw refuseTerms(
      "period-outside",
      `subscription ${subscription.id} begins in ${open.name}, not in ${period}`,
    );
  }
  const own = chargesOf(subscription, wanted);
  const corrections =
    wanted.from === open.from ? closed.flatMap((one) => correct(subscription, one, closed)) : [];
  const lines = [...own, ...corrections];
  const total = lines.reduce((sum, line) => sum + minorFromText(line.amount, frame.digits), 0n);
  return {
    ...{ subscription: subscription.id, customer: subscription.customer, period: wanted.name },
    ...{ from: momentText(wanted.from), to: momentText(wanted.to), currency: frame.currency, lines },
    total: minorText(total, frame.digits),
  };
}

/**
 * A subscription as known at a moment, with its closed invoices in order and its first open period.
 *
 * @throws {TermsError} `event-conflict`, `subscription-unknown`, `plan-unknown` or `frame-changed`
 */
export function openFacts(
  facts: SubscriptionFacts,
  known: Moment,
): { readonly subscription: Subscription; readonly closed: readonly Invoice[]; readonly open: Period } {
  const subscription = openSubscription(facts.subscription, facts.plans, eventsBy(facts.events, known));
  const closed = facts.closed
    .filter((one) => moment(one.knownAt, "UTC") <= known)
    .sort((left, right) => left.ordinal - right.ordinal)
    .map((one) => one.invoice);
  return { subscription, closed, open: firstOpen(subscription, closed) };
}

/** The one text of an invoice: equal invoices have equal text. */
export function invoiceText(invoice: Invoice): string {
  return canonicalJson(toJson(invoice));
}

function eventsBy(events: readonly KnownSoldEvent[], known: Moment): SoldEvent[] {
  const kept = new Map<string, SoldEvent>();
  for (const { event, knownAt } of events) {
    if (moment(knownAt, "UTC") > known) continue;
    const other = kept.get(event.id);
    if (other !== undefined && canonicalJson(toJson(other)) !== canonicalJson(toJson(event))) {
      throw refuseTerms(
        "event-conflict",
        `event ${event.id} was told with two contents; give the second its own id`,
      );
    }
    kept.set(event.id, event);
  }
  return [...kept.values()];
}

function firstOpen(subscription: Subscription, closed: readonly Invoice[]): Period {
  const { frame, events } = subscription;
  const last = closed.at(-1);
  const begun = events.find((event) => event.kind === "subscribed");
  return periodAt(moment(last?.to ?? begun?.at ?? "", "UTC"), frame.period, frame.zone);
}

const keyOf = (line: InvoiceLine): string => JSON.stringify([line.kind, line.item, line.plan]);

/** What a closed period comes to now, less what was invoiced for it then and since, line by line. */
function correct(subscription: Subscription, invoice: Invoice, closed: readonly Invoice[]): InvoiceLine[] {
  const { frame } = subscription;
  const period = periodNamed(invoice.period, frame.period, frame.zone);
  const invoiced = closed.flatMap((one) => one.lines.filter((line) => line.arisesIn === period.name));
  const now = chargesOf(subscription, period);
  const keys = [...new Set([...now, ...invoiced].map(keyOf))].sort();
  return keys.flatMap((key) => {
    const current = now.find((line) => keyOf(line) === key);
    const before = invoiced.filter((line) => keyOf(line) === key);
    const settled = before.reduce((sum, line) => sum + minorFromText(line.amount, frame.digits), 0n);
    const due = current === undefined ? 0n : minorFromText(current.amount, frame.digits);
    const model = current ?? before[0];
    if (due === settled || model === undefined) return [];
    return [
      {
        ...model,
        quantity: current?.quantity ?? "0",
        events: current?.events ?? [],
        amount: minorText(due - settled, frame.digits),
        corrects: { invoiced: minorText(settled, frame.digits), now: minorText(due, frame.digits) },
      },
    ];
  });
}
