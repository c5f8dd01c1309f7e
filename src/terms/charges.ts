import { type Exact, exact, exactText, minorText, one, sum, toMinor, zero } from "./exact.ts";
import type { ChargeKind, InvoiceLine } from "./invoice-line.ts";
import { type Metered, meter } from "./metering.ts";
import type { ItemOf, PlanItem } from "./plan.ts";
import type { SoldEvent, SoldOf } from "./sold-event.ts";
import { at, type Held, heldAt, itemsOf, type Subscription } from "./subscription.ts";
import { type Moment, never, overlap, type Period, portion, type Span } from "./when.ts";

/**
 * What a subscription is charged for one period, uncorrected: a line for each item of each plan
 * that it had.
 */
export function chargesOf(subscription: Subscription, period: Period): readonly InvoiceLine[] {
  const ids = subscription.held.flatMap(({ plan }) => itemsOf(plan, "consumption").map((item) => item.id));
  const meters = new Map([...new Set(ids)].map((id) => [id, meter(subscription, id, period.to).draws]));
  const known = { subscription, period, meters };
  const lines = subscription.held.flatMap((held) =>
    held.plan.terms.items.flatMap((item) => itemLines({ ...known, held }, item)),
  );
  return [...merged(lines, known), ...refunds(subscription, period)];
}

type At = {
  readonly subscription: Subscription;
  readonly period: Period;
  readonly held: Held;
  readonly meters: ReadonlyMap<string, ReturnType<typeof meter>["draws"]>;
};

/** What one line is made of, before it is rounded. */
type Charge = {
  readonly kind: ChargeKind;
  readonly item: string;
  readonly plan: string;
  readonly quantity: Exact;
  readonly price: string;
  readonly events: readonly string[];
  readonly metered?: readonly Metered[];
};

function itemLines(here: At, item: PlanItem): Charge[] {
  switch (item.kind) {
    case "fee":
      return [charge(here, item, { quantity: activePart(here, here.held), price: item.price, events: [] })];
    case "seat":
      return [seats(here, item)];
    case "consumption":
      return consumption(here, item);
    case "outcome":
      return outcomes(here, item);
    case "commission":
      return commissions(here, item);
    default:
      return item satisfies never;
  }
}

function charge(
  here: At,
  item: PlanItem,
  made: Pick<Charge, "quantity" | "price" | "events"> & Partial<Pick<Charge, "kind" | "metered">>,
): Charge {
  const { plan, version } = here.held.plan;
  const kind = item.kind === "consumption" ? "consumption" : item.kind;
  return { kind, item: item.id, plan: `${plan}@${version}`, ...made };
}

/**
 * The part of the period in which something is had while this plan is: the whole of it where nothing is
 * prorated.
 */
function activePart({ period, held }: At, span: Span): Exact {
  const inside = overlap(held, span);
  const active = inside === null ? null : overlap(period, inside);
  if (active === null) return zero;
  const { proration, zone } = held.plan.terms;
  return proration === "none" ? one : portion(period, active, proration, zone);
}

function seats(here: At, item: ItemOf<"seat">): Charge {
  const changes = here.subscription.events.filter(
    (event): event is SoldOf<"seat-added"> | SoldOf<"seat-removed"> =>
      (event.kind === "seat-added" || event.kind === "seat-removed") && event.item === item.id,
  );
  const parts = [...Map.groupBy(changes, (event) => event.seat).values()].map((ofSeat) => {
    const spans = spansOf(ofSeat);
    const total = sum(spans.map((span) => activePart(here, span)));
    const used = ofSeat.filter((event) => at(event) < here.period.to);
    // A seat given back and taken again within a period that is not prorated is still one seat.
    const part = here.held.plan.terms.proration === "none" && total.compare(one) > 0 ? one : total;
    return { part, events: used.map((event) => event.id) };
  });
  const held = parts.filter(({ part }) => !part.equals(zero));
  return charge(here, item, {
    quantity: sum(held.map(({ part }) => part)),
    price: item.price,
    events: held.flatMap(({ events }) => events).sort(),
  });
}

/** When a seat is taken: added twice it is taken once. */
function spansOf(changes: readonly SoldEvent[]): readonly Span[] {
  const spans: Span[] = [];
  let since: Moment | null = null;
  for (const event of changes) {
    if (event.kind === "seat-added") since ??= at(event);
    else if (since !== null) {
      spans.push({ from: since, to: at(event) });
      since = null;
    }
  }
  return since === null ? spans : [...spans, { from: since, to: never }];
}

function consumption(here: At, item: ItemOf<"consumption">): Charge[] {
  const { held, period } = here;
  const draws = (here.meters.get(item.id) ?? []).filter(
    (draw) => draw.held === held && draw.at >= period.from && draw.at < period.to,
  );
  const bought = eventsIn(here, "topped-up").filter((event) => event.item === item.id);
  const metered = draws.map((draw) => draw.metered);
  return [
    charge(here, item, {
      quantity: sum(draws.map((draw) => draw.billed)),
      price: item.price,
      events: metered.map(({ event }) => event),
      metered,
    }),
    charge(here, item, {
      kind: "credits",
      quantity: sum(bought.map((event) => exact(event.units))),
      price: item.creditPrice ?? "0",
      events: bought.map((event) => event.id),
    }),
  ];
}

