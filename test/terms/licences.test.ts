/** Licences: who may serve what on which day, and what use comes to, each with an oracle of its own. */
import * as fc from "fast-check";
import { type AgreementFacts, computeSettlement, judgeServing, type TermEventInput } from "factotum/terms";
import { expect, test } from "vitest";
import { clause, type ClauseInput, close, factsOf, known, LATE, terms, tries, version } from "./kit.ts";
import { Oracle, opinionOf } from "./oracle.ts";
import { rounded } from "./oracle-arithmetic.ts";
import { ServingClerk } from "./oracle-serving.ts";
import { usedUnder } from "./oracle-use.ts";

const DAY = 86_400_000;
type Licence = Extract<ClauseInput, { kind: "licence" }>;

function licence(id: string, more: Partial<Licence> = {}): Licence {
  return { kind: "licence", id, licensor: "lab", licensee: "cloud", models: ["house-*"], ...more };
}

const panels = { milestone: { experts: ["ada", "bob", "cyd"], quorum: 2 } };
const only = { exclusive: true, clouds: ["azure"] };
const twoEnds = terms(
  [
    licence("stateless", {
      ...{ ...only, apis: ["stateless-api"], until: { date: "2032-01-01", event: "milestone" } },
    }),
    licence("research", { ...only, apis: ["research"], until: { date: "2030-06-01" } }),
  ],
  { panels },
);
const declared: TermEventInput = {
  ...{ kind: "declaration", id: "d", agreement: "deal", event: "milestone", by: "lab" },
  at: "2028-02-01T00:00:00Z",
};
const word = (id: string, by: string, says: "sign" | "dissent" | "retract", at: string): TermEventInput => ({
  ...{ kind: "attestation", id, declaration: "d", by, says, at: `${at}T00:00:00Z` },
});
const verified = [
  declared,
  word("1", "ada", "sign", "2028-02-10"),
  word("2", "bob", "dissent", "2028-02-12"),
  word("3", "cyd", "sign", "2028-03-05"),
  word("4", "ada", "retract", "2028-03-06"),
];

/** The days from 2026 to 2032 on which a question has another answer than the day before, by both. */
function turns(facts: AgreementFacts, api: string, cloud: string, until = Date.UTC(2032, 1, 1)) {
  const clerk = new ServingClerk(facts, LATE);
  const asked = { model: "house-5", channel: { cloud, api, region: "eu" } };
  const found: string[] = [];
  let before = "";
  for (let day = Date.UTC(2026, 0, 1); day < until; day += DAY) {
    const at = new Date(day).toISOString();
    const decision = judgeServing([facts], { ...asked, at }, LATE);
    const clauses = decision.kind === "refused" ? decision.refusals.map((one) => one.clause) : [];
    expect([at, clauses]).toEqual([at, clerk.forbidding(asked, day)]);
    const now = clauses.join() || "free";
    if (now !== before) found.push(`${at.slice(0, 10)} ${now}`);
    before = now;
  }
  return found;
}

test("two exclusivities of one agreement end each on its own day, one of them on an event", () => {
  const told = factsOf(twoEnds, verified);
  const quiet = factsOf(twoEnds, verified.slice(0, 3));
  expect(turns(told, "stateless-api", "aws")).toEqual(["2026-01-01 stateless", "2028-03-05 free"]);
  expect(turns(quiet, "stateless-api", "aws")).toEqual(["2026-01-01 stateless", "2032-01-01 free"]);
  expect(turns(told, "research", "aws")).toEqual(["2026-01-01 research", "2030-06-01 free"]);
  // What neither speaks of is free throughout.
  for (const api of ["app", "open-weights", "device"]) {
    expect(turns(told, api, "aws", Date.UTC(2027, 0, 1))).toEqual(["2026-01-01 free"]);
  }
  expect(turns(told, "stateless-api", "azure", Date.UTC(2027, 0, 1))).toEqual(["2026-01-01 free"]);
});

test("an amendment that makes a licence non-exclusive frees from its date on", () => {
  const clauses = twoEnds.clauses.map((one) => ({ ...(one as Licence), exclusive: false }));
  const facts = factsOf(twoEnds, []);
  const amended = {
    ...facts,
    versions: [...facts.versions, version(2, terms(clauses, { panels }), "2027-04-05")],
  };
  expect(turns(amended, "stateless-api", "aws")).toEqual(["2026-01-01 stateless", "2027-04-05 free"]);
});

const hour = fc
  .tuple(fc.integer({ min: 0, max: 119 }), fc.constantFrom(0, 0, 9, 17))
  .map(([day, hours]) => new Date(Date.UTC(2026, 0, 1 + day, hours)).toISOString());
const until = fc.oneof(
  fc.constant({}),
  hour.map((date) => ({ until: { date } })),
  fc.constant({ until: { event: "milestone" } }),
  hour.map((date) => ({ until: { date, event: "milestone" } })),
);
const some = (...values: string[]) => fc.subarray(values, { minLength: 1 });
const licences = (id: string): fc.Arbitrary<ClauseInput> =>
  fc
    .record({
      models: some("house-*", "house-5", "h*", "*", "free"),
      apis: some("stateless-api", "state*", "app"),
      regions: fc.constantFrom<string[]>(["*"], ["eu"], ["eu", "us-*"]),
      clouds: some("azure", "aws", "own"),
      exclusive: fc.boolean(),
      royalty: fc.constantFrom({}, { royaltyPerUnit: "0" }, { royaltyPerUnit: "0.015" }),
      imputedPerUnit: fc.constantFrom("0", "0.02"),
      ends: until,
      begins: fc.oneof(
        fc.constant({}),
        hour.map((from) => ({ from })),
      ),
    })
    .map(({ royalty, ends, begins, ...more }) =>
      clause({ ...licence(id), ...more, ...royalty, ...ends, ...begins }),
    );
