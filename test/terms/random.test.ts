import * as fc from "fast-check";
import { type AgreementFacts, computeSettlement, settlementText, type TermEventInput } from "factotum/terms";
import { DateTime } from "luxon";
import { expect, test } from "vitest";
import { clause, type ClauseInput, close, known, LATE, share, terms, tries, version } from "./kit.ts";
import { Oracle, opinionOf } from "./oracle.ts";

const ZONE = "America/New_York";
const MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"];
const DAYS = 150;

/** An hour of the first five months of 2026, which have a change of clocks, as an instant. */
const instant = fc
  .tuple(fc.integer({ min: 0, max: DAYS - 1 }), fc.constantFrom(0, 0, 0, 9, 17))
  .map(
    ([days, hour]) =>
      DateTime.fromISO("2026-01-01", { zone: ZONE }).plus({ days }).set({ hour }).toISO() ?? "",
  );
const date = instant.map((at) => at.slice(0, 10));
/** What is known late may come after a month was closed. */
const knownAt = fc.oneof(fc.constant("2025-01-01T00:00:00Z"), instant);
const cents = fc.integer({ min: 0, max: 100_000_000 }).map((minor) => (minor / 100).toFixed(2));
const rate = fc.constantFrom("0.15", "1/3", "0.005", "0.2", "1", "0");

const until = fc.oneof(
  fc.constant({}),
  date.map((on) => ({ until: { date: on } })),
  fc.constant({ until: { event: "done" } }),
  date.map((on) => ({ until: { date: on, event: "done" } })),
);

const shares = (id: string): fc.Arbitrary<ClauseInput> =>
  fc
    .record({
      rate,
      until,
      streams: fc.constantFrom<string[]>(["*"], ["apps"], ["api", "apps"]),
      excludeTags: fc.constantFrom<string[]>([], ["resale"]),
      deduct: fc.constantFrom<string[]>([], ["tax"]),
      tail: fc.constantFrom({}, { tail: "P1M" }, { tail: "P12M" }),
      from: fc.oneof(
        fc.constant({}),
        date.map((from) => ({ from })),
      ),
    })
    .map(({ until: ends, tail, from, ...more }) =>
      share(more.rate, {
        id,
        streams: more.streams,
        excludeTags: more.excludeTags,
        deduct: more.deduct,
        ...ends,
        ...tail,
        ...from,
      }),
    );

const others: fc.Arbitrary<ClauseInput[]> = fc
  .tuple(
    fc.option(cents.map((amount) => clause({ kind: "cap", id: "cap", clauses: ["a", "b"], amount }))),
    fc.option(
      fc
        .record({
          ...{ amount: cents, every: fc.constantFrom("month" as const, "quarter" as const), ends: until },
          counts: fc.constantFrom<{ clauses?: string[]; streams?: string[] }>(
            { clauses: ["a"] },
            { streams: ["api"] },
            { clauses: ["a"], streams: ["api"] },
          ),
        })
        .map(({ amount, every, ends, counts }) =>
          clause({
            kind: "commitment",
            id: "least",
            payer: "lab",
            payee: "cloud",
            amount,
            every,
            ...counts,
            ...ends,
          }),
        ),
    ),
    fc.option(
      fc
        .record({ invested: cents, part: fc.constantFrom("0.27", "1/3") })
        .map(({ invested, part }) =>
          clause({ kind: "investment", id: "stake", holder: "cloud", company: "lab", share: part, invested }),
        ),
    ),
    fc.option(
      shares("back").map((one) =>
        clause({ ...one, payer: "cloud", payee: "lab" } as Extract<ClauseInput, { kind: "share" }>),
      ),
    ),
  )
  .map((found) => found.filter((one) => one !== null));

const frame = fc.record({
  rounding: fc.constantFrom(
    "half-even" as const,
    "half-up" as const,
    "half-down" as const,
    "up" as const,
    "down" as const,
    "floor" as const,
    "ceiling" as const,
  ),
  proration: fc.constantFrom("days" as const, "seconds" as const),
  fx: fc.constantFrom("earned" as const, "period-end" as const),
  netting: fc.boolean(),
});
const wording = fc.tuple(shares("a"), shares("b"), others).map(([a, b, more]) => [a, b, ...more]);

