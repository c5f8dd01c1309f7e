/** The airline's policy as checks over a change set: general rules, each from a sentence of the policy. */
import { type Check, type Finding, invariant } from "factotum/policy";
import { retried, unconfirmed } from "../retail/agreement.ts";
import { type Conversation, customerWords, type DeskContext } from "../retail/conversation.ts";
import { cancellation } from "./cancelling.ts";
import { certificates } from "./compensation.ts";
import { bags, insurance } from "./extras.ts";
import { WRITES } from "./guards.ts";
import { basicEconomyStays, notFlown, sameTrip } from "./itinerary.ts";
import { missing } from "./missing.ts";
import { amountsTold, methods } from "./paying.ts";
import { oneCustomer, passengersKnown } from "./people.ts";
import { brokenPromises } from "./promises.ts";
import { type Touched, touchedReservations } from "./touched.ts";

/** Every check of the airline. */
export const airlineChecks: readonly Check<Conversation>[] = [
  each("a cancellation meets one of the four conditions", cancellation),
  { name: "the customer named how to pay", run: methods },
  each("what is charged is what the customer was told", amountsTold),
  each("flights of a basic economy reservation stay", failing(basicEconomyStays)),
  each("origin, destination and trip type stay", failing(sameTrip)),
  each("nothing that has flown is changed", failing(notFlown)),
  each("checked bags are added, never removed, and paid for as the membership says", failing(bags)),
  each("insurance is not sold to who declined it", failing(insurance)),
  invariant("what the customer was told is done, is done", brokenPromises),
  invariant("what was refused is not made again otherwise, unasked", (context: DeskContext) =>
    retried(context, WRITES),
  ),
  { name: "nobody flies under a birthday that was made up", run: passengersKnown },
  { name: "a certificate is owed, asked for, and of the right amount", run: certificates },
  { name: "one customer is served, who gave their user id", run: oneCustomer },
  { name: "what is done was named by the customer", run: async (context) => notNamed(context) },
  missing,
  {
    name: "every change was agreed to",
    run: async (context) =>
      unconfirmed(context, WRITES).map(({ because, asked }) => ({ kind: asked ? "ask" : "fail", because })),
  },
  { name: "what the tools do not check is shown to a person", run: async (context) => shown(context) },
];

function each(
  name: string,
  find: (one: Touched, context: DeskContext) => readonly Finding[] | Promise<readonly Finding[]>,
): Check<Conversation> {
  return {
    name,
    run: async (context) => {
      const found: Finding[] = [];
      for (const one of await touchedReservations(context)) found.push(...(await find(one, context)));
      return found;
    },
  };
}

function failing(broken: (one: Touched, context: DeskContext) => readonly string[]) {
  return (one: Touched, context: DeskContext): readonly Finding[] =>
    broken(one, context).map((because) => ({ kind: "fail", because }));
}

/** Calls of which the policy says all that has to hold. */
const RULED: ReadonlySet<string> = new Set(["cancel_reservation", "send_certificate"]);

function asking(because: string): Finding {
  return { kind: "ask", because };
}

/** Nobody used a word for it: perhaps they used another, so a person is asked. */
function notNamed(context: DeskContext): readonly Finding[] {
  const words = customerWords(context);
  return context.calls.some(({ tool }) => tool === "cancel_reservation") &&
    !/cancel|refund|call(ing|ed)? (\w+ ){0,2}off|scrap|annul/.test(words)
    ? [asking("nobody asked for a cancellation")]
    : [];
}

/**
 * "The API does not check these for the agent": so a person looks at every booking, and at every other
 * change of one. What a cancellation needs and what a certificate is owed for stands in the books, and is
 * checked above.
 */
function shown({ calls }: DeskContext): readonly Finding[] {
  return calls.some(({ tool }) => WRITES.has(tool) && !RULED.has(tool))
    ? [asking("the airline's tools check no policy")]
    : [];
}