const wordings = fc.tuple(licences("a"), licences("b"), licences("c")).map((three) => [...three]);
const facts = fc.oneof(
  fc.record({
    ...{
      kind: fc.constant("use" as const),
      id: fc.constantFrom("u1", "u2", "u3"),
      currency: fc.constant("USD"),
    },
    model: fc.constantFrom("house-5", "house-6", "free", "other"),
    licensee: fc.constantFrom("cloud", "cloud", "lab"),
    units: fc.constantFrom("1000000000", "333", "0.5"),
    cost: fc.constantFrom("640.25", "0"),
    earned: fc.oneof(
      hour.map((at) => ({ at })),
      fc.tuple(hour, fc.integer({ min: 1, max: 70 })).map(([from, days]) => ({
        ...{ from, to: new Date(Date.parse(from) + days * DAY).toISOString() },
      })),
    ),
  }),
  fc.record({
    ...{ kind: fc.constant("declaration" as const), id: fc.constantFrom("d1", "d2"), at: hour },
    ...{ agreement: fc.constant("deal"), event: fc.constant("milestone") },
    by: fc.constantFrom("lab", "cloud", "eve"),
  }),
  fc.record({
    ...{
      kind: fc.constant("attestation" as const),
      id: fc.integer({ min: 1, max: 9 }).map((at) => `w${at}`),
    },
    says: fc.constantFrom("sign" as const, "sign" as const, "dissent" as const, "retract" as const),
    ...{ declaration: fc.constantFrom("d1", "d2"), at: hour },
    by: fc.constantFrom("ada", "bob", "cyd", "eve"),
  }),
);
const stories = fc.record({
  first: wordings,
  amendment: fc.option(fc.tuple(wordings, hour)),
  told: fc.uniqueArray(facts, { maxLength: 14, selector: (event) => event.id }),
  closed: fc.integer({ min: 0, max: 3 }),
});
type Story = typeof stories extends fc.Arbitrary<infer Told> ? Told : never;

function factsIn({ first, amendment, told }: Story): AgreementFacts {
  const write = (clauses: readonly ClauseInput[]) => terms(clauses, { panels });
  const later = amendment === null ? [] : [version(2, write(amendment[0]), amendment[1], amendment[1])];
  return {
    versions: [version(1, write(first)), ...later],
    events: told.map((event) => known(event)),
    closed: [],
  };
}

const runs = tries(60);

test("on random licences, the engine forbids what the clerk does, hour for hour", () => {
  let refused = 0;
  const channels = fc.record({
    cloud: fc.constantFrom("azure", "aws", "own", "else"),
    api: fc.constantFrom("stateless-api", "stateful-api", "app", "device"),
    region: fc.constantFrom("eu", "us-1", "asia"),
  });
  const questions = fc.array(
    fc.record({ at: hour, model: fc.constantFrom("house-5", "house-6", "free"), channel: channels }),
    { minLength: 12, maxLength: 12 },
  );
  fc.assert(
    fc.property(stories, questions, (story, asked) => {
      const agreed = factsIn(story);
      const clerk = new ServingClerk(agreed, LATE);
      for (const { at, ...question } of asked.toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
        const decision = judgeServing([agreed], { ...question, at }, LATE);
        const clauses = decision.kind === "refused" ? decision.refusals.map((one) => one.clause) : [];
        expect(clauses).toEqual(clerk.forbidding(question, Date.parse(at)));
        refused += clauses.length;
      }
    }),
    runs,
  );
  expect(refused).toBeGreaterThan(runs.numRuns / 4);
});

test("on random licences, what use comes to is what the oracle adds up, also of closed months", () => {
  let lines = 0;
  fc.assert(
    fc.property(stories, (story) => {
      const months = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"];
      const open = factsIn(story);
      for (const month of months) {
        const settlement = computeSettlement(open, month, LATE);
        const oracle = new Oracle(open, LATE);
        expect(opinionOf(settlement)).toEqual(oracle.settle(month));
        for (const line of settlement.lines) {
          const { units, cost, imputed } = usedUnder(oracle, line.clause, month);
          const text = units[1] === 1n ? String(units[0]) : `${units[0]}/${units[1]}`;
          const minor = (amount: string | undefined): bigint => BigInt((amount ?? "").replace(".", ""));
          const [first] = open.versions;
          if (first === undefined) throw new Error("no version");
          expect([line.use?.units, minor(line.use?.cost), minor(line.use?.imputed)]).toEqual([
            ...[text, rounded(cost, first.terms), rounded(imputed, first.terms)],
          ]);
          lines += 1;
        }
      }
      const shut = months.slice(0, story.closed).reduce((before, month, at) => {
        const then = new Date(Date.UTC(2026, at + 1, 2)).toISOString();
        return close(before, computeSettlement(before, month, then), then);
      }, open);
      for (const month of months) {
        expect(opinionOf(computeSettlement(shut, month, LATE))).toEqual(new Oracle(shut, LATE).settle(month));
      }
    }),
    runs,
  );
  expect(lines).toBeGreaterThan(runs.numRuns / 4);
});