const earned = fc.oneof(
  instant.map((at) => ({ at })),
  fc.tuple(instant, fc.integer({ min: 1, max: 40 })).map(([from, days]) => ({
    from,
    to: DateTime.fromISO(from, { zone: ZONE }).plus({ days }).toISO() ?? "",
  })),
);
const revenues: fc.Arbitrary<TermEventInput> = fc.record({
  kind: fc.constant("revenue"),
  id: fc.constantFrom("r1", "r2", "r3", "r4", "r5", "r6"),
  stream: fc.constantFrom("apps", "api"),
  amount: cents,
  currency: fc.constantFrom("USD", "USD", "EUR"),
  earned,
  tags: fc.constantFrom([], ["resale"]),
  deductions: fc.constantFrom({}, { tax: "1.37" }),
});
const change = { of: fc.constantFrom("r1", "r2", "r3"), amount: cents, at: instant };
const changes: fc.Arbitrary<TermEventInput> = fc.oneof(
  fc.record({ kind: fc.constant("refund" as const), id: fc.constantFrom("x1", "x2"), ...change }),
  fc.record({ kind: fc.constant("restatement" as const), id: fc.constantFrom("y1", "y2"), ...change }),
);
const results: fc.Arbitrary<TermEventInput> = fc.record({
  ...{ kind: fc.constant("result"), company: fc.constant("lab"), currency: fc.constant("USD"), earned },
  id: fc.constantFrom("p1", "p2", "p3"),
  amount: fc.tuple(fc.constantFrom("", "-"), cents).map(([sign, amount]) => `${sign}${amount}`),
});
const words: fc.Arbitrary<TermEventInput> = fc.oneof(
  fc.record({
    ...{
      kind: fc.constant("declaration" as const),
      id: fc.constantFrom("d1", "d2"),
      event: fc.constant("done"),
    },
    ...{ agreement: fc.constant("deal"), by: fc.constantFrom("lab", "cloud", "eve"), at: instant },
  }),
  fc.record({
    ...{
      kind: fc.constant("attestation" as const),
      id: fc.integer({ min: 1, max: 9 }).map((at) => `s${at}`),
    },
    declaration: fc.constantFrom("d1", "d2"),
    says: fc.constantFrom("sign" as const, "sign" as const, "dissent" as const, "retract" as const),
    by: fc.constantFrom("ada", "bob", "cyd", "eve"),
    at: instant,
  }),
);
const rates: fc.Arbitrary<TermEventInput> = fc.record({
  ...{ kind: fc.constant("rate"), from: fc.constant("EUR"), to: fc.constant("USD"), at: instant },
  id: fc.constantFrom("f1", "f2"),
  rate: fc.constantFrom("1.0837", "0.9", "1/3"),
});
const firstRate = known({
  kind: "rate",
  id: "f0",
  from: "EUR",
  to: "USD",
  rate: "1.1",
  at: "2020-01-01T00:00:00Z",
});

/**
 * A story: what was agreed and what happened, when each became known, and how many months were closed on the
 * way.
 */
const story = fc.record({
  frame,
  first: wording,
  amendments: fc.array(fc.tuple(wording, date, knownAt), { maxLength: 2 }),
  told: fc.uniqueArray(
    fc.tuple(fc.oneof(revenues, revenues, revenues, changes, results, words, words, rates), knownAt),
    {
      maxLength: 16,
      selector: ([event]) => event.id,
    },
  ),
  closed: fc.integer({ min: 0, max: 4 }),
});
type Story = typeof story extends fc.Arbitrary<infer Told> ? Told : never;

const panels = { done: { experts: ["ada", "bob", "cyd"], quorum: 2 } };

function factsOf({ frame: rules, first, amendments, told }: Story): AgreementFacts {
  const write = (clauses: readonly ClauseInput[]) => terms(clauses, { zone: ZONE, panels, ...rules });
  const kinds = new Set(first.map((one) => one.id));
  // A later number is never known before an earlier one: amendments are agreed one after the other.
  let latest = "2025-01-01T00:00:00Z";
  const later = amendments.map(([clauses, from, at], index) => {
    if (Date.parse(at) > Date.parse(latest)) latest = at;
    return version(index + 2, write(clauses), from, latest);
  });
  expect(kinds.size).toBeGreaterThan(1);
  return {
    versions: [version(1, write(first)), ...later],
    events: [firstRate, ...told.map(([event, at]) => known(event, at))],
    closed: [],
  };
}

