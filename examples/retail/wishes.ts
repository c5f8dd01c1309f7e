/**
 * What the customer asked for, ticked off against what is done: a verb and what it is to be done to, read
 * from clauses such as "return the lamp and the chair". Clauses that only weigh something up ("if", "can I")
 * are no wishes, and what is dropped later ("the lamp can stay") is none any more.
 */
import { plain, type Turns } from "./conversation.ts";
import { anyWord } from "./words.ts";

/** A kind of wish: the words for it in a clause, and words that look like it and are not. */
export type Verb = { readonly what: string; readonly words: RegExp; readonly not?: RegExp };

/** A thing a wish can be about, and the words for it. */
export type Thing = { readonly id: string; readonly words: RegExp };

/** How a wish is uttered: as one, as a request, or as an order. */
const WISHED = new RegExp(
  [
    anyWord(
      ...["want", "wanna", "need", "like to", "love to", "looking to", "prefer", "please", "can (you|we)"],
      ...["(could|would) you", "let's", "help me", "proceed", "go ahead", "yes", "initiate", "start"],
      ...["process", "instead"],
    ).source,
    "^[^a-z]*(return|exchange|swap|replace|cancel|change|modify|upgrade|switch|update)\\b",
  ].join("|"),
);

/** One wish, and the turns in which it was uttered first and last. */
export type Wish = {
  readonly verb: string;
  readonly thing: string;
  readonly said: string;
  readonly first: number;
  readonly at: number;
};

const WEIGHED = anyWord(
  ...["if", "unless", "otherwise", "whether", "in case", "instead of", "rather than", "once", "when"],
  ...["before", "after", "later", "understand"],
);
const DENIED = anyWord(
  "not",
  "no",
  "don't",
  "doesn't",
  "won't",
  "never",
  "without",
  "isn't",
  "can't",
  "cannot",
);
const DROPPED = anyWord(
  ...["remove", "skip", "leave", "keep", "stays?", "drop", "exclude", "never ?mind", "forget", "as[- ]is"],
  "(don't|do not|no longer) (want|need)",
);
/** "Only exchange the lamp", "the lamp only"; "the only thing" leaves nothing else out. */
const ALONE = /(?<!\bthe )\bonly\b/;
/** What follows these words tells which thing is meant, and is not meant itself. */
const ASIDE = new RegExp(
  `${
    anyWord(
      ...["that (came|comes|was|is)", "which", "(came|come|comes|ordered|bought|received) with"],
      "from the (same )?order",
    ).source
  }.*`,
);
const POINTS_BACK = /\b(it|them|this|these|that|those|both|they)\b/;

/** The wishes that were uttered and not dropped. */
export function wishesOf(turns: Turns, verbs: readonly Verb[], things: readonly Thing[]): readonly Wish[] {
  const wishes = new Map<string, Wish>();
  for (const [at, turn] of turns.entries()) {
    if (turn.kind !== "person") continue;
    let spokenOf: readonly string[] = [];
    for (const sentence of sentencesOf(turn.text)) {
      drop(wishes, sentence, verbs, things);
      let verb: Verb | undefined;
      for (const clause of clausesOf(sentence)) {
        const own = verbs.find((one) =>
          one.words.test(one.not === undefined ? clause : without(clause, one.not)),
        );
        verb = own ?? verb;
        const here = thingsIn(clause, things);
        const meant = here.length > 0 ? here : own !== undefined && POINTS_BACK.test(clause) ? spokenOf : [];
        if (here.length > 0) spokenOf = here;
        if (
          verb === undefined ||
          !WISHED.test(sentence) ||
          WEIGHED.test(sentence) ||
          DENIED.test(clause) ||
          DROPPED.test(clause)
        )
          continue;
        for (const thing of meant) {
          const key = `${verb.what} ${thing}`;
          wishes.set(key, {
            verb: verb.what,
            thing,
            said: sentence,
            first: wishes.get(key)?.first ?? at,
            at,
          });
        }
      }
    }
  }
  return [...wishes.values()];
}

/** A later sentence that leaves a thing out, or asks for something else alone, takes the wish back. */
function drop(
  wishes: Map<string, Wish>,
  sentence: string,
  verbs: readonly Verb[],
  things: readonly Thing[],
): void {
  const named = thingsIn(sentence, things);
  const verb = verbs.find((one) => one.words.test(sentence));
  const refused = verbs.some((one) =>
    new RegExp(`\\b(no|not|don't|won't) (\\w+ ){0,2}?${one.words.source}`).test(sentence),
  );
  const whole = DROPPED.test(sentence) || refused;
  const alone = ALONE.test(sentence) && verb !== undefined && named.length > 0;
  for (const [key, wish] of wishes) {
    if (whole && named.includes(wish.thing)) wishes.delete(key);
    if (alone && wish.verb === verb.what && !named.includes(wish.thing)) wishes.delete(key);
  }
}

/** A clause without the words that only look like a verb. */
function without(clause: string, not: RegExp): string {
  return clause.replaceAll(new RegExp(not, "g"), "");
}

function sentencesOf(text: string): readonly string[] {
  return text
    .split(/(?<=[.!?])\s+|[\n;]|\s[\u2013\u2014-]\s|—/)
    .map((sentence) => plain(sentence).trim())
    .filter((sentence) => sentence !== "");
}

function clausesOf(sentence: string): readonly string[] {
  return sentence.split(/:|\b(?:and|then|also|plus)\b/).map((clause) => clause.replace(ASIDE, ""));
}

/** The things spoken of; what only says which other thing is meant, as in "tablet charger", is not. */
function thingsIn(text: string, things: readonly Thing[]): readonly string[] {
  const here = things.filter((thing) => thing.words.test(text));
  const tells = (one: Thing): boolean =>
    here.some((other) => other !== one && new RegExp(`${one.words.source} ${other.words.source}`).test(text));
  return here.filter((thing) => !tells(thing)).map((thing) => thing.id);
}
