/** What the customer asked for and the change set does not do. */
import { calledAny, type Check, ticked, type Wish } from "factotum/policy";
import {
  type Conversation,
  customerWords,
  type DeskContext,
  NOTHING_MISSING,
  wordsOf,
  writesAmong,
} from "../retail/conversation.ts";
import { type Verb, wishesOf } from "../retail/wishes.ts";
import { anyWord } from "../retail/words.ts";

/** One kind of thing that a customer may ask for: the words for it, and the calls that do it. */
type Kind = { readonly what: string; readonly words: RegExp; readonly doneBy: Wish<unknown>["doneBy"] };

function kind(what: string, words: RegExp, tools: readonly string[]): Kind {
  return { what, words, doneBy: calledAny(...tools) };
}

const KINDS: readonly Kind[] = [
  kind("a cancellation", /\bcancel(l?ing|lation)?\b/, ["cancel_reservation"]),
  kind(
    "checked bags",
    /\b(add|extra|more|another|checked|check)\b[^.?!]{0,40}\b(bags?|luggage|suitcases?)\b/,
    [...["update_reservation_baggages", "book_reservation"]],
  ),
  kind("another cabin", /\b(upgrad\w*|downgrad\w*)\b/, ["update_reservation_flights", "book_reservation"]),
  kind(
    "another flight",
    anyWord(
      "(change|modify|switch|move|reschedule|push)\\b[^.?!]{0,60}\\b(flight|trip|reservation|return|date)s?",
    ),
    ["update_reservation_flights"],
  ),
  kind("another passenger", /\b(passenger|name)\b[^.?!]{0,40}\b(change|correct|update|instead|replace)/, [
    "update_reservation_passengers",
  ]),
  kind("compensation", /\b(compensat\w*|voucher|gesture)\b/, ["send_certificate"]),
  kind("a booking", /\b(book|reserve)\b (a|an|the|another|me|it|one|new|this|that)\b/, ["book_reservation"]),
];
/** A wish about many at once cannot be ticked off by any one change. */
const SEVERAL = "(all|each|every|any|both|multiple|several|duplicates?|other|which ones?)";
const MANY = anyWord(
  `${SEVERAL}\\b[^.?!]{0,50}\\b(reservations|flights|bookings|trips|duplicates?|days?)`,
  "(wherever|whichever) possible",
);
const VERBS: readonly Verb[] = [
  { what: "a cancellation", words: /\bcancel(l?ing|lation)?\b/ },
  { what: "another cabin", words: /\b(upgrad|downgrad)\w*\b/ },
];
const DOES: Readonly<Record<string, string>> = {
  cancel_reservation: "a cancellation",
  update_reservation_flights: "another cabin",
};

/** A question, not a fault: the customer may have thought better of it, or the policy may forbid it. */
export const missing: Check<Conversation> = ticked(NOTHING_MISSING, (context: DeskContext) => {
  const words = customerWords(context);
  return [
    ...KINDS.filter((one) => one.words.test(words)),
    ...reservationsNamed(context),
    ...(MANY.test(words) ? [never("something for several at once")] : []),
    ...(handedOver(context) ? [never("what was handed over to a person")] : []),
  ];
});

function never(what: string): Wish<Conversation> {
  return { what, doneBy: () => false };
}

/** Wishes to cancel or upgrade a reservation that the customer named. */
function reservationsNamed({ turns }: DeskContext): readonly Wish<Conversation>[] {
  const ids = wordsOf(turns, "person").match(/\b(?=[a-z]*\d)[a-z0-9]{6}\b/g) ?? [];
  const things = [...new Set(ids)].map((id) => ({ id, words: new RegExp(`\\b${id}\\b`) }));
  const done = new Set(
    writesAmong(turns, new Set(Object.keys(DOES))).map(
      ({ tool, input }) => `${DOES[tool] ?? ""} ${String(input["reservation_id"]).toLowerCase()}`,
    ),
  );
  return wishesOf(turns, VERBS, things).map(({ verb, thing }) => ({
    what: `${verb} of ${thing.toUpperCase()}`,
    doneBy: () => done.has(`${verb} ${thing}`),
  }));
}

function handedOver({ turns }: DeskContext): boolean {
  return turns.some((turn) => turn.kind === "call" && turn.tool === "transfer_to_human_agents");
}
