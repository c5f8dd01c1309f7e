import { computeSettlement, type AgreementFacts, type TermEventInput } from "factotum/terms";
import { expect, test } from "vitest";
import {
  amounts,
  clause,
  type ClauseInput,
  close,
  EARLY,
  factsOf,
  known,
  LATE,
  revenue,
  share,
  terms,
  version,
} from "./kit.ts";
import { Oracle, opinionOf } from "./oracle.ts";

/** Settles a month, and has the oracle work it out by itself. */
function settle(facts: AgreementFacts, month: string, knownAt: string = LATE) {
  const settlement = computeSettlement(facts, month, knownAt);
  expect(opinionOf(settlement), "the oracle's opinion").toEqual(new Oracle(facts, knownAt).settle(month));
  return settlement;
}

const march = ["2026-03-01", "2026-04-01"] as const;
const lab = { from: "lab", to: "cloud" };

test("15 % of $20 B is $3 B", () => {
  const facts = factsOf(terms([share("0.15")]), [revenue("r", "20000000000", march)]);
  const settlement = settle(facts, "2026-03");
  expect(settlement.owed).toEqual([{ ...lab, amount: "3000000000.00" }]);
  expect(settlement.lines[0]?.derivation).toEqual([
    {
      ...{ event: "r", base: "20000000000", portion: "1", rate: "0.15", version: 1 },
      amount: "3000000000",
    },
  ]);
});

test("a share that ends on 15 March has 14 days of a month of $3.1 B booked evenly: $210 M", () => {
  const ends = share("0.15", { until: { date: "2026-03-15" } });
  for (const zone of ["UTC", "America/New_York"]) {
    const offset = zone === "UTC" ? ["Z", "Z"] : ["-05:00", "-04:00"];
    const earned = { from: `2026-03-01T00:00:00${offset[0]}`, to: `2026-04-01T00:00:00${offset[1]}` };
    const facts = factsOf(terms([ends], { zone }), [revenue("r", "3100000000", march, { earned })]);
    expect(settle(facts, "2026-03").owed).toEqual([{ ...lab, amount: "210000000.00" }]);
    expect(settle(facts, "2026-04").owed).toEqual([]);
  }
});

test("by seconds, the same share has 335 of the 743 hours of a March in New York", () => {
  const ends = share("0.15", { until: { date: "2026-03-15" } });
  const earned = { from: "2026-03-01T00:00:00-05:00", to: "2026-04-01T00:00:00-04:00" };
  const wording = terms([ends], { zone: "America/New_York", proration: "seconds" });
  const settlement = settle(factsOf(wording, [revenue("r", "3100000000", march, { earned })]), "2026-03");
  expect(settlement.lines[0]?.derivation[0]?.portion).toBe("335/743");
  expect(settlement.owed).toEqual([{ ...lab, amount: "209656796.77" }]);
});

test("the instant of the end is included up to, but not at", () => {
  const ends = share("0.15", { until: { date: "2026-03-15" } });
  const at = (id: string, instant: string): TermEventInput =>
    revenue(id, "100", march, { earned: { at: instant } });
  const facts = factsOf(terms([ends]), [
    at("a", "2026-03-14T23:59:59.999999999Z"),
    at("b", "2026-03-15T00:00:00Z"),
  ]);
  expect(settle(facts, "2026-03").lines[0]?.derivation.map((piece) => piece.event)).toEqual(["a"]);
});

test("$1.00 B restated to $0.94 B takes $9 M off the open month, and the closed one keeps its bytes", () => {
  const open = factsOf(terms([share("0.15")]), [revenue("r", "1000000000", march)]);
  let facts = open;
  for (const month of ["2026-01", "2026-02", "2026-03"]) {
    facts = close(facts, settle(facts, month, "2026-04-02T00:00:00Z"), "2026-04-02T00:00:00Z");
  }
  const before = settle(facts, "2026-03");
  const restated: TermEventInput = {
    ...{ kind: "restatement", id: "x", of: "r", amount: "940000000", at: "2026-04-20T00:00:00Z" },
  };
  const told = { ...facts, events: [...facts.events, known(restated, "2026-04-21T00:00:00Z")] };
  expect(settle(told, "2026-03")).toEqual(before);
  const april = settle(told, "2026-04");
  expect(amounts(april)).toEqual([["share", "2026-03", "-9000000.00"]]);
  expect(april.lines[0]?.corrects).toEqual({ settled: "150000000.00", now: "141000000.00" });
  expect(april.owed).toEqual([{ from: "cloud", to: "lab", amount: "9000000.00" }]);
  expect(settle(told, "2026-05").lines).toEqual([]);
  expect(settle(told, "2026-04", "2026-04-20T12:00:00Z").lines).toEqual([]);
});

