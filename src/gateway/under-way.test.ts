import fc from "fast-check";
import { expect, test } from "vitest";
import { makeUnderWay } from "./under-way.ts";

type One = { place: number };

test("who was added and not taken out is under way, also where some end as they are looked at", () => {
  // A step adds one, takes out whoever stands at a place, or looks at all, ending those of a remainder.
  const step = fc.record({ act: fc.constantFrom("add", "add", "delete", "look"), at: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const all = makeUnderWay<One>();
      const told = new Set<One>();
      for (const { act, at } of steps) {
        const before = [...told];
        const ends = (_: One, count: number): boolean =>
          act === "look" ? count % 3 === at % 3 : act === "delete" && count === at % before.length;
        const ended = new Set(before.filter(ends));
        const seen: One[] = [];
        if (act === "delete") ended.forEach((one) => all.delete(one));
        else if (act === "add") {
          const one = { place: 0 };
          all.add(one);
          told.add(one);
        }
        all.forEach((one) => {
          seen.push(one);
          if (act === "look" && ended.has(one)) all.delete(one);
        });
        if (act === "delete") for (const one of ended) told.delete(one);
        expect([seen.length, new Set(seen)]).toEqual([told.size, new Set(told)]);
        for (const one of ended) told.delete(one);
        expect(all.size).toBe(told.size);
      }
    }),
  );
});
