import * as fc from "fast-check";
import {
  computeInvoice,
  invoiceText,
  type KnownSoldEvent,
  type PlanInput,
  planSchema,
  type SoldEventInput,
  soldEventSchema,
  type SubscriptionFacts,
} from "factotum/terms";
import { expect, test } from "vitest";
import { EARLY, LATE, tries } from "./kit.ts";
import { clerkTotal } from "./plan-clerk.ts";

/** An event as tests write it: of the one subscription, at noon unless the instant is given. */
type Told = SoldEventInput extends infer One
  ? One extends SoldEventInput
    ? Omit<One, "subscription">
    : never
  : never;

const team: PlanInput = {
  ...{ zone: "UTC", period: "month", currency: "USD" },
  items: [
    { kind: "seat", id: "seat", of: "person", price: "30" },
    { kind: "seat", id: "agent", of: "agent", price: "300" },
    { kind: "consumption", id: "credit", meter: "credits", price: "0.01", multipliers: { strong: "3" } },
    { kind: "outcome", id: "resolved", outcome: "ticket", price: "0.99" },
    { kind: "commission", id: "sales", stream: "shop", rate: "0.05" },
  ],
};

const begun: Told = {
  ...{
    kind: "subscribed",
    id: "begin",
    at: "2026-01-01T00:00:00Z",
    customer: "acme",
    plan: "team",
    version: 1,
  },
};

function known(told: Told, knownAt: string = EARLY): KnownSoldEvent {
  return { event: soldEventSchema.parse({ ...told, subscription: "s1" }), knownAt };
}

function factsOf(told: readonly Told[], plans: Readonly<Record<string, PlanInput>> = {}): SubscriptionFacts {
  const all = { "team@1": team, ...plans };
  return {
    subscription: "s1",
    plans: Object.entries(all).map(([name, terms]) => {
      const [plan = "", version = ""] = name.split("@");
      return { plan, version: Number(version), terms: planSchema.parse(terms) };
    }),
    events: [begun, ...told].map((one) => known(one)),
    closed: [],
  };
}

/** An invoice, worked out by the clerk as well. */
function invoice(facts: SubscriptionFacts, month: string, knownAt: string = LATE) {
  const made = computeInvoice(facts, month, knownAt);
  const told = facts.events.filter((one) => Date.parse(one.knownAt) <= Date.parse(knownAt));
  const total = facts.closed.length > 0 ? made.total : clerkTotal({ ...facts, events: told }, month);
  expect(made.total, "the clerk's total").toBe(total);
  return made;
}

function close(facts: SubscriptionFacts, month: string, knownAt: string): SubscriptionFacts {
  const closed = { ordinal: facts.closed.length + 1, knownAt, invoice: invoice(facts, month, knownAt) };
  return { ...facts, closed: [...facts.closed, closed] };
}

const times = <Item>(count: number, make: (at: number) => Item): Item[] =>
  Array.from({ length: count }, (_, at) => make(at));
const lines = (made: ReturnType<typeof invoice>) =>
  made.lines.map((line) => [line.kind, line.item, line.quantity, line.amount]);

test("40 seats, 3,250 credits, 1,000 outcomes and 30 reopened come to $2,192.80, every line traced", () => {
  const facts = factsOf([
    ...times(40, (at): Told => ({
      kind: "seat-added",
      id: `seat${at}`,
      item: "seat",
      seat: `p${at}`,
      at: "2026-01-01T00:00:00Z",
    })),
    ...times(13, (at): Told => ({
      kind: "consumed",
      id: `use${at}`,
      meter: "credits",
      units: "250",
      at: "2026-03-04T00:00:00Z",
    })),
    ...times(1_000, (at): Told => ({
      kind: "resolved",
      id: `done${at}`,
      outcome: "ticket",
      at: "2026-03-05T00:00:00Z",
    })),
    ...times(30, (at): Told => ({
      kind: "reopened",
      id: `again${at}`,
      of: `done${at}`,
      at: "2026-03-09T00:00:00Z",
    })),
  ]);
  const march = invoice(facts, "2026-03");
  expect(lines(march)).toEqual([
    ["seat", "seat", "40", "1200.00"],
    ["consumption", "credit", "3250", "32.50"],
    ["outcome", "resolved", "1000", "990.00"],
    ["reopened", "resolved", "-30", "-29.70"],
  ]);
  expect(march.total).toBe("2192.80");
  const ids = new Set(facts.events.map(({ event }) => event.id));
  for (const line of march.lines) {
    expect(line.events.length).toBeGreaterThan(0);
    expect(line.events.filter((id) => !ids.has(id))).toEqual([]);
  }
});

