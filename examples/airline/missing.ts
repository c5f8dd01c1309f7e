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
import { forbidden, lookedAt, type Standing } from "./allowed.ts";
import { type Verb, wishesOf } from "../retail/wishes.ts";
import { anyWord, CANCELS } from "../retail/words.ts";

/** One kind of thing that a customer may ask for: the words for it, and the calls that do it. */
type Kind = { readonly what: string; readonly words: RegExp; readonly doneBy: Wish<unknown>["doneBy"] };
const CANCELLATION = "a cancellation";
const CABIN = "another cabin";
const FLIGHT = "another flight";
const COMPENSATION = "compensation";

function kind(what: string, words: RegExp, tools: readonly string[]): Kind {
  return { what, words, doneBy: calledAny(...tools) };
}

const UPGRADES = anyWord("upgrad\\w*", "downgrad\\w*", "(mov|bump)(e|ed|ing)? (me |us |it )?up");

const KINDS: readonly Kind[] = [
  kind(CANCELLATION, CANCELS, ["cancel_reservation"]),
  kind(
    "checked bags",
    anyWord(
      "(add|extra|more|another|checked|check|include|put on)\\b[^.?!]{0,40}\\b(bags?|luggage|suitcases?)",
    ),
    [...["update_reservation_baggages", "book_reservation"]],
  ),
  kind(CABIN, UPGRADES, ["update_reservation_flights", "book_reservation"]),
  kind(
    FLIGHT,
    anyWord(
      "(change|modify|switch|move|reschedule|push)\\b[^.?!]{0,60}\\b(flight|trip|reservation|return|date)s?",
    ),
    ["update_reservation_flights"],
  ),
  kind("another passenger", /\b(passenger|name)\b[^.?!]{0,40}\b(change|correct|update|instead|replace)/, [
    "update_reservation_passengers",
  ]),
  kind(COMPENSATION, /\b(compensat\w*|voucher|gesture|goodwill|for my trouble)\b/, ["send_certificate"]),
  kind("a booking", /\b(book|reserve)\b (a|an|the|another|me|it|one|new|this|that)\b/, ["book_reservation"]),
];
/** "No need to book another flight" asks for none. */
const NOT_WANTED = /\b(no need|(don't|do not) (need|want)) to\b[^.!?\n]*/g;
/** A wish about many at once cannot be ticked off by any one change. */
const SEVERAL = "(all|each|every|any|both|multiple|several|duplicates?|other|which ones?)";
const MANY = anyWord(
  `${SEVERAL}\\b[^.?!]{0,50}\\b(reservations|flights|bookings|trips|duplicates?|days?)`,
  "(wherever|whichever) possible",
);
const VERBS: readonly Verb[] = [
  { what: CANCELLATION, words: CANCELS },
  { what: CABIN, words: UPGRADES },
];
const DOES: Readonly<Record<string, string>> = {
  cancel_reservation: CANCELLATION,
  update_reservation_flights: CABIN,
};

/**
 * A question, not a fault: the customer may have thought better of it. What the policy forbids is not asked
 * about where the books show it for every reservation that was looked at.
 */
export const missing: Check<Conversation> = ticked(NOTHING_MISSING, async (context: DeskContext) => {
  const words = customerWords(context).replaceAll(NOT_WANTED, "");
  const looked = await lookedAt(context);
  const uttered = KINDS.filter((one) => one.words.test(words));
  const open = uttered.filter((one) => !forbidden(one.what, meant(context, one.what, looked)));
  // Who insists on what nobody may have is handed over with nothing left undone.
  const denied = uttered.length > 0 && open.length === 0;
  return [
    ...open,
    ...reservationsNamed(context, looked),
    ...(MANY.test(words) ? [never("something for several at once")] : []),
    ...(handedOver(context) && !denied ? [never("what was handed over to a person")] : []),
  ];
});

/** Whoever wanted to fly otherwise and lets a reservation be cancelled instead, meant that one. */
function meant({ diff }: DeskContext, what: string, looked: readonly Standing[]): readonly Standing[] {
  if (what !== FLIGHT) return looked;
  const cancelled = new Set(
    diff.flatMap((row) => (row.after?.["status"] === "cancelled" ? [row.key["reservation_id"]] : [])),
  );
  const those = looked.filter((one) => cancelled.has(one.id));
  return those.length === 0 ? looked : those;
}

function never(what: string): Wish<Conversation> {
  return { what, doneBy: () => false };
}

/** Wishes to cancel or upgrade a reservation that the customer named. */
function reservationsNamed(
  { turns }: DeskContext,
  looked: readonly Standing[],
): readonly Wish<Conversation>[] {
  const ids = wordsOf(turns, "person").match(/\b(?=[a-z]*\d)[a-z0-9]{6}\b/g) ?? [];
  const things = [...new Set(ids)].map((id) => ({ id, words: new RegExp(`\\b${id}\\b`) }));
  const done = new Set(
    writesAmong(turns, new Set(Object.keys(DOES))).map(
      ({ tool, input }) => `${DOES[tool] ?? ""} ${String(input["reservation_id"]).toLowerCase()}`,
    ),
  );
  const granted = ({ verb, thing }: { readonly verb: string; readonly thing: string }): boolean =>
    !forbidden(
      verb,
      looked.filter((one) => one.id.toLowerCase() === thing),
    );
  return wishesOf(turns, VERBS, things)
    .filter(granted)
    .map(({ verb, thing }) => ({
      what: `${verb} of ${thing.toUpperCase()}`,
      doneBy: () => done.has(`${verb} ${thing}`),
    }));
}

function handedOver({ turns }: DeskContext): boolean {
  return turns.some((turn) => turn.kind === "call" && turn.tool === "transfer_to_human_agents");
}
