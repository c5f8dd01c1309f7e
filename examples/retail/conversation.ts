/** A conversation as checks look at it: who said what, and what was called when. */
import type { Check, CheckContext } from "factotum/policy";

/** What the desk's agents work on; what was said and called is among the turns of the context. */
export type Conversation = { readonly dialect: 1 | 2 };

/** What a check of a desk is given. */
export type DeskContext = CheckContext<Conversation>;

/** All that the customer said, lower case. */
export function customerWords({ turns }: Pick<DeskContext, "turns">): string {
  return turns.flatMap((turn) => (turn.kind === "person" ? [turn.text.toLowerCase()] : [])).join("\n");
}

const YES = new RegExp(
  `\\b(${[
    ...["yes", "yep", "yeah", "yup", "sure", "ok", "okay", "confirm(ed)?", "correct", "proceed", "go ahead"],
    ...["do it", "agreed?", "absolutely", "definitely", "sounds (good|great|fine)", "works for me"],
    ...["i('d| would) like to", "go with", "let'?s", "please"],
  ].join("|")})\\b`,
  "i",
);

/**
 * The calls that staged something and were not preceded by a yes: what the customer said last before the
 * call agrees to nothing.
 */
export function unconfirmed(
  { turns }: Pick<DeskContext, "turns">,
  writes: ReadonlySet<string>,
): readonly string[] {
  let last = "";
  const found: string[] = [];
  for (const turn of turns) {
    if (turn.kind === "person") last = turn.text;
    if (turn.kind !== "call" || turn.refused || !writes.has(turn.tool) || YES.test(last)) continue;
    found.push(`${turn.tool} was called before the customer had said yes to it`);
  }
  return found;
}

/** The check that looks for what was left out. */
export const NOTHING_MISSING = "every kind of thing asked for is done";

/** One kind of thing that a customer may ask for: the words for it, and the calls that do it. */
export type Ask = { readonly what: string; readonly words: RegExp; readonly doneBy: ReadonlySet<string> };

/** Writes an `Ask`. */
export function ask(what: string, words: RegExp, doneBy: readonly string[]): Ask {
  return { what, words, doneBy: new Set(doneBy) };
}

/**
 * What was asked for and is not done: a question for a person, not a fault, since the customer may have
 * thought better of it or the policy may forbid it.
 */
export function missing(asks: readonly Ask[]): Check<Conversation> {
  return {
    name: NOTHING_MISSING,
    run: async ({ turns, calls }) => {
      const words = customerWords({ turns });
      return asks
        .filter((one) => one.words.test(words) && !calls.some((call) => one.doneBy.has(call.tool)))
        .map((one) => ({ kind: "ask", because: `the customer spoke of ${one.what}; nothing of it is done` }));
    },
  };
}