function outcomes(here: At, item: ItemOf<"outcome">): Charge[] {
  const resolved = eventsIn(here, "resolved").filter((event) => event.outcome === item.outcome);
  const reopened = firstReopenings(here.subscription).filter(({ of, by }) => {
    const sameItem = of.outcome === item.outcome && heldAt(here.subscription, at(of)) === here.held;
    return sameItem && at(by) >= here.period.from && at(by) < here.period.to;
  });
  const count = (number: number): Exact => exact(BigInt(number));
  return [
    charge(here, item, {
      quantity: count(resolved.length),
      price: item.price,
      events: resolved.map((event) => event.id),
    }),
    charge(here, item, {
      kind: "reopened",
      quantity: count(-reopened.length),
      price: item.price,
      events: reopened.map(({ by }) => by.id),
    }),
  ];
}

/** Each outcome that was reopened, with the first fact that says so; it is credited once, at what it cost. */
function firstReopenings(
  subscription: Subscription,
): readonly { readonly of: SoldOf<"resolved">; readonly by: SoldOf<"reopened"> }[] {
  const first = new Map<string, SoldOf<"reopened">>();
  for (const event of subscription.events) {
    if (event.kind === "reopened" && !first.has(event.of)) first.set(event.of, event);
  }
  return subscription.events.flatMap((event) => {
    const by = first.get(event.id);
    return event.kind === "resolved" && by !== undefined ? [{ of: event, by }] : [];
  });
}

function commissions(here: At, item: ItemOf<"commission">): Charge[] {
  const sold = eventsIn(here, "sold").filter((event) => event.stream === item.stream);
  const { subscription, period, held } = here;
  const back = subscription.events.filter((event) => {
    if (event.kind !== "sale-refunded" || at(event) < period.from || at(event) >= period.to) return false;
    const sale = subscription.events.find((other) => other.id === event.of);
    return sale?.kind === "sold" && sale.stream === item.stream && heldAt(subscription, at(sale)) === held;
  });
  const amounts = (events: readonly SoldEvent[]): Exact =>
    sum(events.map((event) => exact("amount" in event ? event.amount : "0")));
  const ids = (events: readonly SoldEvent[]): string[] => events.map((event) => event.id);
  return [
    charge(here, item, { quantity: amounts(sold), price: item.rate, events: ids(sold) }),
    charge(here, item, {
      kind: "commission-refund",
      quantity: amounts(back).neg(),
      price: item.rate,
      events: ids(back),
    }),
  ];
}

/** The facts of one kind in the period while this plan is had. */
function eventsIn<Kind extends SoldEvent["kind"]>(here: At, kind: Kind): readonly SoldOf<Kind>[] {
  const span = overlap(here.period, here.held);
  return here.subscription.events.filter(
    (event): event is SoldOf<Kind> =>
      event.kind === kind && span !== null && at(event) >= span.from && at(event) < span.to,
  );
}

/** Lines of the same item and price as one, without those that say nothing; each is rounded here, once. */
function merged(charges: readonly Charge[], here: Pick<At, "subscription" | "period">): InvoiceLine[] {
  const same = Map.groupBy(charges, (made) => JSON.stringify([made.kind, made.item, made.plan]));
  return [...same.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const all = [first, ...others];
    const quantity = sum(all.map((made) => made.quantity));
    const events = all.flatMap((made) => made.events);
    if (quantity.equals(zero) && events.length === 0) return [];
    return [lineOf(here, { ...first, quantity, events, metered: all.flatMap((made) => made.metered ?? []) })];
  });
}

function lineOf(
  { subscription: { frame }, period }: Pick<At, "subscription" | "period">,
  made: Charge & { readonly metered: readonly Metered[] },
): InvoiceLine {
  return {
    ...{ kind: made.kind, item: made.item, plan: made.plan },
    ...{ quantity: exactText(made.quantity), price: made.price, arisesIn: period.name, events: made.events },
    amount: minorText(toMinor(made.quantity.mul(exact(made.price)), frame), frame.digits),
    ...(made.metered.length === 0 ? {} : { metered: made.metered }),
  };
}

function refunds(subscription: Subscription, period: Period): readonly InvoiceLine[] {
  return subscription.events.flatMap((event) => {
    if (event.kind !== "refunded" || at(event) < period.from || at(event) >= period.to) return [];
    const given: Charge = {
      ...{
        kind: "refund",
        item: event.id,
        plan: "",
        quantity: exact(-1n),
        price: event.amount,
        events: [event.id],
      },
    };
    return [lineOf({ subscription, period }, { ...given, metered: [] })];
  });
}
