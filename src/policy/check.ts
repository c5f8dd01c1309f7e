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

/**
 * A verdict that stands in the way of committing, with the sentence a person or the next rung reads.
 * `wish` names what was asked for, where the finding is that nothing of it is done.
 */
export type Finding = {
  readonly kind: Exclude<VerdictKind, "pass">;
  readonly because: string;
  readonly wish?: string;
};

/** What a check may return: what stands in the way, and what passes but is worth recording, as a wish is. */
export type Found = Finding | { readonly kind: "pass"; readonly wish?: string; readonly because?: string };

/**
 * Who gave a verdict: the declared tables, a check of some kind, a guard of one call, a model, another try
 * that was compared, or the rung itself, in doubt.
 */
export type VerifierKind =
  | ("tables" | "check" | "invariant" | "sql" | "person" | "wishes")
  | ("guard" | "judge" | "agreement" | "rung");

/**
 * What one verifier said. The list of an attempt's verdicts is in the order in which they were given.
 * `costMicroUsd` is what it cost to ask, in digits, where it cost anything.
 */
export type Verdict = {
  readonly check: string;
  readonly by: VerifierKind;
  readonly costMicroUsd?: string;
} & (Finding | { readonly kind: "pass"; readonly wish?: string; readonly because?: string });

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
  /** Nothing found is a pass. @throws anything: a change that could not be checked has failed */
  run(context: CheckContext<Input>): Promise<readonly Found[]>;
};

/** The longest a check may take; a statement of it is broken off sooner. */
export const CHECK_MS_MAX = 30_000;
/** The most findings one check is recorded with; what is more is counted. */
export const FINDINGS_MAX = 20;
/** The most characters of one finding. */
export const BECAUSE_CHARS_MAX = 500;

/**
 * Runs every check and records a verdict for each finding, in order, or one for its pass.
 * A check that throws a `FactotumError` has said no; any other error is a bug in the check, and a
 * change that could not be checked is not committed either: both become `fail`, and so does a check that
 * takes too long.
 *
 * @throws {FactotumError} with `retry: "later"`: the database is away, or others were in the way
 */
export async function verify<Input>(
  checks: readonly Check<Input>[],
  context: CheckContext<Input>,
  options: VerifyOptions = {},
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const check of checks) {
    const found = await foundBy(check, context, options);
    verdicts.push(...verdictsOf({ check: check.name, by: check.by ?? "check" }, found));
  }
  return verdicts;
}

/** How checks are run. */
export type VerifyOptions = {
  /** The longest one may take; `CHECK_MS_MAX` by default. */
  readonly msMax?: number;
  /** Called after a check that threw, so that the next one finds a view that can be queried. */
  readonly heal?: () => Promise<unknown>;
};

async function foundBy<Input>(
  check: Check<Input>,
  context: CheckContext<Input>,
  { msMax = CHECK_MS_MAX, heal }: VerifyOptions,
): Promise<readonly Found[]> {
  try {
    return await within(check.run(context), msMax);
  } catch (error) {
    if (error instanceof FactotumError && error.retry === "later") throw error;
    await heal?.();
    return [{ kind: "fail", because: `the check itself failed: ${messageOf(error)}` }];
  }
}

/** The verdicts of one verifier: a pass where it found nothing, and never more than a person can read. */
export function verdictsOf(
  of: { readonly check: string; readonly by: VerifierKind; readonly costMicroUsd?: string },
  found: readonly Found[],
): readonly Verdict[] {
  if (found.length === 0) return [{ ...of, kind: "pass" }];
  return bounded(found).map((one): Verdict => ({ ...of, ...one }));
}

const WEIGHT: { readonly [kind in VerdictKind]: number } = { fail: 3, unsure: 2, ask: 1, pass: 0 };

/** Cuts findings to what can be read. What is left out is counted, and stands in the way as before. */
function bounded(found: readonly Found[]): readonly Found[] {
  const short = found.map((one): Found => {
    const { because } = one;
    if (because === undefined || because.length <= BECAUSE_CHARS_MAX) return one;
    return { ...one, because: `${because.slice(0, BECAUSE_CHARS_MAX)}…` };
  });
  if (short.length <= FINDINGS_MAX) return short;
  const rest = short.slice(FINDINGS_MAX);
  const worst = rest.reduce((one, other) => (WEIGHT[other.kind] > WEIGHT[one.kind] ? other : one));
  const because = `and ${rest.length} more`;
  const last: Found = worst.kind === "pass" ? { kind: "pass", because } : { kind: worst.kind, because };
  return [...short.slice(0, FINDINGS_MAX), last];
}

/** Waits for a check no longer than allowed; one that never yields cannot be broken off. */
async function within<T>(work: Promise<T>, msMax: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`it took longer than ${msMax} ms; ask less of the database, or of the diff`));
    }, msMax);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
