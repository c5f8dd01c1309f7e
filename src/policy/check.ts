import { FactotumError, type Json, messageOf } from "../kernel/index.ts";
import type { Diff } from "../changes/index.ts";

/** The staged view a check may query: read only, with the attempt's own changes in it. */
export type StagedView = {
  query<R extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<{ readonly rows: readonly R[] }>;
};

/**
 * What a check can say of a change set:
 * - `fail`: it is wrong; the attempt is thrown away and the next rung is told why;
 * - `unsure`: it may be right, but this rung cannot show it; a better rung may;
 * - `ask`: it is right as a change, but the policy leaves the decision to a person.
 */
export type VerdictKind = "pass" | "fail" | "unsure" | "ask";

/** A verdict that stands in the way of committing, with the sentence a person or the next rung reads. */
export type Finding = { readonly kind: Exclude<VerdictKind, "pass">; readonly because: string };

/** Who gave a verdict: a check of some kind, a guard of one call, or the rung itself, in doubt. */
export type VerifierKind = "tables" | "check" | "invariant" | "sql" | "person" | "guard" | "rung";

/** What one verifier said. The list of an attempt's verdicts is in the order in which they were given. */
export type Verdict = {
  readonly check: string;
  readonly by: VerifierKind;
} & ({ readonly kind: "pass" } | Finding);

/** A tool call that helped to stage a change set. */
export type ToolCall = { readonly tool: string; readonly input: Json; readonly output: Json };

/** One turn of what was said and called so far. A refused call staged nothing. */
export type Turn =
  | { readonly kind: "person" | "agent"; readonly text: string }
  | { readonly kind: "call"; readonly tool: string; readonly input: Json; readonly refused: boolean };

/** What a check looks at. `input` is the run's input, parsed by the agent's schema. */
export type CheckContext<Input> = {
  readonly input: Input;
  readonly diff: Diff;
  readonly calls: readonly ToolCall[];
  /** What was said and called so far, in order; empty for an agent that does not converse. */
  readonly turns: readonly Turn[];
  readonly view: StagedView;
  readonly at: Date;
};

/**
 * One check of an agent: a named function from a staged change set to findings.
 * `overrule: "person"` marks what a person may know better, such as a value that stands nowhere in
 * the input; what they may not is left without it, and holds for their corrections too.
 */
export type Check<Input> = {
  readonly name: string;
  /** What the record calls it; `check` where it says nothing. */
  readonly by?: Exclude<VerifierKind, "guard" | "rung">;
  readonly overrule?: "person";
  run(context: CheckContext<Input>): Promise<readonly Finding[]>;
};

/**
 * Runs every check and records a verdict for each, in order.
 * A check that throws a `FactotumError` has said no; any other error is a bug in the check, and a
 * change that could not be checked is not committed either: both become `fail`.
 *
 * @throws {FactotumError} with `retry: "later"`: the database is away, or others were in the way
 */
export async function verify<Input>(
  checks: readonly Check<Input>[],
  context: CheckContext<Input>,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const check of checks) verdicts.push(...(await verdictsOf(check, context)));
  return verdicts;
}

async function verdictsOf<Input>(check: Check<Input>, context: CheckContext<Input>): Promise<Verdict[]> {
  const base = { check: check.name, by: check.by ?? "check" } as const;
  try {
    const findings = await check.run(context);
    if (findings.length === 0) return [{ ...base, kind: "pass" }];
    return findings.map((finding) => ({ ...base, ...finding }));
  } catch (error) {
    if (error instanceof FactotumError && error.retry === "later") throw error;
    return [{ ...base, kind: "fail", because: `the check itself failed: ${messageOf(error)}` }];
  }
}