test("a refund of $400 after the term but within its tail takes $60 back; after the tail, nothing", () => {
  const wording = terms([share("0.15", { until: { date: "2026-02-01" }, tail: "P3M" })]);
  const sale = revenue("r", "1000", ["2026-01-10", "2026-01-11"]);
  const january = close(
    factsOf(wording, [sale]),
    settle(factsOf(wording, [sale]), "2026-01"),
    "2026-02-02T00:00:00Z",
  );
  const refund = (at: string): AgreementFacts => {
    const event: TermEventInput = { kind: "refund", id: "x", of: "r", amount: "400", at };
    return { ...january, events: [...january.events, known(event, "2026-05-03T00:00:00Z")] };
  };
  expect(amounts(settle(refund("2026-04-30T23:00:00Z"), "2026-02"))).toEqual([
    ["share", "2026-01", "-60.00"],
  ]);
  expect(settle(refund("2026-05-01T00:00:00Z"), "2026-02").lines).toEqual([]);
});

test("of $0.4 B due, a $10 B cap with $9.8 B paid leaves $0.2 B, and what is clawed back makes room", () => {
  const cap = clause({
    ...{ kind: "cap", id: "cap", clauses: ["share"], amount: "10000000000", paidBefore: "9800000000" },
  });
  const wording = terms([share("0.2"), cap], { from: "2026-03-01" });
  let facts = factsOf(wording, [
    revenue("a", "2000000000", march),
    revenue("c", "3000000000", ["2026-05-01", "2026-06-01"]),
  ]);
  const first = settle(facts, "2026-03");
  expect(first.owed).toEqual([{ ...lab, amount: "200000000.00" }]);
  expect(first.lines[1]?.because).toBe(
    "9800000000.00 paid of at most 10000000000.00: 400000000.00 due, 200000000.00 payable",
  );
  facts = close(facts, first, "2026-04-01T00:00:00Z");
  const refund: TermEventInput = {
    kind: "refund",
    id: "x",
    of: "a",
    amount: "250000000",
    at: "2026-04-09T00:00:00Z",
  };
  facts = { ...facts, events: [...facts.events, known(refund, "2026-04-10T00:00:00Z")] };
  expect(settle(facts, "2026-04").owed).toEqual([{ from: "cloud", to: "lab", amount: "50000000.00" }]);
  expect(settle(facts, "2026-05").owed).toEqual([{ ...lab, amount: "50000000.00" }]);
});

test("a cap lowered below what was paid takes nothing back, and lets a claw-back be paid whole", () => {
  const both = (more: object = {}) => [share("0.15", { id: "a" }), share("0.15", { id: "b", ...more })];
  const first = factsOf(terms(both()), [revenue("r", "0.04", ["2026-01-01", "2026-01-02"])]);
  const paid = close(first, settle(first, "2026-01"), "2026-02-03T00:00:00Z");
  const none = clause({ kind: "cap", id: "cap", clauses: ["a", "b"], amount: "0.00" });
  const amended = (clauses: readonly ClauseInput[]): AgreementFacts => {
    const second = version(2, terms(clauses), "2026-01-01", "2026-02-04T00:00:00Z");
    return { ...paid, versions: [...paid.versions, second] };
  };
  expect(settle(amended([...both(), none]), "2026-02").lines).toEqual([]);
  const ended = settle(amended([...both({ until: { date: "2026-01-01" } }), none]), "2026-02");
  expect(amounts(ended)).toEqual([["b", "2026-01", "-0.01"]]);
  expect(ended.owed).toEqual([{ from: "cloud", to: "lab", amount: "0.01" }]);
});

test("133.605 rounds to 133.60 half-even and to 133.61 half-up", () => {
  for (const [rounding, amount] of [
    ["half-even", "133.60"],
    ["half-up", "133.61"],
  ] as const) {
    const facts = factsOf(terms([share("0.15")], { rounding }), [revenue("r", "890.70", march)]);
    expect(settle(facts, "2026-03").owed).toEqual([{ ...lab, amount }]);
  }
});

