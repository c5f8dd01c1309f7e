/**
 * Recorded conversations in other words: what customers said is put differently, wherever a phrase has other
 * phrases that mean the same, with typing errors here and there. What agents said and called stays. Checks
 * that know the words of the recordings, and not what they mean, stop less of these, or block right runs.
 */
import type { Message, Recording } from "./businesses-data.ts";
import { seeded } from "./seeded.ts";

/** Phrases that mean the same wherever a customer says one of them; matched without regard to case. */
const SAME: readonly (readonly string[])[] = [
  // What is to be done.
  ["cancel", "call off", "scrap", "annul"],
  ["cancelling", "canceling", "calling off", "scrapping", "annulling"],
  ["cancelled", "canceled", "called off", "scrapped"],
  ["cancellation", "annulment"],
  ["return them", "send them back", "give them back", "bring them back"],
  ["return it", "send it back", "give it back", "bring it back"],
  ["returning", "sending back", "giving back"],
  ["exchange", "swap", "trade", "switch"],
  ["exchanging", "swapping", "trading", "switching"],
  ["refund", "reimbursement", "money back"],
  ["upgrade", "move up", "bump up"],
  ["change my flight", "move my flight", "rebook my flight", "get onto another flight"],
  ["add", "put on", "include"],
  ["modify", "change", "alter", "amend"],
  ["book", "reserve", "get"],
  // Of what.
  ["reservation", "booking", "trip"],
  ["bag", "suitcase", "piece of luggage"],
  ["bags", "suitcases", "pieces of luggage", "cases"],
  ["checked bags", "checked luggage", "hold luggage", "suitcases"],
  ["travel insurance", "trip insurance", "insurance", "travel cover"],
  ["certificate", "voucher", "travel credit"],
  ["compensation", "a gesture of goodwill", "something for my trouble"],
  ["credit card", "card", "visa"],
  ["gift card", "giftcard", "gift-card"],
  ["payment method", "way of paying", "form of payment"],
  ["address", "shipping details"],
  // How it is wished for and agreed to.
  ["yes", "yep", "yeah", "sure", "that's right", "right", "correct", "okay", "that's fine", "by all means"],
  ["please proceed", "go ahead", "please do", "do it", "let's do that", "make it so"],
  ["i would like to", "i'd like to", "i want to", "i was hoping to", "i'm looking to"],
  ["i need to", "i have to", "i've got to", "i must"],
  ["can you", "could you", "would you", "are you able to"],
  ["please", "kindly"],
  ["only", "just"],
  ["thanks", "thank you", "cheers", "much appreciated"],
  // Why.
  ["by mistake", "by accident", "accidentally", "in error"],
  ["no longer needed", "not needed anymore", "not needed any more", "no use to me now"],
  ["no longer need", "don't need", "have no use for", "do not need"],
  ["sick", "ill", "unwell", "under the weather"],
  ["change of plans", "change of plan", "plans that changed"],
  ["changed my mind", "thought better of it", "had second thoughts"],
  // Short forms.
  ["don't", "do not", "dont"],
  ["i'm", "i am", "im"],
  ["can't", "cannot", "can not", "cant"],
  ["won't", "will not"],
  ["it's", "it is", "its"],
];
const OTHERS = new Map(SAME.flatMap((all) => all.map((one) => [one, all] as const)));
const PHRASES = new RegExp(
  `\\b(?:${[...OTHERS.keys()].sort((a, b) => b.length - a.length).join("|")})\\b`,
  "gi",
);
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"],
  ...["November", "December"],
];
const DAY = new RegExp(`\\b(${MONTHS.join("|")}) (\\d{1,2})(?:st|nd|rd|th)?\\b`, "g");
/** Words of small letters only: no names, ids, addresses or numbers. */
const PLAIN_WORD = /(?<![\w@.#-])[a-z]{6,}(?![\w@-])/g;
/** A phrase is put differently this often, and a plain word typed wrongly. */
const REWORDED = 0.7;
const MISTYPED = 0.01;

/** A recording in which the customer uses other words, drawn by a seed. */
export function reworded(recording: Recording, seed: number): Recording {
  const random = seeded(seed + hash(recording.id));
  const messages = recording.messages.map((message): Message =>
    typeof message.u === "string" ? { ...message, u: otherWords(message.u, random) } : message,
  );
  return { ...recording, messages };
}

function otherWords(text: string, random: () => number): string {
  const oneOf = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  return text
    .replaceAll("’", "'")
    .replaceAll(PHRASES, (phrase) => {
      if (random() > REWORDED) return phrase;
      const other = oneOf(OTHERS.get(phrase.toLowerCase()) ?? [phrase]) ?? phrase;
      return /^[A-Z]/.test(phrase) ? other.charAt(0).toUpperCase() + other.slice(1) : other;
    })
    .replaceAll(DAY, (said, month: string, day: string) => {
      const short = month.slice(0, 3);
      return oneOf([said, `${day} ${month}`, `${short} ${day}`, `the ${day}th of ${month}`]) ?? said;
    })
    .replaceAll(PLAIN_WORD, (word) => {
      if (random() > MISTYPED) return word;
      const at = 1 + Math.floor(random() * (word.length - 2));
      return `${word.slice(0, at)}${word.charAt(at + 1)}${word.charAt(at)}${word.slice(at + 2)}`;
    });
}

function hash(text: string): number {
  const codes = Array.from(text, (letter) => letter.charCodeAt(0));
  return codes.reduce((sum, code) => (Math.imul(sum, 31) + code) | 0, 7) >>> 0;
}
