/**
 * A second opinion on invoices: day by day, fact by fact, in UTC months. It shares no code with the room
 * `terms`.
 */
import type { SoldEvent, SubscriptionFacts } from "factotum/terms";
import { NOTHING, plus, type Ratio, ratio, read, rounded, times } from "./oracle-arithmetic.ts";

const DAY = 86_400_000;
type Item = SubscriptionFacts["plans"][number]["terms"]["items"][number];
type Sums = Map<string, { readonly quantity: Ratio; readonly price: string }>;

/** The total of a month as decimal text, for facts at midnight UTC and plans prorated by days. */
export function clerkTotal(facts: SubscriptionFacts, month: string): string {
  const told = [...new Map(facts.events.map(({ event }) => [event.id, event])).values()].sort(
    (a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.id < b.id ? -1 : 1),
  );
  const begun = told.find((event) => event.kind === "subscribed");
  if (begun === undefined) throw new Error("never begun");
  const trial = versionOf(facts, begun)?.trialDays ?? 0;
  const first = Date.parse(begun.at) + trial * DAY;
  const end = Date.parse(told.find((event) => event.kind === "ended")?.at ?? "9999-01-01T00:00:00Z");
  /** Which plan is paid for at a time: its name, version and the order of the change that brought it. */
  const planAt = (
    at: number,
  ): { readonly name: string; readonly items: readonly Item[]; readonly turn: string } | null => {
    if (at < first || at >= end) return null;
    const turns = told.filter(
      (event) =>
        event.kind === "subscribed" ||
        (event.kind === "moved" && Date.parse(event.at) > Date.parse(begun.at)),
    );
    const turn = turns.findLast((event) => Date.parse(event.at) <= at);
    if (turn?.kind !== "subscribed" && turn?.kind !== "moved") return null;
    return {
      name: `${turn.plan}@${turn.version}`,
      items: versionOf(facts, turn)?.items ?? [],
      turn: turn.id,
    };
  };
  const sums: Sums = new Map();
  const add = (kind: string, name: string, item: Item, quantity: Ratio, price: string): void => {
    const key = `${kind} ${name} ${item.id}`;
    sums.set(key, { quantity: plus(sums.get(key)?.quantity ?? NOTHING, quantity), price });
  };
  const within = (at: string | number): boolean => new Date(at).toISOString().startsWith(month);

  const start = Date.parse(`${month}-01T00:00:00Z`);
  const days = Array.from({ length: 31 }, (_, at) => start + at * DAY).filter(within);
  for (const day of days) {
    const plan = planAt(day);
    for (const item of plan?.items ?? []) {
      if (plan === null || item.kind !== "seat") continue;
      add(
        "seat",
        plan.name,
        item,
        ratio(BigInt(seatsOn(told, item.id, day)), BigInt(days.length)),
        item.price,
      );
    }
  }
  let total = NOTHING;
  for (const event of told) {
    const plan = planAt(Date.parse(event.at));
    if (event.kind === "refunded" && within(event.at))
      total = plus(total, times([-1n, 1n], read(event.amount)));
    for (const item of plan?.items ?? []) {
      if (plan === null || !within(event.at)) continue;
      if (event.kind === "resolved" && item.kind === "outcome")
        add("o", plan.name, item, [1n, 1n], item.price);
      if (event.kind === "sold" && item.kind === "commission")
        add("c", plan.name, item, read(event.amount), item.rate);
      if (event.kind === "topped-up" && item.kind === "consumption") {
        add("t", plan.name, item, read(event.units), item.creditPrice ?? "0");
      }
    }
    const origin = "of" in event ? told.find((one) => one.id === event.of) : undefined;
    const before = origin === undefined ? null : planAt(Date.parse(origin.at));
    for (const item of before?.items ?? []) {
      if (before === null || !within(event.at)) continue;
      const again = told.find((one) => one.kind === "reopened" && "of" in event && one.of === event.of);
      if (event.kind === "reopened" && item.kind === "outcome" && again?.id === event.id) {
        add("r", before.name, item, [-1n, 1n], item.price);
      }
      if (event.kind === "sale-refunded" && item.kind === "commission") {
        add("b", before.name, item, times([-1n, 1n], read(event.amount)), item.rate);
      }
    }
  }
  drink(told, planAt, within, add);
  const rule = versionOf(facts, begun);
  if (rule === undefined) throw new Error("no such plan");
  let minor = rounded(total, rule);
  for (const { quantity, price } of sums.values()) minor += rounded(times(quantity, read(price)), rule);
  const text = String(minor < 0n ? -minor : minor).padStart(3, "0");
  return `${minor < 0n ? "-" : ""}${text.slice(0, -2)}.${text.slice(-2)}`;
}

function versionOf(facts: SubscriptionFacts, of: { plan: string; version: number }) {
  return facts.plans.find((one) => one.plan === of.plan && one.version === of.version)?.terms;
}

function seatsOn(told: readonly SoldEvent[], item: string, day: number): number {
  const taken = new Set<string>();
  for (const event of told) {
    if (Date.parse(event.at) > day || !("seat" in event) || event.item !== item) continue;
    if (event.kind === "seat-added") taken.add(event.seat);
    else taken.delete(event.seat);
  }
  return taken.size;
}

/** Every unit is drunk from three glasses in turn: the month's free one, the prepaid one, the billed one. */
function drink(
  told: readonly SoldEvent[],
  planAt: (at: number) => { readonly name: string; readonly items: readonly Item[] } | null,
  within: (at: string) => boolean,
  add: (kind: string, name: string, item: Item, quantity: Ratio, price: string) => void,
): void {
  let prepaid = 0n;
  const free = new Map<string, bigint>();
  for (const event of told) {
    if (event.kind === "topped-up") prepaid += BigInt(event.units);
    const plan = planAt(Date.parse(event.at));
    for (const item of plan?.items ?? []) {
      if (event.kind !== "consumed" || plan === null || item.kind !== "consumption") continue;
      if (item.meter !== event.meter) continue;
      const month = event.at.slice(0, 7);
      let units = BigInt(event.units) * BigInt(item.multipliers[event.model ?? ""] ?? "1");
      let billed = 0n;
      for (; units > 0n; units -= 1n) {
        const used = free.get(month) ?? 0n;
        if (used < BigInt(item.included)) free.set(month, used + 1n);
        else if (prepaid > 0n && item.creditPrice !== undefined) prepaid -= 1n;
        else if (item.over === "bill") billed += 1n;
      }
      if (within(event.at)) add("u", plan.name, item, [billed, 1n], item.price);
    }
  }
}
