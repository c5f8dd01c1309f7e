import * as fc from "fast-check";
import { breakEven, commitmentCoverage, costOfUnits, elasticityBetween, whatIf } from "factotum/terms";
import { expect, test } from "vitest";
import { tries } from "./kit.ts";

const index = { fixed: "1000000000", perUnit: "0.0002" };
const metered = { fixed: "0", perUnit: "0.01" };

test("an index at 10⁹ and $0.0002 a query breaks even with $0.01 a query at 102,040,816,327", () => {
  const found = breakEven(index, metered);
  expect(found).toEqual({ kind: "from", exact: "5000000000000/49", units: 102_040_816_327n });
  // By hand, in ten-thousandths of a dollar: 10¹³ + 2 n against 100 n.
  const index4 = (queries: bigint): bigint => 10n ** 13n + 2n * queries;
  expect(index4(102_040_816_327n) <= 100n * 102_040_816_327n).toBe(true);
  expect(index4(102_040_816_326n) <= 100n * 102_040_816_326n).toBe(false);
  expect(costOfUnits(index, "1000000000")).toBe("1000200000");
});

test("from the break-even on, and not a unit before, the first way is no dearer", () => {
  const cents = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(cents, cents, cents, cents, (fixed, perUnit, otherFixed, otherPerUnit) => {
      const text = (minor: number): string => (minor / 100).toFixed(2);
      const found = breakEven(
        { fixed: text(fixed), perUnit: text(perUnit) },
        { fixed: text(otherFixed), perUnit: text(otherPerUnit) },
      );
      const noDearer = (units: bigint): boolean =>
        BigInt(fixed) + BigInt(perUnit) * units <= BigInt(otherFixed) + BigInt(otherPerUnit) * units;
      const many = 10n ** 12n;
      const says = {
        always: () => [0n, 1n, many].every(noDearer),
        never: () => !noDearer(many),
        from: () => found.kind === "from" && noDearer(found.units) && !noDearer(found.units - 1n),
      };
      expect(says[found.kind]()).toBe(true);
    }),
    tries(100),
  );
});

test("a price ÷ 100 with usage × 100, 200, 1,000: elasticity 1, 1.1505, 1.5, revenue × 1, 2, 10", () => {
  const before = { price: "1", usage: "7" };
  const seen = ["700", "1400", "7000"].map((usage) => elasticityBetween(before, { price: "0.01", usage }));
  expect(seen).toEqual([
    { elasticity: "1", revenueTimes: "1" },
    { elasticity: "1.1505", revenueTimes: "2" },
    { elasticity: "1.5", revenueTimes: "10" },
  ]);
  expect(Math.log(200) / Math.log(100)).toBeCloseTo(1.1505, 4);
});

/**
 * The elasticity in ten-thousandths, by going up one by one and comparing powers of whole numbers: no
 * logarithm, and nothing of the room.
 */
function naiveElasticity(cheaper: bigint, used: bigint): bigint {
  const wanted = used ** 20_000n;
  // Half a step further the power passes what is wanted: cheaper ^ ((2k + 1) / 20,000).
  const step = cheaper * cheaper;
  let power = cheaper;
  for (let k = 0n; ; k += 1n) {
    if (power > wanted) return k;
    power *= step;
  }
}

test("elasticities are those that a clerk finds by multiplying whole numbers", () => {
  const told = ["100", "200", "1000"].map((usage) =>
    elasticityBetween({ price: "100", usage: "1" }, { price: "1", usage }),
  );
  expect(told.map(({ elasticity }) => BigInt(Math.round(Number(elasticity) * 10_000)))).toEqual([
    ...[100n, 200n, 1_000n].map((usage) => naiveElasticity(100n, usage)),
  ]);
  const whole = fc.integer({ min: 2, max: 40 });
  fc.assert(
    fc.property(whole, whole, (cheaper, used) => {
      const after = { price: `1/${cheaper}`, usage: String(used) };
      const { elasticity, revenueTimes } = elasticityBetween({ price: "1", usage: "1" }, after);
      expect(BigInt(Math.round(Number(elasticity) * 10_000))).toBe(
        naiveElasticity(BigInt(cheaper), BigInt(used)),
      );
      const [times = "", of = "1"] = revenueTimes.split("/");
      expect(BigInt(times) * BigInt(cheaper)).toBe(BigInt(of) * BigInt(used));
    }),
    tries(12),
  );
});

