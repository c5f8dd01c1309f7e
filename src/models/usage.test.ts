import * as fc from "fast-check";
import { expect, test } from "vitest";
import { addUsage, noUsage, type Usage, usageFromJson, usageFromTotals, usageToJson } from "./index.ts";

const all = (usage: Usage | null): bigint =>
  usage === null ? -1n : Object.values(usage).reduce<bigint>((sum, count) => sum + count, 0n);
const nat = fc.nat(1_000_000);

test("the kinds do not overlap: they add up to the reported totals", () => {
  fc.assert(
    fc.property(nat, nat, nat, nat, nat, (input, cached, written, output, reasoning) => {
      const totals = {
        input: input + cached + written,
        ...{ cachedInput: cached, cacheWrite: written, output: output + reasoning, reasoning },
      };
      expect(all(usageFromTotals(totals))).toBe(BigInt(totals.input + totals.output));
      const usage = usageFromTotals(totals) ?? noUsage;
      expect(usageFromJson(usageToJson(usage))).toEqual(usage);
      expect(all(addUsage(usage, usage))).toBe(2n * all(usage));
    }),
  );
});

test("reasoning that is counted apart is added, reasoning inside the output is not", () => {
  const reported = { input: 100, output: 50, reasoning: 30 };
  expect(usageFromTotals({ ...reported, total: 150 })).toMatchObject({ output: 20n, reasoning: 30n });
  expect(usageFromTotals({ ...reported, total: 180 })).toMatchObject({ output: 50n, reasoning: 30n });
  expect(usageFromTotals(reported)).toMatchObject({ output: 20n, reasoning: 30n });
});

test("nothing reported is not zero, and nonsense is not counted", () => {
  expect(usageFromTotals({ input: undefined, output: null })).toBeNull();
  expect(usageFromTotals({ input: Number.NaN, output: -1 })).toBeNull();
  expect(usageFromTotals({ input: 5, output: undefined })).toMatchObject({ input: 5n, output: 0n });
  expect(usageFromTotals({ input: 5, cachedInput: 9, output: 0 })).toMatchObject({
    input: 0n,
    cachedInput: 9n,
  });
});