test("a seat added on the 16th of a month of 30 days costs half, for a person as for an agent", () => {
  const facts = factsOf([
    { kind: "seat-added", id: "1", item: "seat", seat: "ada", at: "2026-04-16T00:00:00Z" },
    { kind: "seat-added", id: "2", item: "agent", seat: "desk", at: "2026-04-16T00:00:00Z" },
    { kind: "seat-removed", id: "3", item: "agent", seat: "desk", at: "2026-05-01T00:00:00Z" },
  ]);
  expect(lines(invoice(facts, "2026-04"))).toEqual([
    ["seat", "seat", "1/2", "15.00"],
    ["seat", "agent", "1/2", "150.00"],
  ]);
  expect(lines(invoice(facts, "2026-05"))).toEqual([["seat", "seat", "1", "30.00"]]);
});

test("an allowance that runs out within a call is free up to there, then prepaid, then billed", () => {
  const item = {
    kind: "consumption",
    id: "tokens",
    meter: "tokens",
    price: "0.002",
    included: "1000",
  } as const;
  const plan: PlanInput = {
    ...team,
    items: [{ ...item, creditPrice: "0.001", multipliers: { strong: "3" } }],
  };
  const told: Told[] = [
    { kind: "topped-up", id: "buy", item: "tokens", units: "500", at: "2026-03-01T00:00:00Z" },
    { kind: "consumed", id: "a", meter: "tokens", units: "900", at: "2026-03-02T00:00:00Z" },
    { kind: "consumed", id: "b", meter: "tokens", model: "strong", units: "300", at: "2026-03-03T00:00:00Z" },
  ];
  const march = invoice(factsOf(told, { "team@1": plan }), "2026-03");
  expect(march.lines[0]?.metered).toEqual([
    { event: "a", units: "900", included: "900", prepaid: "0", billed: "0", unbilled: "0" },
    { event: "b", units: "900", included: "100", prepaid: "500", billed: "300", unbilled: "0" },
  ]);
  expect(lines(march)).toEqual([
    ["consumption", "tokens", "300", "0.60"],
    ["credits", "tokens", "500", "0.50"],
  ]);
  const free: PlanInput = { ...team, items: [{ ...item, over: "refuse" }] };
  const refused = invoice(factsOf(told, { "team@1": free }), "2026-03");
  expect(refused.lines[0]?.metered?.[1]).toMatchObject({ included: "100", billed: "0", unbilled: "200" });
  expect(refused.total).toBe("0.00");
});

test("an outcome reopened after its invoice is credited in the next, and the sent one stays", () => {
  const resolved: Told = { kind: "resolved", id: "done", outcome: "ticket", at: "2026-01-20T00:00:00Z" };
  const facts = close(factsOf([resolved]), "2026-01", "2026-02-01T00:00:00Z");
  const sent = facts.closed[0]?.invoice;
  const reopened = known(
    { kind: "reopened", id: "again", of: "done", at: "2026-02-03T00:00:00Z" },
    "2026-02-03T00:00:00Z",
  );
  const late = known(
    { kind: "resolved", id: "late", outcome: "ticket", at: "2026-01-31T00:00:00Z" },
    "2026-02-04T00:00:00Z",
  );
  const after = { ...facts, events: [...facts.events, reopened, late] };
  expect(computeInvoice(after, "2026-01", LATE)).toBe(sent);
  const february = invoice(after, "2026-02");
  expect(february.lines).toMatchObject([
    { kind: "reopened", quantity: "-1", amount: "-0.99", arisesIn: "2026-02", events: ["again"] },
    { kind: "outcome", amount: "0.99", arisesIn: "2026-01", corrects: { invoiced: "0.99", now: "1.98" } },
  ]);
  expect(february.total).toBe("0.00");
});

