import fc from "fast-check";
import { expect, test } from "vitest";
import { rule, type Verdict, type VerifierKind } from "./index.ts";

const KINDS: readonly VerifierKind[] = [
  ...(["tables", "check", "invariant", "sql", "person", "wishes", "guard", "judge", "agreement"] as const),
  "rung",
];
const finding = fc.record({
  check: fc.string(),
  by: fc.constantFrom(...KINDS),
  kind: fc.constantFrom("fail", "unsure", "ask"),
  because: fc.string(),
}) as fc.Arbitrary<Verdict>;
const pass = fc.record({
  check: fc.string(),
  by: fc.constantFrom(...KINDS),
  kind: fc.constant("pass"),
}) as fc.Arbitrary<Verdict>;
const verdicts = fc.array(fc.oneof(pass, finding), { maxLength: 8 });

test("a finding more never turns anything into a commit, nor a doubt into a question", () => {
  const weight = { commit: 0, ask: 1, "next-rung": 2 };
  let commits = 0;
  fc.assert(
    fc.property(verdicts, finding, fc.nat(8), (all, more, at) => {
      const [before, after] = [rule(all), rule(all.toSpliced(at, 0, more))];
      if (before.kind === "commit") commits += 1;
      expect(after.kind).not.toBe("commit");
      expect(weight[after.kind]).toBeGreaterThanOrEqual(weight[before.kind]);
    }),
  );
  expect(commits).toBeGreaterThan(0);
});

test("the order of verdicts decides nothing", () => {
  fc.assert(
    fc.property(
      verdicts.chain((all) =>
        fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
      ),
      ([all, shuffled]) => {
        const [one, other] = [rule(all), rule(shuffled)];
        expect(other.kind).toBe(one.kind);
        const sentences = (ruling: typeof one) => (ruling.kind === "commit" ? [] : ruling.because.toSorted());
        expect(sentences(other)).toEqual(sentences(one));
      },
    ),
  );
});

test("only a proof commits: tables, ticks, guards, agreement and the rung itself are none", () => {
  const proofs = KINDS.filter((by) => rule([{ check: "it", by, kind: "pass" }]).kind === "commit");
  expect(proofs).toEqual(["check", "invariant", "sql", "person", "judge"]);
  expect(rule([]).kind).toBe("ask");
  expect(rule([], { proof: "given" }).kind).toBe("commit");
});
