import type { Check, CheckContext, Finding, Found } from "./check.ts";

/** One thing that was asked for, and how to tell from a staged change that it is done. */
export type Wish<Input> = {
  /** As a person would name it, such as `a refund of order 17`. */
  readonly what: string;
  doneBy(context: CheckContext<Input>): boolean | Promise<boolean>;
};

/** How `ticked` takes what is not done. */
export type TickedOptions = {
  /** What a wish with nothing done means: by default (`ask`) a question to a person. */
  readonly undone?: Finding["kind"];
};

/**
 * Looks for what is missing, which no look at the change itself can find: lists what was asked for, ticks off
 * what the change does, and asks about the rest. Each wish is recorded with its state. It is a question and
 * not a fault, since whoever asked may have thought better of it, or the policy may forbid it.
 *
 * @param list what was asked for, from the input or the turns; nothing asked for is a pass
 */
export function ticked<Input>(
  name: string,
  list: (context: CheckContext<Input>) => readonly Wish<Input>[] | Promise<readonly Wish<Input>[]>,
  { undone = "ask" }: TickedOptions = {},
): Check<Input> {
  return {
    ...{ name, by: "wishes" },
    run: async (context) => {
      const found: Found[] = [];
      for (const wish of await list(context))
        found.push(stateOf(wish.what, await wish.doneBy(context), undone));
      return found;
    },
  };
}

/** Whether any of these tools was called, where the call is the deed. */
export function calledAny(...tools: readonly string[]): Wish<unknown>["doneBy"] {
  return ({ calls }) => calls.some((call) => tools.includes(call.tool));
}

function stateOf(wish: string, done: boolean, undone: Finding["kind"]): Found {
  if (done) return { kind: "pass", wish };
  return { kind: undone, wish, because: `${wish} was asked for, and nothing of it is done` };
}