test("an old subscription keeps the price it began with while new ones have another", () => {
  const dearer = {
    ...team,
    items: team.items.map((item) => (item.kind === "outcome" ? { ...item, price: "1.49" } : item)),
  };
  const resolved: Told = { kind: "resolved", id: "done", outcome: "ticket", at: "2026-03-20T00:00:00Z" };
  const plans = { "team@2": dearer };
  expect(invoice(factsOf([resolved], plans), "2026-03").total).toBe("0.99");
  const newer = factsOf([resolved], plans);
  const other = { ...newer, events: [known({ ...begun, version: 2 }), known(resolved)] };
  expect(invoice(other, "2026-03").lines).toMatchObject([{ plan: "team@2", amount: "1.49" }]);
  const moved: Told = { kind: "moved", id: "up", plan: "team", version: 2, at: "2026-03-21T00:00:00Z" };
  const late: Told = { ...resolved, id: "later", at: "2026-03-21T00:00:00Z" };
  const reopened: Told = { kind: "reopened", id: "again", of: "done", at: "2026-03-25T00:00:00Z" };
  expect(lines(invoice(factsOf([resolved, moved, late, reopened], plans), "2026-03"))).toEqual([
    ["outcome", "resolved", "1", "0.99"],
    ["reopened", "resolved", "-1", "-0.99"],
    ["outcome", "resolved", "1", "1.49"],
  ]);
});

test("a trial bills nothing; a commission is given back at its rate; money back is a line of its own", () => {
  const facts = factsOf(
    [
      { kind: "sold", id: "early", stream: "shop", amount: "1000", at: "2026-01-10T00:00:00Z" },
      { kind: "seat-added", id: "seat", item: "seat", seat: "ada", at: "2026-01-01T00:00:00Z" },
      { kind: "sold", id: "sale", stream: "shop", amount: "1000", at: "2026-01-30T00:00:00Z" },
      { kind: "sale-refunded", id: "back", of: "sale", amount: "400", at: "2026-02-02T00:00:00Z" },
      { kind: "refunded", id: "sorry", amount: "5", because: "an outage", at: "2026-02-03T00:00:00Z" },
      { kind: "ended", id: "end", at: "2026-02-15T00:00:00Z" },
    ],
    { "team@1": { ...team, trialDays: 14 } },
  );
  expect(lines(invoice(facts, "2026-01"))).toEqual([
    ["seat", "seat", "17/31", "16.45"],
    ["commission", "sales", "1000", "50.00"],
  ]);
  expect(lines(invoice(facts, "2026-02"))).toEqual([
    ["seat", "seat", "1/2", "15.00"],
    ["commission-refund", "sales", "-400", "-20.00"],
    ["refund", "sorry", "-1", "-5.00"],
  ]);
});

const day = fc
  .integer({ min: 0, max: 89 })
  .map((days) => new Date(Date.UTC(2026, 0, 1 + days)).toISOString());