test("10⁹ tokens of royalty-free use: royalty 0, with their cost and what they would have been worth", () => {
  const licence = clause({
    ...{ kind: "licence", id: "free", licensor: "lab", licensee: "cloud", models: ["house-*"] },
    ...{ royaltyPerUnit: "0", imputedPerUnit: "0.000002" },
  });
  const use: TermEventInput = {
    ...{ kind: "use", id: "u", model: "house-5", licensee: "cloud", units: "1000000000", cost: "640.25" },
    ...{ currency: "USD", earned: { from: "2026-03-01T00:00:00Z", to: "2026-04-01T00:00:00Z" } },
  };
  const settlement = settle(factsOf(terms([licence]), [use]), "2026-03");
  expect(settlement.owed).toEqual([]);
  expect(settlement.lines).toMatchObject([
    {
      ...{ kind: "royalty", amount: "0.00", settles: "shown" },
      use: { units: "1000000000", cost: "640.25", imputed: "2000.00" },
    },
  ]);
});

test("an investor's losses are never more than it invested, and profits make up for the rest first", () => {
  const investment = clause({
    ...{
      kind: "investment",
      id: "stake",
      holder: "cloud",
      company: "lab",
      share: "0.27",
      invested: "13000000000",
    },
  });
  const result = (id: string, amount: string, month: string): TermEventInput => ({
    ...{
      kind: "result",
      id,
      company: "lab",
      amount,
      currency: "USD",
      earned: { at: `${month}-20T00:00:00Z` },
    },
  });
  const facts = factsOf(terms([investment]), [
    result("a", "-12000000000", "2026-01"),
    result("b", "-40000000000", "2026-02"),
    result("c", "2000000000", "2026-03"),
    result("d", "20000000000", "2026-04"),
    {
      ...{ kind: "investment", id: "e", holder: "cloud", company: "lab" },
      amount: "1000000000",
      currency: "USD",
      at: "2026-05-04T00:00:00Z",
    },
    result("f", "-70000000000", "2026-05"),
  ]);
  const parts = ["01", "02", "03", "04", "05"].map(
    (month) => settle(facts, `2026-${month}`).lines[0]?.amount,
  );
  expect(parts).toEqual(["-3240000000.00", "-9760000000.00", "0.00", "4900000000.00", "-5900000000.00"]);
  expect(settle(facts, "2026-01").owed).toEqual([]);
});

test("a commitment's shortfall falls due when its year ends, in proportion when that is early", () => {
  const commitment = (more: object) =>
    clause({
      ...{ kind: "commitment", id: "least", payer: "lab", payee: "cloud", amount: "3650" },
      ...{ every: "year", clauses: ["share"], ...more },
    });
  const sale = revenue("r", "10000", ["2026-06-01", "2026-06-02"]);
  const whole = factsOf(terms([share("0.15"), commitment({})]), [sale]);
  expect(amounts(settle(whole, "2026-11"))).toEqual([]);
  expect(amounts(settle(whole, "2026-12"))).toEqual([["least", "2026-12", "2150.00"]]);
  const short = factsOf(terms([share("0.15"), commitment({ until: { date: "2026-07-20" } })]), [sale]);
  expect(amounts(settle(short, "2026-07"))).toEqual([["least", "2026-07", "500.00"]]);
  expect(amounts(settle(short, "2026-12"))).toEqual([]);
});

test("an amendment takes effect from its date, and where it goes back, corrects in the open month", () => {
  const first = terms([share("0.15")]);
  const months = ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"] as const;
  const sales = [0, 1, 2].map((at) => revenue(`r${at}`, "31000", [months[at] ?? "", months[at + 1] ?? ""]));
  let facts = factsOf(first, sales);
  facts = close(facts, settle(facts, "2026-01"), "2026-02-01T00:00:00Z");
  const january = settle(facts, "2026-01");
  const later = {
    ...facts,
    versions: [...facts.versions, version(2, terms([share("0.10")]), "2026-03-16", "2026-02-10T00:00:00Z")],
  };
  expect(settle(later, "2026-01")).toEqual(january);
  expect(amounts(settle(later, "2026-02"))).toEqual([["share", "2026-02", "4650.00"]]);
  expect(
    settle(later, "2026-03").lines[0]?.derivation.map((piece) => [piece.version, piece.portion]),
  ).toEqual([
    [1, "15/31"],
    [2, "16/31"],
  ]);
  const back = {
    ...facts,
    versions: [...facts.versions, version(2, terms([share("0.10")]), "2026-01-01", "2026-02-10T00:00:00Z")],
  };
  expect(settle(back, "2026-01")).toEqual(january);
  expect(amounts(settle(back, "2026-02"))).toEqual([
    ["share", "2026-02", "3100.00"],
    ["share", "2026-01", "-1550.00"],
  ]);
});

