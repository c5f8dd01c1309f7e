/** Doubts that no rule settles: where agents slip, a person looks. */
import type { Check } from "factotum/policy";
import { type Conversation, customerWords, type DeskContext } from "./conversation.ts";
import { anyWord } from "./words.ts";

const CHANGED_MIND = new RegExp(
  [
    anyWord(
      ...["changed? my mind", "change of (plans?|heart)", "on second thoughts?", "regret", "scratch that"],
      "never ?mind",
    ).source,
    "(^|[.!?\\n] ?)actually\\b",
  ].join("|"),
);

/** All doubts of the shop. */
export const doubts: readonly Check<Conversation>[] = [
  doubt("the customer keeps to what they wanted", (context) =>
    CHANGED_MIND.test(customerWords(context)) ? ["the customer changed their mind on the way"] : [],
  ),
  doubt("what is handed to a person is committed by one", ({ diff, turns }) =>
    diff.length > 0 && turns.some((turn) => turn.kind === "call" && turn.tool === "transfer_to_human_agents")
      ? ["part is done and the rest handed over"]
      : [],
  ),
];

function doubt(name: string, find: (context: DeskContext) => readonly string[]): Check<Conversation> {
  return {
    name,
    run: async (context) => find(context).map((because) => ({ kind: "ask", because })),
  };
}