const events: fc.Arbitrary<Told> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("seat-added" as const, "seat-removed" as const),
    id: fc.uuid(),
    at: day,
    item: fc.constantFrom("seat", "agent"),
    seat: fc.constantFrom("a", "b"),
  }),
  fc.record({
    kind: fc.constant("consumed" as const),
    id: fc.uuid(),
    at: day,
    meter: fc.constant("credits"),
    model: fc.constantFrom("strong", "small"),
    units: fc.integer({ min: 0, max: 5_000 }).map(String),
  }),
  fc.record({
    kind: fc.constant("topped-up" as const),
    id: fc.uuid(),
    at: day,
    item: fc.constant("credit"),
    units: fc.constantFrom("100", "2500"),
  }),
  fc.record({
    kind: fc.constant("resolved" as const),
    id: fc.constantFrom("r1", "r2", "r3"),
    at: day,
    outcome: fc.constant("ticket"),
  }),
  fc.record({
    kind: fc.constant("reopened" as const),
    id: fc.uuid(),
    at: day,
    of: fc.constantFrom("r1", "r2", "r3"),
  }),
  fc.record({
    kind: fc.constant("sold" as const),
    id: fc.constantFrom("v1", "v2"),
    at: day,
    stream: fc.constant("shop"),
    amount: fc.constantFrom("19.99", "1000"),
  }),
  fc.record({
    kind: fc.constant("sale-refunded" as const),
    id: fc.uuid(),
    at: day,
    of: fc.constantFrom("v1", "v2"),
    amount: fc.constantFrom("3.33", "10"),
  }),
  fc.record({
    kind: fc.constant("moved" as const),
    id: fc.constantFrom("m1", "m2"),
    at: day,
    plan: fc.constant("team"),
    version: fc.constantFrom(1, 2),
  }),
  fc.record({ kind: fc.constant("ended" as const), id: fc.constant("end"), at: day }),
);
const included: PlanInput = {
  ...{ ...team, trialDays: 10 },
  items: team.items.map((item) =>
    item.kind === "consumption" ? { ...item, included: "1000", creditPrice: "0.008" } : item,
  ),
};
const second: PlanInput = {
  ...team,
  items: included.items.map((item) =>
    item.kind === "consumption" ? { ...item, price: "0.0133", included: "200" } : item,
  ),
};
const stories = fc.uniqueArray(events, { maxLength: 25, selector: (event) => event.id });

test(
  "on random subscriptions, the invoices and the clerk agree to the last cent",
  { timeout: 300_000 },
  () => {
    let seen = 0;
    fc.assert(
      fc.property(stories, (told) => {
        const facts = factsOf(told, { "team@1": included, "team@2": second });
        for (const month of ["2026-01", "2026-02", "2026-03"]) {
          seen += invoice(facts, month).lines.length;
        }
      }),
      tries(150),
    );
    expect(seen).toBeGreaterThan(150);
  },
);

test(
  "facts of a subscription late, doubled and in any order give the same bytes and sums",
  { timeout: 300_000 },
  () => {
    fc.assert(
      fc.property(stories, fc.infiniteStream(fc.nat()), fc.array(day), (told, order, late) => {
        const plain = factsOf(told, { "team@1": included, "team@2": second });
        const facts = {
          ...plain,
          events: plain.events.map((one, at) => ({
            ...one,
            knownAt: at === 0 ? EARLY : (late[at] ?? EARLY),
          })),
        };
        const shuffled = [...facts.events, ...facts.events]
          .map((item) => ({ item, key: order.next().value }))
          .sort((left, right) => left.key - right.key)
          .map(({ item }) => item);
        let open: SubscriptionFacts = facts;
        let [sum, atOnce] = [0n, 0n];
        for (const [month, knownAt] of [
          ["2026-01", "2026-02-01T00:00:00Z"],
          ["2026-02", "2026-03-01T00:00:00Z"],
          ["2026-03", LATE],
        ] as const) {
          open = close(open, month, knownAt);
          const sent = open.closed.at(-1)?.invoice;
          const again = computeInvoice(
            { ...open, events: shuffled, closed: open.closed.slice(0, -1) },
            month,
            knownAt,
          );
          expect(sent === undefined ? "" : invoiceText(sent)).toBe(invoiceText(again));
          sum += BigInt(sent?.total.replace(".", "") ?? "0");
          atOnce += BigInt(computeInvoice(plain, month, LATE).total.replace(".", ""));
        }
        expect(sum).toBe(atOnce);
      }),
      tries(150),
    );
  },
);
