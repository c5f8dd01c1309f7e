import type { Verdict } from "./check.ts";

/**
 * What a list of verdicts adds up to: commit, let the next rung try, or put it to a person.
 * A person is asked only about a change that is otherwise right: any doubt goes to a better rung first.
 */
export type Ruling =
  | { readonly kind: "commit" }
  | { readonly kind: "next-rung"; readonly because: readonly string[] }
  | { readonly kind: "ask"; readonly because: readonly string[] };

/** Adds verdicts up. No verdict at all is no proof: an agent without checks commits nothing unasked. */
export function rule(verdicts: readonly Verdict[]): Ruling {
  if (verdicts.length === 0) return { kind: "ask", because: ["no check has looked at this change"] };
  const doubts = verdicts.filter((verdict) => verdict.kind === "fail" || verdict.kind === "unsure");
  if (doubts.length > 0) return { kind: "next-rung", because: doubts.map(sentence) };
  const questions = verdicts.filter((verdict) => verdict.kind === "ask");
  if (questions.length > 0) return { kind: "ask", because: questions.map(sentence) };
  return { kind: "commit" };
}

function sentence(verdict: Verdict): string {
  return verdict.kind === "pass" ? verdict.check : `${verdict.check}: ${verdict.because}`;
}