test("a declared event ends nothing, the experts' quorum does, and no second thought undoes it", () => {
  const panels = { "super-model": { experts: ["ada", "bob", "cyd"], quorum: 2 } };
  const wording = terms([share("0.1", { until: { date: "2030-01-01", event: "super-model" } })], { panels });
  const say = (
    id: string,
    by: string,
    says: "sign" | "dissent" | "retract",
    day: string,
  ): TermEventInput => ({
    ...{ kind: "attestation", id, declaration: "d", by, says, at: `2026-03-${day}T00:00:00Z` },
  });
  const sale = revenue("r", "31000", march);
  const declared: TermEventInput = {
    ...{
      kind: "declaration",
      id: "d",
      agreement: "deal",
      event: "super-model",
      by: "lab",
      at: "2026-03-02T00:00:00Z",
    },
  };
  const owed = (events: readonly TermEventInput[]): string | undefined =>
    settle(factsOf(wording, [sale, declared, ...events]), "2026-03").owed[0]?.amount;
  expect(owed([])).toBe("3100.00");
  expect(
    owed([say("1", "ada", "sign", "05"), say("2", "eve", "sign", "06"), say("3", "bob", "dissent", "07")]),
  ).toBe("3100.00");
  expect(
    owed([say("1", "ada", "sign", "05"), say("2", "ada", "retract", "06"), say("3", "bob", "sign", "07")]),
  ).toBe("3100.00");
  expect(owed([say("1", "ada", "sign", "05"), say("2", "bob", "sign", "11")])).toBe("1000.00");
  expect(
    owed([say("1", "ada", "sign", "05"), say("2", "bob", "sign", "11"), say("3", "bob", "retract", "12")]),
  ).toBe("1000.00");
  expect(owed([say("1", "ada", "sign", "01"), say("2", "bob", "sign", "11")])).toBe("3100.00");
});

test("what two parties owe each other is one amount, or two where the agreement does not net", () => {
  const back = share("0.05", { id: "back", payer: "cloud", payee: "lab", streams: ["api"] });
  const sales = [revenue("a", "1000", march), revenue("b", "1000", march, { stream: "api" })];
  const both = [share("0.2", { streams: ["apps"] }), back];
  expect(settle(factsOf(terms(both), sales), "2026-03").owed).toEqual([{ ...lab, amount: "150.00" }]);
  expect(settle(factsOf(terms(both, { netting: false }), sales), "2026-03").owed).toEqual([
    { from: "cloud", to: "lab", amount: "50.00" },
    { ...lab, amount: "200.00" },
  ]);
});

test("revenue in another currency takes the last rate before its month ended, and waits for one", () => {
  const sale = revenue("r", "1000", march, { currency: "EUR" });
  const rate = (id: string, value: string, at: string): TermEventInput => ({
    ...{ kind: "rate", id, from: "EUR", to: "USD", rate: value, at },
  });
  const wording = terms([share("0.1")]);
  expect(() => computeSettlement(factsOf(wording, [sale]), "2026-03", LATE)).toThrow(
    /no rate to USD is known/,
  );
  const facts = factsOf(wording, [
    sale,
    rate("1", "1.05", "2026-03-10T00:00:00Z"),
    rate("2", "1.0837", "2026-03-31T12:00:00Z"),
    rate("3", "2", "2026-04-01T00:00:00Z"),
  ]);
  const settlement = settle(facts, "2026-03");
  expect(settlement.owed).toEqual([{ ...lab, amount: "108.37" }]);
  expect(settlement.lines[0]?.derivation[0]?.fx).toEqual({ rate: "1.0837", event: "2" });
  expect(EARLY < LATE).toBe(true);
});
