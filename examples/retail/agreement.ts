/**
 * What was agreed: "list the action's details and obtain an explicit yes" as something to be read off a
 * conversation. A detail is agreed to when it stands in the messages that the yes ended.
 */
import type { Check } from "factotum/policy";
import {
  answerBefore,
  type Conversation,
  type DeskContext,
  plain,
  talkBefore,
  type Write,
  writesAmong,
} from "./conversation.ts";
import { anyWord } from "./words.ts";

/** The messages before a call in which its details must stand: three of each side. */
const MESSAGES = 6;

const YES = anyWord(
  ...[
    "yes",
    "yep",
    "yeah",
    "yup",
    "sure",
    "ok",
    "okay",
    "confirm(ed|ing)?",
    "correct",
    "proceed",
    "go ahead",
  ],
  ...["do it", "agreed?", "absolutely", "definitely", "sounds (good|great|fine)", "works for me"],
  ...["looks (good|great|right|correct|perfect)", "perfect", "approved?", "i authori[sz]e"],
  ...["i('d| would) like to", "go with", "go for it", "let'?s", "please", "alright", "all right", "exactly"],
  ...[
    "that('s| is) (it|right|fine|ok|good|great|perfect)",
    "that works",
    "(i )?accept",
    "fine with me",
    "of course",
  ],
  ...["(book|cancel|change|return|exchange) (it|them|that|this|those)", "i('ll| will) take"],
  ...[
    "by all means",
    "make it so",
    "affirmative",
    "certainly",
    "indeed",
    "fine",
    "happy with (it|that|this)",
  ],
);

/** Asks for a yes to what is about to be done; a choice between cards, say, is not yet one. */
const ASKS_FOR_YES = anyWord(
  ...[
    "confirm\\w*",
    "proceed",
    "go ahead",
    "(shall|should|may|can) (i|we)",
    "(want|like|wish|need) (me|us) to",
  ],
  ...["(is|are|does|do) (this|that|it|these|those|everything|all)", "ready", "agree"],
);

/** One detail of a call, and whether a text names it. */
export type Detail = { readonly name: string; readonly standsIn: (talk: string) => boolean };

/** The details of a call that the customer has to have seen. */
export type DetailsOf = (context: DeskContext, write: Write) => Promise<readonly Detail[]>;

/** Whether a `plain` answer says yes to something. */
export function saysYes(answer: string): boolean {
  return YES.test(answer);
}

/**
 * "Obtain explicit confirmation": what the customer said last before each call agrees to something. Where it
 * does in no words known here, it may in others; where the agent had not asked for a yes either, it does not.
 */
export function unconfirmed(
  { turns }: DeskContext,
  tools: ReadonlySet<string>,
): readonly { readonly because: string; readonly asked: boolean }[] {
  return writesAmong(turns, tools).flatMap((write) => {
    if (saysYes(answerBefore(turns, write.at))) return [];
    const answer = turns.slice(0, write.at).findLastIndex((turn) => turn.kind === "person");
    const question = turns.slice(0, Math.max(answer, 0)).findLast((turn) => turn.kind === "agent");
    const asked = question?.kind === "agent" && ASKS_FOR_YES.test(plain(question.text));
    return [{ because: `${write.tool} was called before the customer had said yes to it`, asked }];
  });
}

/** "Obtain explicit confirmation": a call refused and made again otherwise is not the one agreed to. */
export function retried({ turns }: DeskContext, tools: ReadonlySet<string>): readonly string[] {
  return writesAmong(turns, tools).flatMap(({ tool, input, at }) => {
    const yes = turns.slice(0, at).findLastIndex((turn) => turn.kind === "person");
    const otherwise = turns
      .slice(yes + 1, at)
      .some(
        (turn) =>
          turn.kind === "call" && turn.refused && turn.tool === tool && values(turn.input) !== values(input),
      );
    return otherwise ? [`${tool} was refused, and made again with values that nobody agreed to`] : [];
  });
}

/** A call's values but for the numbers of payment methods: customers know a card by other words. */
function values(input: unknown): string {
  return JSON.stringify(input, (key, value: unknown) =>
    key === "payment_id" || key === "payment_method_id" ? "" : value,
  );
}

/** "List the details": a question about every call of which a detail was not listed before the yes. */
export function listed(tools: ReadonlySet<string>, detailsOf: DetailsOf): Check<Conversation> {
  return {
    name: "every detail was listed before the customer agreed",
    run: async (context) => {
      const found = [];
      for (const write of writesAmong(context.turns, tools)) {
        const talk = talkBefore(context.turns, write.at, MESSAGES);
        const missing = (await detailsOf(context, write)).filter((detail) => !detail.standsIn(talk));
        if (missing.length === 0) continue;
        const names = missing.map((detail) => detail.name).join(", ");
        found.push({ kind: "ask" as const, because: `${write.tool}: nobody listed ${names} before the yes` });
      }
      return found;
    },
  };
}

/** A detail that stands in a text where any of these words does. */
export function named(name: string, ...forms: readonly string[]): Detail {
  const words = forms.map((form) => form.toLowerCase().replaceAll(",", "")).filter((form) => form !== "");
  return { name, standsIn: (talk) => words.length === 0 || words.some((word) => talk.includes(word)) };
}
