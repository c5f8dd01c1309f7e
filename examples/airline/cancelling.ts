/** Cancelling: within a day of booking, cancelled by the airline, business, or insured for the reason. */
import type { Finding } from "factotum/policy";
import { customerWords, type DeskContext, plain } from "../retail/conversation.ts";
import { anyWord } from "../retail/words.ts";
import { flown, type Touched } from "./touched.ts";

const DAY_MS = 86_400_000;
const COVERED = anyWord(
  ...[
    "sick(ness)?",
    "ill(ness)?",
    "unwell",
    "health",
    "medical",
    "doctor",
    "hospital\\w*",
    "surgery",
    "injur\\w*",
  ],
  ...["flu", "fever", "weather", "storm", "snow", "hurricane"],
);
/** The agent's claims of a ground: that it is a day old at most; "more than 24 hours ago" is none. */
const SAID_NEW =
  /\b(is|was|made|booked|created|falls|it's)\b[^.!?\n]{0,30} within (the ((last|past) )?)?24[ -]hours?/;
/** "The rules are strict regardless of the membership status." */
const SAID_MEMBER = /\b(silver|gold) (member|status)[^.!?\n]{0,60}\b(eligible|entitled|full refund)\b/;
const SAID_OLD = anyWord(
  ...["not", "isn't", "cannot", "can't", "however", "wasn't", "beyond", "more than", "over", "outside"],
  ...["longer", "if", "unless", "only"],
);

/**
 * Whether a cancellation meets a condition of the policy. Where it meets none, a person may know of one,
 * unless the agent told the customer a ground that the books deny: then it acted on a mistake.
 */
export function cancellation(one: Touched, context: DeskContext): readonly Finding[] {
  if (!isCancelled(one)) return [];
  const ask = (because: string): readonly Finding[] => [{ kind: "ask", because: `${one.id} ${because}` }];
  if (one.before === null) return [{ kind: "fail", because: `${one.id} is booked and cancelled at once` }];
  if (one.legsBefore.some((leg) => flown(leg, context.at))) return ask("has flown in part");
  if (mayCancel(one, context.at)) return [];
  if (one.after["insurance"] === "yes") {
    return COVERED.test(customerWords(context))
      ? []
      : ask("is insured; no reason of health or weather was given");
  }
  const because = "is neither a day old, nor cancelled by us, nor business, nor insured";
  if (saidEligible(one.id, context)) {
    return [{ kind: "fail", because: `${one.id} ${because}, and the customer was told otherwise` }];
  }
  return ask(because);
}

/** Said after this reservation was named and before another was, in a sentence that takes nothing back. */
function saidEligible(id: string, { turns }: DeskContext): boolean {
  return turns.some((turn) => {
    if (turn.kind !== "agent") return false;
    let about = "";
    return turn.text.split(/(?<=[.!?])\s|\n/).some((part) => {
      about = part.match(/\b[A-Z0-9]{6}\b/g)?.at(-1) ?? about;
      const sentence = plain(part);
      return (
        about === id && (SAID_NEW.test(sentence) || SAID_MEMBER.test(sentence)) && !SAID_OLD.test(sentence)
      );
    });
  });
}

function isCancelled(one: Touched): boolean {
  return one.after["status"] === "cancelled" && one.before?.["status"] !== "cancelled";
}

function mayCancel(one: Touched, at: Date): boolean {
  const booked = Date.parse(`${String(one.after["created_at"]).replace(" ", "T")}Z`);
  const cancelledByUs = one.legsBefore.some((leg) => leg.status === "cancelled");
  return at.getTime() - booked <= DAY_MS || one.cabin === "business" || cancelledByUs;
}
