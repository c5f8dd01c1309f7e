/** How tests write agreements and facts down: what a caller would write, parsed as the doors parse it. */
import {
  type AgreementFacts,
  type AgreementInput,
  agreementSchema,
  type KnownEvent,
  type Settlement,
  type TermEventInput,
  termEventSchema,
} from "factotum/terms";

/** A clause as a caller writes it. */
export type ClauseInput = AgreementInput["clauses"][number];

/** When facts are known, unless a test says otherwise. */
export const EARLY = "2025-01-01T00:00:00Z";
/** After everything. */
export const LATE = "2040-01-01T00:00:00Z";

/** An agreement between `lab` and `cloud` in dollars by the month, in UTC. */
export function terms(clauses: readonly ClauseInput[], more: Partial<AgreementInput> = {}): AgreementInput {
  return {
    ...{ parties: ["lab", "cloud"], from: "2026-01-01", zone: "UTC", period: "month", currency: "USD" },
    ...more,
    clauses: [...clauses],
  };
}

/** A clause, checked by the compiler where it is written. */
export function clause(written: ClauseInput): ClauseInput {
  return written;
}

/** A share of all revenue that the lab pays to the cloud. */
export function share(
  rate: string,
  more: Partial<Extract<ClauseInput, { kind: "share" }>> = {},
): ClauseInput {
  return { kind: "share", id: "share", payer: "lab", payee: "cloud", streams: ["*"], rate, ...more };
}

/** Revenue booked evenly over days, from one up to another, in UTC. */
export function revenue(
  id: string,
  amount: string,
  [from, to]: readonly [string, string],
  more: Partial<Extract<TermEventInput, { kind: "revenue" }>> = {},
): TermEventInput {
  const earned = { from: `${from}T00:00:00Z`, to: `${to}T00:00:00Z` };
  return { kind: "revenue", id, stream: "apps", amount, currency: "USD", earned, ...more };
}

/** A fact and when it became known. */
export function known(event: TermEventInput, knownAt: string = EARLY): KnownEvent {
  return { event: termEventSchema.parse(event), knownAt };
}

/** A version of the agreement `deal`; the first takes effect when the agreement begins. */
export function version(
  number: number,
  wording: AgreementInput,
  effectiveFrom: string = wording.from,
  knownAt: string = EARLY,
): AgreementFacts["versions"][number] {
  const parsed = agreementSchema.parse(wording);
  return { agreement: "deal", version: number, effectiveFrom, terms: parsed, knownAt };
}

/** Facts of one agreement in one version, all known early. */
export function factsOf(wording: AgreementInput, events: readonly TermEventInput[]): AgreementFacts {
  return { versions: [version(1, wording)], events: events.map((event) => known(event)), closed: [] };
}

/** Facts with one more settlement closed. */
export function close(facts: AgreementFacts, settlement: Settlement, knownAt: string): AgreementFacts {
  const closed = { ordinal: facts.closed.length + 1, knownAt, settlement };
  return { ...facts, closed: [...facts.closed, closed] };
}

/** What a clause's lines add up to, as `[clause, earned in, amount]`. */
export function amounts(settlement: Settlement): readonly (readonly [string, string, string])[] {
  return settlement.lines.map((line) => [line.clause, line.earnedIn, line.amount]);
}

/** How often a property is tried: as usual, or as often as TERMS_RUNS says. */
export function tries(usual: number): { readonly numRuns: number } {
  return { numRuns: Number(process.env["TERMS_RUNS"] ?? usual) };
}
