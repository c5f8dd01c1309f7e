/** Cancelling: within a day of booking, cancelled by the airline, business, or insured for the reason. */
import type { Finding } from "factotum/policy";
import { customerWords, type DeskContext } from "../retail/conversation.ts";
import { anyWord } from "../retail/words.ts";
import { isFresh, mayBeCancelled } from "./allowed.ts";
import { cabinsAsked, flown, type Touched } from "./touched.ts";

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

/**
 * Whether a cancellation meets a condition of the policy. "The API does not check these": none met is a
 * fault that the books show. Whether a reason is covered, and what a trip flown already means, a person says.
 */
export function cancellation(one: Touched, context: DeskContext): readonly Finding[] {
  if (!isCancelled(one)) return [];
  const ask = (because: string): readonly Finding[] => [{ kind: "ask", because: `${one.id} ${because}` }];
  if (one.before === null) return [{ kind: "fail", because: `${one.id} is booked and cancelled at once` }];
  const insured = one.after["insurance"] === "yes";
  if (!insured && !mayCancel(one, context.at)) {
    const because = "is neither a day old, nor cancelled by us, nor business, nor insured";
    // A cabin bought just before is a way that some customers are let go, and others are not.
    const upgraded = cabinsAsked(context.calls, one.id).some((cabin) => cabin !== one.before?.["cabin"]);
    return upgraded ? ask(because) : [{ kind: "fail", because: `${one.id} ${because}` }];
  }
  if (one.legsBefore.some((leg) => flown(leg, context.at))) return ask("has flown in part");
  if (mayCancel(one, context.at) || COVERED.test(customerWords(context))) return [];
  return ask("is insured; no reason of health or weather was given");
}

function isCancelled(one: Touched): boolean {
  return one.after["status"] === "cancelled" && one.before?.["status"] !== "cancelled";
}

function mayCancel(one: Touched, at: Date): boolean {
  const fresh = isFresh(String(one.after["created_at"]), at);
  const cancelled = one.legsBefore.some((leg) => leg.status === "cancelled");
  return mayBeCancelled({ cabin: one.cabin, cancelled, fresh });
}
