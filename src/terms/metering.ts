import { type Exact, exact, exactText, most, zero } from "./exact.ts";
import type { ItemOf } from "./plan.ts";
import type { SoldOf } from "./sold-event.ts";
import { at, type Held, heldAt, itemsOf, type Subscription } from "./subscription.ts";
import { type Moment, periodAt, type Span } from "./when.ts";

/** How one fact's units were paid for: they add up to what it counted. */
export type Metered = {
  readonly event: string;
  /** Units times what the model counts for. */
  readonly units: string;
  readonly included: string;
  readonly prepaid: string;
  readonly billed: string;
  /** Beyond all that, on a plan that refuses instead of billing. */
  readonly unbilled: string;
};

/** A meter at the end of a walk through the facts. */
export type MeterState = { readonly includedLeft: Exact; readonly creditsLeft: Exact };

/** One fact's consumption: when, under which plan, and what of it is billed. */
type Draw = { readonly at: Moment; readonly held: Held; readonly billed: Exact; readonly metered: Metered };

/**
 * What was consumed under one item: each fact uses up what is included, then credits, and is billed for the
 * rest.
 */
export function meter(
  subscription: Subscription,
  id: string,
  until: Moment,
): { readonly draws: readonly Draw[]; readonly state: MeterState } {
  const { frame } = subscription;
  const draws: Draw[] = [];
  let credits = zero;
  let used = zero;
  let period: Span | null = null;
  const renew = (moment: Moment): void => {
    if (period !== null && moment < period.to) return;
    period = periodAt(moment, frame.period, frame.zone);
    used = zero;
  };
  for (const event of subscription.events) {
    const now = at(event);
    if (now >= until) break;
    if (event.kind === "topped-up" && event.item === id) credits = credits.add(exact(event.units));
    const held = heldAt(subscription, now);
    const item = held === null ? undefined : itemsOf(held.plan, "consumption").find((one) => one.id === id);
    if (event.kind !== "consumed" || held === null || item === undefined || item.meter !== event.meter)
      continue;
    renew(now);
    const units = countedUnits(item, event);
    const included = upTo(units, exact(item.included).sub(used));
    used = used.add(included);
    const prepaid = item.creditPrice === undefined ? zero : upTo(units.sub(included), credits);
    credits = credits.sub(prepaid);
    draws.push({ at: now, held, ...split(event.id, item, { units, included, prepaid }) });
  }
  renew(until);
  const item = subscription.held
    .flatMap(({ plan }) => itemsOf(plan, "consumption"))
    .findLast((one) => one.id === id);
  return {
    draws,
    state: { includedLeft: most(zero, exact(item?.included ?? "0").sub(used)), creditsLeft: credits },
  };
}

function split(
  event: string,
  item: ItemOf<"consumption">,
  parts: { readonly units: Exact; readonly included: Exact; readonly prepaid: Exact },
): Pick<Draw, "billed" | "metered"> {
  const rest = parts.units.sub(parts.included).sub(parts.prepaid);
  const billed = item.over === "bill" ? rest : zero;
  return {
    billed,
    metered: {
      event,
      units: exactText(parts.units),
      included: exactText(parts.included),
      prepaid: exactText(parts.prepaid),
      billed: exactText(billed),
      unbilled: exactText(rest.sub(billed)),
    },
  };
}

function countedUnits(item: ItemOf<"consumption">, event: SoldOf<"consumed">): Exact {
  const factor = event.model === undefined ? "1" : (item.multipliers[event.model] ?? "1");
  return exact(event.units).mul(exact(factor));
}

function upTo(wanted: Exact, limit: Exact): Exact {
  const bounded = most(zero, limit);
  return wanted.compare(bounded) < 0 ? wanted : bounded;
}
