import type { Verdict, VerifierKind } from "./check.ts";

/**
 * What a list of verdicts adds up to: commit, let the next rung try, or put it to a person.
 * A person is asked only about a change that is otherwise right: any doubt goes to a better rung first.
 */
export type Ruling =
  | { readonly kind: "commit" }
  | { readonly kind: "next-rung"; readonly because: readonly string[] }
  | { readonly kind: "ask"; readonly because: readonly string[] };

/**
 * Verdicts of these kinds can show a change to be right. The others cannot: that the tables are declared
 * and everything asked for is touched says nothing of how, a guard saw one call alone, and two tries that
 * agree may both be wrong (on recorded agents, those that staged the same change were right 41 % of the
 * time).
 */
const PROOFS: ReadonlySet<VerifierKind> = new Set(["check", "invariant", "sql", "person", "judge"]);

/**
 * Adds verdicts up; their order decides nothing. Passes alone commit, and only where one of them is a proof:
 * an agent without checks commits nothing unasked.
 *
 * @param proof `given` for a change that its author's own code chose: the absence of doubt is then enough
 */
export function rule(
  verdicts: readonly Verdict[],
  { proof = "needed" }: { readonly proof?: "needed" | "given" } = {},
): Ruling {
  const doubts = verdicts.filter((verdict) => verdict.kind === "fail" || verdict.kind === "unsure");
  if (doubts.length > 0) return { kind: "next-rung", because: doubts.map(sentence) };
  const questions = verdicts.filter((verdict) => verdict.kind === "ask");
  if (questions.length > 0) return { kind: "ask", because: questions.map(sentence) };
  if (proof === "given" || verdicts.some((verdict) => PROOFS.has(verdict.by))) return { kind: "commit" };
  return { kind: "ask", because: ["no check has looked at this change"] };
}

function sentence(verdict: Verdict): string {
  return verdict.kind === "pass" ? verdict.check : `${verdict.check}: ${verdict.because}`;
}
