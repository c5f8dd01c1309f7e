/** Checked bags and insurance: bags are added, never removed, and free by membership and cabin. */
import { customerWords, type DeskContext, plain, wordsOf } from "../retail/conversation.ts";
import { anyWord } from "../retail/words.ts";
import type { Touched } from "./touched.ts";

const BAGGAGE = /\b(bags?|baggages?|luggage|suitcases?|checked)\b/;
/** Who is asked may answer with a number alone. */
const ASKED_ABOUT = anyWord(
  "(how many|number of|any|would you like|do you (have|need|want|plan)|interested in)\\b[^.!?]{0,60}" +
    "\\b(bags?|baggages?|luggage|suitcases?)",
);
const NOT = "(don't|do not|doesn't|won't)";
const NO_BAGS = anyWord(
  `(no|zero|0|without|${NOT} (have|need|want|be)( any)?( checking)?) (checked )?(bags?|baggages?|luggage)`,
);
const INSURANCE = /\binsurance\b/;
const NO_INSURANCE = anyWord(
  `(no|without|skip|decline|${NOT} (need|want|require)( any| the)?) ((travel|trip|any) )*insurance`,
  ...["not (interested in|buying|getting) ((travel|trip|any) )*insurance", "insurance[: -]+(no|none)"],
);
/** Free bags a passenger, by membership and cabin; dialect 1 gives a gold member 3 in business. */
const FREE_BAGS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  regular: { basic_economy: 0, economy: 1, business: 2 },
  silver: { basic_economy: 1, economy: 2, business: 3 },
  gold: { basic_economy: 2, economy: 3, business: 4 },
};

/** What is wrong with the bags of a reservation. */
export function bags(one: Touched, context: DeskContext): readonly string[] {
  const count = (row: Touched["after"] | null, name: string): number => Number(row?.[name] ?? 0);
  const total = count(one.after, "total_baggages");
  const paid = count(one.after, "nonfree_baggages");
  const [had, hadPaid] = [count(one.before, "total_baggages"), count(one.before, "nonfree_baggages")];
  if (one.before !== null && total === had && paid === hadPaid) return [];
  const asked = ASKED_ABOUT.test(wordsOf(context.turns, "agent"));
  if (total > had && !asked && !BAGGAGE.test(customerWords(context)))
    return [`nobody asked for bags on ${one.id}`];
  if (total > 0 && one.before === null && declined(context, BAGGAGE, NO_BAGS))
    return [`${one.id}: the customer has no bags`];
  if (total < had) return [`${one.id} would lose checked bags`];
  const gold = context.input.dialect === 1 && one.membership === "gold" && one.cabin === "business";
  const free = gold ? 3 : (FREE_BAGS[one.membership]?.[one.cabin] ?? 0);
  const due = Math.max(0, total - free * one.people, one.before === null ? 0 : hadPaid);
  return paid === due ? [] : [`${one.id} has ${total} bags, of which ${due} are to be paid, not ${paid}`];
}

/** "Ask if the user wants to buy the travel insurance": who declined it is not sold it. */
export function insurance(one: Touched, context: DeskContext): readonly string[] {
  if (one.before !== null || one.after["insurance"] !== "yes") return [];
  return declined(context, INSURANCE, NO_INSURANCE) ? [`${one.id} is insured; the customer declined it`] : [];
}

/** Whether the customer said no to something, and did not come back to it. */
function declined({ turns }: DeskContext, thing: RegExp, no: RegExp): boolean {
  const last = turns.findLast((turn) => turn.kind === "person" && thing.test(plain(turn.text)));
  return last !== undefined && last.kind === "person" && no.test(plain(last.text));
}
