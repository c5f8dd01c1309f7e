/** The airline's rules on a call before it is made: whose it is, and what a booking may hold. */
import type { Json } from "factotum/kernel";
import type { Finding, Guard, GuardContext } from "factotum/policy";
import { type Conversation, customerWords } from "../retail/conversation.ts";
import { textOf } from "../retail/words.ts";

type Asked = GuardContext<Conversation>;

/** The tools that change anything. */
export const WRITES: ReadonlySet<string> = new Set([
  ...["book_reservation", "cancel_reservation", "send_certificate", "update_reservation_baggages"],
  ...["update_reservation_flights", "update_reservation_passengers"],
]);
const BOOKS = ["book_reservation"];
const PASSENGERS_MAX = 5;
const METHODS_MAX: Readonly<Record<string, number>> = { certificate: 1, credit_card: 1, gift_card: 3 };

/** Every guard of the airline. */
export const airlineGuards: readonly Guard<Conversation>[] = [
  {
    name: "the customer said who they are, or which reservation is theirs",
    tools: [...WRITES],
    run: claimed,
  },
  { name: "a reservation has at most five passengers", tools: BOOKS, run: fiveAtMost },
  {
    name: "a booking uses one certificate, one card and three gift cards at most",
    tools: BOOKS,
    run: methods,
  },
];

/** "The user must provide their user id": rows of somebody that nobody spoke of are not changed. */
async function claimed({ call, turns, view }: Asked): Promise<readonly Finding[]> {
  const reservation = textOf(call.input, "reservation_id");
  const { rows } = await view.query<{ owner: string }>(
    "select user_id as owner from airline.reservations where reservation_id = $1",
    [reservation],
  );
  const owner = rows[0]?.owner ?? textOf(call.input, "user_id");
  // A reservation that is not there is the tool's to refuse, which tells the agent so.
  if (owner === "") return [];
  const words = customerWords({ turns });
  const said = [owner, reservation].some((id) => id !== "" && words.includes(id.toLowerCase()));
  return said ? [] : [{ kind: "fail", because: `the customer never said that they are ${owner}` }];
}

/** "Each reservation can have at most five passengers." */
async function fiveAtMost({ call }: Asked): Promise<readonly Finding[]> {
  const people = listOf(call.input, "passengers").length;
  if (people <= PASSENGERS_MAX) return [];
  return [{ kind: "fail", because: `${people} passengers on one reservation; ${PASSENGERS_MAX} may` }];
}

/** "At most one travel certificate, at most one credit card, and at most three gift cards." */
async function methods({ call }: Asked): Promise<readonly Finding[]> {
  const used = listOf(call.input, "payment_methods").map((method) => textOf(method, "payment_id"));
  return Object.entries(METHODS_MAX).flatMap(([kind, most]) => {
    const count = used.filter((id) => id.startsWith(`${kind}_`)).length;
    return count > most
      ? [{ kind: "fail", because: `${count} of ${kind} pay for one reservation; ${most} may` }]
      : [];
  });
}

function listOf(input: Json, name: string): readonly Json[] {
  const list = (input as Readonly<Record<string, Json>>)[name];
  return Array.isArray(list) ? list : [];
}
