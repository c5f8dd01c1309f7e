/** Doubts that no rule settles: where agents slip, a person looks. */
import type { Check } from "factotum/policy";
import { answerBefore, type Conversation, type DeskContext, wordsOf, writesAmong } from "./conversation.ts";
import { WRITES } from "./guards.ts";
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

const OTHER_CHANGE = anyWord(
  ...["exchang(e|ing)", "cancel(l?ing|lation)?", "swap(ping)?", "replac(e|ing)", "undo", "reverse"],
  "add (it|them|this|that|the|my)",
);

/** All doubts of the shop. */
export const doubts: readonly Check<Conversation>[] = [
  doubt("the customer keeps to what they wanted", ({ turns }) => {
    // A change of mind before the first change was agreed to again; a later one may be about what is done.
    const [first] = writesAmong(turns, WRITES);
    const later = first === undefined ? "" : wordsOf(turns.slice(first.at), "person");
    return CHANGED_MIND.test(later) ? ["the customer changed their mind after a change was made"] : [];
  }),
  doubt("what is handed to a person is committed by one", (context) =>
    context.diff.length > 0 && changesHandedOver(context) ? ["part is done and the rest handed over"] : [],
  ),
];

/** Whether a person is to see to a change, and not only to a label or a date. */
function changesHandedOver({ turns }: DeskContext): boolean {
  const at = turns.findIndex((turn) => turn.kind === "call" && turn.tool === "transfer_to_human_agents");
  return at >= 0 && OTHER_CHANGE.test(answerBefore(turns, at));
}

function doubt(name: string, find: (context: DeskContext) => readonly string[]): Check<Conversation> {
  return {
    name,
    run: async (context) => find(context).map((because) => ({ kind: "ask", because })),
  };
}