/** When a month is closed: two days after it ended. */
function closingTime(month: string): string {
  return DateTime.fromISO(`${month}-01`, { zone: ZONE }).plus({ months: 1, days: 2 }).toUTC().toISO() ?? "";
}

function closedBy(facts: AgreementFacts, months: number): AgreementFacts {
  return MONTHS.slice(0, months).reduce((before, month) => {
    const at = closingTime(month);
    return close(before, computeSettlement(before, month, at), at);
  }, facts);
}

const runs = tries(15);

test("on random agreements, the engine and the oracle agree to the last cent", { timeout: 3_600_000 }, () => {
  let lines = 0;
  fc.assert(
    fc.property(story, (told) => {
      const facts = closedBy(factsOf(told), told.closed);
      for (const month of MONTHS) {
        const settlement = computeSettlement(facts, month, LATE);
        lines += settlement.lines.length;
        expect(opinionOf(settlement)).toEqual(new Oracle(facts, LATE).settle(month));
      }
    }),
    runs,
  );
  expect(lines).toBeGreaterThan(runs.numRuns);
});

test("facts late, doubled and in any order give the same bytes", { timeout: 3_600_000 }, () => {
  fc.assert(
    fc.property(story, fc.infiniteStream(fc.nat()), (told, order) => {
      const facts = closedBy(factsOf(told), told.closed);
      const shuffle = <Item>(items: readonly Item[]): Item[] =>
        [...items, ...items]
          .map((item) => ({ item, key: order.next().value }))
          .sort((left, right) => left.key - right.key)
          .map(({ item }) => item);
      const other = {
        versions: shuffle(facts.versions),
        events: shuffle(facts.events),
        closed: [...facts.closed].reverse(),
      };
      for (const month of MONTHS) {
        const text = settlementText(computeSettlement(facts, month, LATE));
        expect(settlementText(computeSettlement(other, month, LATE))).toBe(text);
      }
    }),
    runs,
  );
});

test(
  "a closed month answers as it did, and what was learned late adds up to what was known at once",
  { timeout: 3_600_000 },
  () => {
    fc.assert(
      fc.property(story, (told) => {
        const plain = { ...told, first: told.first.filter((one) => one.kind !== "cap") };
        const facts = factsOf({ ...plain, amendments: [] });
        const closed = closedBy(facts, MONTHS.length);
        const later = computeSettlement(closed, "2026-06", LATE);
        const sums = new Map<string, bigint>();
        const add = (id: string, amount: string, sign: bigint): void => {
          sums.set(id, (sums.get(id) ?? 0n) + sign * BigInt(amount.replace(".", "")));
        };
        for (const { settlement } of closed.closed) {
          expect(computeSettlement(closed, settlement.period, LATE)).toBe(settlement);
          for (const line of settlement.lines) add(line.clause, line.amount, 1n);
        }
        for (const line of later.lines) add(line.clause, line.amount, 1n);
        for (const month of [...MONTHS, "2026-06"]) {
          for (const line of computeSettlement(facts, month, LATE).lines) add(line.clause, line.amount, -1n);
        }
        expect([...sums.values()].filter((left) => left !== 0n)).toEqual([]);
      }),
      runs,
    );
  },
);

test("what was ever paid under a cap stays between nothing and the cap", { timeout: 3_600_000 }, () => {
  fc.assert(
    fc.property(story, cents, (told, most) => {
      const cap = clause({ kind: "cap", id: "cap", clauses: ["a", "b"], amount: most });
      const first = [...told.first.filter((one) => one.kind !== "cap"), cap];
      const facts = closedBy(factsOf({ ...told, first, amendments: [] }), MONTHS.length);
      let paid = 0n;
      for (const { settlement } of facts.closed) {
        for (const line of settlement.lines) {
          if (["a", "b", "cap"].includes(line.clause)) paid += BigInt(line.amount.replace(".", ""));
        }
        expect(paid >= 0n && paid <= BigInt(most.replace(".", ""))).toBe(true);
      }
    }),
    runs,
  );
});
