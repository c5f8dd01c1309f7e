import type { Check, CheckContext, Finding, Found } from "./check.ts";

/** Asks a check only of work that it is about; of other work it passes. */
export function when<Input>(
  applies: (context: CheckContext<Input>) => boolean | Promise<boolean>,
  check: Check<Input>,
): Check<Input> {
  return { ...check, run: async (context) => ((await applies(context)) ? await check.run(context) : []) };
}

/**
 * Takes a check less seriously: what it calls wrong is `ask`, a question to a person, or `unsure`, a doubt
 * that a better rung may settle. For a rule of thumb that is right more often than not.
 */
export function softer<Input>(check: Check<Input>, kind: Exclude<Finding["kind"], "fail">): Check<Input> {
  const soften = (found: Found): Found => (found.kind === "fail" ? { ...found, kind } : found);
  return { ...check, run: async (context) => (await check.run(context)).map(soften) };
}

/**
 * Passes where one of the checks finds nothing in the way, in the order given; where all do, what they found
 * is found. For a rule with more than one way to keep it, such as a name that stands in the input or in the
 * database.
 */
export function anyOf<Input>(name: string, checks: readonly Check<Input>[]): Check<Input> {
  return {
    name,
    run: async (context) => {
      const found: Found[] = [];
      for (const check of checks) {
        const one = await check.run(context);
        if (one.every(({ kind }) => kind === "pass")) return one;
        found.push(...one);
      }
      return found;
    },
  };
}