test("usage by an elasticity, and along a line, is that of whole numbers up to a limit", () => {
  const whole = fc.integer({ min: 1, max: 60 });
  const halves = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(whole, whole, halves, whole, whole, (usage, cheaper, elasticity, capacity, perUnit) => {
      const demand = { kind: "constant", at: { price: "1", usage: String(usage) } } as const;
      const [found] = whatIf(
        { ...demand, elasticity: (elasticity / 2).toFixed(1) },
        [`1/${cheaper}`],
        { fixed: "7", perUnit: String(perUnit) },
        String(capacity),
      );
      // (usage × cheaper ^ (n / 2))², in ten-thousandths squared, lies within half of one of what is told.
      const exact = BigInt(usage) ** 2n * BigInt(cheaper) ** BigInt(elasticity) * 20_000n ** 2n;
      const [n = "0", of = "1"] = (found?.demanded ?? "").split("/");
      const twice = (BigInt(n) * 20_000n) / BigInt(of);
      expect((twice - 1n) ** 2n <= exact && exact <= (twice + 1n) ** 2n).toBe(true);
      const isCapped = twice > BigInt(capacity) * 20_000n;
      expect(found?.capped).toBe(isCapped);
      expect(found?.served === String(capacity) || !isCapped).toBe(true);
      expect(found?.cost === String(7 + perUnit * capacity) || !isCapped).toBe(true);
    }),
    tries(100),
  );
  fc.assert(
    fc.property(whole, whole, whole, fc.integer({ min: 0, max: 60 }), (low, span, drop, step) => {
      const points = [
        { price: String(low), usage: String(drop + 5) },
        { price: String(low + span), usage: "5" },
      ];
      const price = low + Math.min(step, span);
      const [found] = whatIf({ kind: "piecewise", points }, [String(price)], { fixed: "0", perUnit: "0" });
      // Down the line by one span-th of the drop for each dollar.
      let left = BigInt(drop + 5) * BigInt(span);
      for (let at = low; at < price; at += 1) left -= BigInt(drop);
      const [n = "0", of = "1"] = (found?.demanded ?? "").split("/");
      expect(BigInt(n) * BigInt(span)).toBe(BigInt(of) * left);
    }),
    tries(100),
  );
});

test("a hundred times cheaper, played through by a constant elasticity and a limit on what is served", () => {
  const demand = { kind: "constant", at: { price: "1", usage: "1000" }, elasticity: "1.5" } as const;
  const shape = { fixed: "100", perUnit: "0.004" };
  expect(whatIf(demand, ["1", "0.01"], shape, "800000")).toEqual([
    {
      ...{ price: "1", demanded: "1000", served: "1000", revenue: "1000" },
      ...{ cost: "104", margin: "896", capped: false },
    },
    {
      ...{ price: "0.01", demanded: "1000000", served: "800000", revenue: "8000" },
      ...{ cost: "3300", margin: "4700", capped: true },
    },
  ]);
});

test("by own data, usage lies on the line between two points, and beyond them nothing is made up", () => {
  const points = [
    { price: "1", usage: "100" },
    { price: "0.5", usage: "300" },
    { price: "2", usage: "10" },
  ];
  const found = whatIf({ kind: "piecewise", points }, ["0.1", "0.75", "1", "1.5", "9"], {
    fixed: "0",
    perUnit: "0",
  });
  expect(found.map((one) => one.demanded)).toEqual(["300", "200", "100", "55", "10"]);
  expect(() => whatIf({ kind: "piecewise", points: [] }, ["1"], metered)).toThrow(/at least one point/);
  expect(() => whatIf({ kind: "piecewise", points }, ["0"], metered)).toThrow(/price is 0/);
  expect(() => breakEven({ fixed: "1e9", perUnit: "0" }, metered)).toThrow(/fixed is "1e9"/);
});

test("commitments over eight years against revenue that doubles are covered in the sixth", () => {
  const plan = {
    firstYear: 2026,
    commitments: Array.from({ length: 8 }, () => "175"),
    revenue: "20",
    growth: "1",
  };
  const found = commitmentCoverage(plan);
  // By hand: 20 × (2ⁿ − 1) against 175 n: 1,260 of 1,050 after six years, 620 of 875 after five.
  expect(found.coveredIn).toBe(2031);
  expect(found.years[4]).toMatchObject({ committedSoFar: "875", revenueSoFar: "620", covered: false });
  expect(found.years[5]).toMatchObject({ committedSoFar: "1050", revenueSoFar: "1260", covered: true });
  expect(commitmentCoverage({ ...plan, share: "0.5" }).coveredIn).toBe(2032);
  expect(commitmentCoverage({ ...plan, growth: "0.1" }).coveredIn).toBeNull();
  expect(commitmentCoverage({ ...plan, growth: "1/3" }).years[2]?.revenue).toBe("320/9");
});

test("random commitments are covered where a year-by-year count with whole numbers says so", () => {
  const whole = fc.integer({ min: 0, max: 1_000 });
  fc.assert(
    fc.property(
      fc.array(whole, { minLength: 1, maxLength: 12 }),
      whole,
      fc.integer({ min: 0, max: 30 }),
      (due, revenue, tenths) => {
        const found = commitmentCoverage({
          ...{ firstYear: 1, commitments: due.map(String), revenue: String(revenue), growth: `${tenths}/10` },
        });
        let [owed, had, earns, scale] = [0n, 0n, BigInt(revenue), 1n];
        let covered: number | null = null;
        for (const [at, amount] of due.entries()) {
          owed = owed * 10n + BigInt(amount) * scale;
          had = had * 10n + earns;
          earns = earns * BigInt(10 + tenths);
          scale *= 10n;
          if (had < owed) covered = null;
          else covered ??= at + 1;
        }
        expect(found.coveredIn).toBe(covered);
      },
    ),
    tries(100),
  );
});
