import { microUsd } from "factotum/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { chanceAtMost, checkAttention, quietUntil, weigh, type Weighing } from "./index.ts";

const base: Weighing = {
  ...{ observed: { wrong: 0, right: 0 }, stake: microUsd(10_000_000), importance: "normal" },
  ...{ seconds: 120, usdPerHour: 60, quietFactor: null, open: 0 },
};

test("the chance that a default is wrong is bounded as the Beta posterior has it", () => {
  // Without answers 0.9 of the uniform prior; with n right ones 1 - 0.1^(1 / (n + 1)).
  expect(chanceAtMost({ wrong: 0, right: 0 })).toBeCloseTo(0.9, 6);
  for (const right of [1, 9, 99]) {
    expect(chanceAtMost({ wrong: 0, right })).toBeCloseTo(1 - 0.1 ** (1 / (right + 1)), 6);
  }
  // The density of Beta(1 + 3, 1 + 17), summed up to the bound, is nine tenths of all of it.
  const bound = chanceAtMost({ wrong: 3, right: 17 });
  const area = (to: number): number => {
    let sum = 0;
    for (let x = 0.00005; x < to; x += 0.0001) sum += x ** 3 * (1 - x) ** 17;
    return sum;
  };
  expect(area(bound) / area(1)).toBeCloseTo(0.9, 3);
});

test("more right answers never make a question likelier, more wrong ones never less", () => {
  const counts = fc.record({ wrong: fc.nat(60), right: fc.nat(60) });
  fc.assert(
    fc.property(counts, ({ wrong, right }) => {
      const chance = chanceAtMost({ wrong, right });
      expect(chanceAtMost({ wrong, right: right + 1 })).toBeLessThanOrEqual(chance);
      expect(chanceAtMost({ wrong: wrong + 1, right })).toBeGreaterThanOrEqual(chance);
      expect(chance).toBeGreaterThan((wrong + 1) / (wrong + right + 2));
    }),
  );
});

test("a question is dearer in quiet hours and beside many others, and worth less the more is known", () => {
  expect(weigh(base).put).toBe(true);
  expect(weigh({ ...base, quietFactor: 5 }).put).toBe(false);
  expect(weigh({ ...base, quietFactor: 5, importance: "urgent" }).put).toBe(true);
  expect(weigh({ ...base, open: 40 }).put).toBe(false);
  expect(weigh({ ...base, observed: { wrong: 0, right: 30 } }).put).toBe(false);
  expect(weigh({ ...base, observed: { wrong: 30, right: 30 } }).put).toBe(true);
});

test("quiet hours end by the person's own clock, over nights, weekends and clock changes", () => {
  const person = {
    zone: "Europe/Oslo",
    quiet: [
      { from: "22:00", to: "07:00" },
      { from: "07:00", to: "22:00", days: [6, 7] },
    ],
  };
  const until = (at: string): string | undefined => quietUntil(person, new Date(at))?.toISOString();
  expect(until("2026-03-03T12:00:00Z")).toBeUndefined();
  expect(until("2026-03-03T23:00:00Z")).toBe("2026-03-04T06:00:00.000Z");
  // Friday night until Monday morning, over the change to summer time.
  expect(until("2026-03-27T22:00:00Z")).toBe("2026-03-30T05:00:00.000Z");
});

test("people and routes that would count for nothing are refused with all that is wrong", () => {
  const ann = {
    zone: "Europe/Oslo",
    usdPerHour: Number.NaN,
    tell: { channel: "pager", as: "json", to: "ann" },
  } as const;
  const people = { ann, bo: { zone: "Europe/Oslo", quiet: [{ from: "22:00", to: "07:00", days: [0] }] } };
  const names = { agents: ["clerk"], channels: ["chat"] };
  const routes = [{ agent: "clark", to: [{ who: ["ann"] }] }];
  expect(() => checkAttention({ people, routes, seconds: -1 }, names)).toThrow(
    "seconds is -1, and 0 or more makes sense; ann's usdPerHour is NaN, and 0 or more makes sense; " +
      "ann is told by pager, which is none of the channels; " +
      "bo's quiet days 0 are not of 1, Monday, to 7, Sunday; a route is of clark, which is no agent",
  );
  expect(checkAttention({ people: { bo: { zone: "UTC" } } }, names)).toMatchObject({ people: {} });
});
