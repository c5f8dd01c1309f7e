import { FactotumError, type Json, messageOf } from "../kernel/index.ts";
import type { CheckContext, Finding, Verdict } from "./check.ts";

/** What a guard looks at: a call that is about to be made, and what was called before it. */
export type GuardContext<Input> = Pick<CheckContext<Input>, "input" | "calls" | "turns" | "view" | "at"> & {
  readonly call: { readonly tool: string; readonly input: Json };
};

/**
 * A rule on a tool call, asked before the tool runs: who is authenticated, what state a row must be in.
 * `fail` refuses the call: the tool does not run, and whoever called it is told why and may go on.
 * `ask` and `unsure` let it be staged, and are ruled on with the verdicts at the end.
 */
export type Guard<Input> = {
  readonly name: string;
  /** The tools it is asked about; all of them where it names none. */
  readonly tools?: readonly string[];
  /** A call that a person makes in a correction is not held against it. */
  readonly overrule?: "person";
  /** `view` is the staged state as the tool will find it, read only. A guard that throws has refused. */
  run(context: GuardContext<Input>): Promise<readonly Finding[]>;
};

/** The guards of a tool. */
export function guardsOf<Input>(guards: readonly Guard<Input>[], tool: string): readonly Guard<Input>[] {
  return guards.filter((guard) => guard.tools === undefined || guard.tools.includes(tool));
}

/**
 * Asks guards about a call, in order; the first that refuses is the last that is asked. Guards that found
 * nothing leave no verdict: a call is made often, and its pass proves nothing of the whole.
 *
 * @throws {FactotumError} with `retry: "later"`: the database is away
 */
export async function askGuards<Input>(
  guards: readonly Guard<Input>[],
  context: GuardContext<Input>,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const guard of guards) {
    for (const finding of await findingsOf(guard, context)) {
      verdicts.push({ check: guard.name, by: "guard", ...finding });
    }
    if (verdicts.some((verdict) => verdict.kind === "fail")) break;
  }
  return verdicts;
}

async function findingsOf<Input>(
  guard: Guard<Input>,
  context: GuardContext<Input>,
): Promise<readonly Finding[]> {
  try {
    return await guard.run(context);
  } catch (error) {
    if (error instanceof FactotumError && error.retry === "later") throw error;
    return [{ kind: "fail", because: `the guard itself failed: ${messageOf(error)}` }];
  }
}
