/** The airline's policy as checks over a change set: general rules, each from a sentence of the policy. */
import { type Check, invariant } from "factotum/policy";
import {
  ask,
  type Ask,
  type Conversation,
  customerWords,
  type DeskContext,
  missing,
  unconfirmed,
} from "../retail/conversation.ts";
import { cabinsAsked, type Touched, touchedReservations } from "./touched.ts";

const WRITES = new Set([
  ...["book_reservation", "cancel_reservation", "send_certificate", "update_reservation_baggages"],
  ...["update_reservation_flights", "update_reservation_passengers"],
]);
const DAY_MS = 86_400_000;
const COVERED = new RegExp(
  `\\b(${[
    ...[
      "sick",
      "ill",
      "illness",
      "unwell",
      "health",
      "medical",
      "doctor",
      "hospital",
      "surgery",
      "injur\\w*",
    ],
    ...["flu", "fever", "weather", "storm", "snow", "hurricane"],
  ].join("|")})\\b`,
);
const COMPLAINS =
  /\b(compensat\w*|certificate|voucher|refund|reimburse\w*|make (it|this) (right|up)|gesture|credit)\b/;
const NAMES_OF: Readonly<Record<string, RegExp>> = {
  certificate: /certificate|voucher/,
  credit_card: /credit|card|visa|mastercard|original (payment|form)|same (payment|card|method)/,
  gift_card: /gift|original (payment|form)|same (payment|card|method)/,
};
const BAGGAGE = /\b(bags?|baggages?|luggage|suitcases?|checked)\b/;
/** Free bags a passenger, by membership and cabin; dialect 1 gives a gold member 3 in business. */
const FREE_BAGS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  regular: { basic_economy: 0, economy: 1, business: 2 },
  silver: { basic_economy: 1, economy: 2, business: 3 },
  gold: { basic_economy: 2, economy: 3, business: 4 },
};

/** What a customer may ask for: the words for it, and the calls that do it. */
const ASKS: readonly Ask[] = [
  ask("a cancellation", /\bcancel(l?ing|lation)?\b/, ["cancel_reservation"]),
  ask(
    "checked bags",
    /\b(add|extra|more|another|checked|check)\b[^.?!]{0,40}\b(bags?|luggage|suitcases?)\b/,
    [...["update_reservation_baggages", "book_reservation"]],
  ),
  ask("another flight or cabin", /\b(upgrade|downgrade|change|modify|switch|move|reschedule)\b/, [
    ...["update_reservation_flights", "update_reservation_passengers", "update_reservation_baggages"],
    ...["book_reservation", "cancel_reservation"],
  ]),
  ask("another passenger", /\b(passenger|name)\b[^.?!]{0,40}\b(change|correct|update|instead|replace)/, [
    "update_reservation_passengers",
  ]),
  ask("compensation", /\b(compensat\w*|voucher|gesture)\b/, ["send_certificate"]),
  ask("a booking", /\b(book|reserve)\b (a|an|the|another|me|it|one|new|this|that)\b/, ["book_reservation"]),
];

/** What an insurance covers is a matter of words, so a person decides where the words were not heard. */
const insuredReason: Check<Conversation> = {
  name: "the insurance covers the reason given",
  run: async (context) => {
    const insured = (await touchedReservations(context)).filter(
      (one) => isCancelled(one) && one.after["insurance"] === "yes" && !mayCancel(one, context.at),
    );
    if (COVERED.test(customerWords(context))) return [];
    return insured.map(({ id }) => ({
      kind: "ask",
      because: `${id}: no reason of health or weather was given`,
    }));
  },
};

/** Every check of the airline. */
export const airlineChecks: readonly Check<Conversation>[] = [
  each("a cancellation meets one of the four conditions", cancellation),
  insuredReason,
  invariant("the customer named how to pay", unnamedPayment),
  each("flights of a basic economy reservation stay", basicEconomyStays),
  each("origin, destination and trip type stay", sameTrip),
  each("nothing that has flown is changed", notFlown),
  each("checked bags are added, never removed, and paid for as the membership says", bags),
  each("a reservation has at most five passengers", ({ people }) =>
    people > 5 ? [`${people} passengers`] : [],
  ),
  invariant("a booking uses one certificate, one card and three gift cards at most", payments),
  invariant("a certificate is owed, asked for, and of the right amount", certificates),
  invariant("one customer is served, who gave their user id", oneCustomer),
  invariant("what is done was named by the customer", notNamed),
  each("nothing is booked to be cancelled", ({ id, before, after }) =>
    before === null && after["status"] === "cancelled" ? [`${id} is booked and cancelled at once`] : [],
  ),
  missing(ASKS),
  invariant("every change was agreed to", (context: DeskContext) => unconfirmed(context, WRITES)),
];

function each(
  name: string,
  broken: (one: Touched, context: DeskContext) => readonly string[],
): Check<Conversation> {
  return invariant(name, async (context: DeskContext) =>
    (await touchedReservations(context)).flatMap((one) => broken(one, context)),
  );
}

function cancellation(one: Touched, { at }: DeskContext): readonly string[] {
  if (!isCancelled(one)) return [];
  if (one.legsBefore.some((leg) => flown(leg, at)))
    return [`${one.id} has flown in part; hand over to a person`];
  if (mayCancel(one, at) || one.after["insurance"] === "yes") return [];
  return [`${one.id} is neither a day old, nor cancelled by us, nor business, nor insured`];
}

function isCancelled(one: Touched): boolean {
  return one.after["status"] === "cancelled" && one.before?.["status"] !== "cancelled";
}

function mayCancel(one: Touched, at: Date): boolean {
  const booked = Date.parse(`${String(one.after["created_at"]).replace(" ", "T")}Z`);
  const cancelledByUs = one.legsBefore.some((leg) => leg.status === "cancelled");
  return at.getTime() - booked <= DAY_MS || one.cabin === "business" || cancelledByUs;
}

function basicEconomyStays(one: Touched, { calls }: DeskContext): readonly string[] {
  if (one.before?.["cabin"] !== "basic_economy" || !legsMoved(one)) return [];
  // Any cabin may be changed without changing flights; after such a change it is basic economy no more.
  if (
    cabinsAsked(calls, one.id)
      .slice(0, -1)
      .some((cabin) => cabin !== "basic_economy")
  )
    return [];
  return [`${one.id} is basic economy; its flights cannot be changed`];
}

function sameTrip(one: Touched): readonly string[] {
  if (one.before !== null && !legsMoved(one)) return [];
  const { origin, destination, flight_type } = one.after;
  const legs = one.legsAfter;
  const end = flight_type === "round_trip" ? origin : destination;
  const whole = legs[0]?.origin === origin && legs.at(-1)?.destination === end;
  const there = legs.some((leg) => leg.destination === destination);
  // A round trip flies back from where it went, a one-way trip from nowhere else: legs join up.
  const broken = legs.some((leg, at) => at > 0 && legs[at - 1]?.destination !== leg.origin);
  return whole && there && !broken
    ? []
    : [`${one.id} does not fly its trip, ${origin ?? ""} to ${destination ?? ""}`];
}

function notFlown(one: Touched, { at }: DeskContext): readonly string[] {
  if (one.before === null) return [];
  const gone = one.legsBefore.filter((leg) => flown(leg, at));
  const kept = gone.every((leg) =>
    one.legsAfter.some((next) => next.flight === leg.flight && next.date === leg.date),
  );
  const sameCabin = one.before["cabin"] === one.after["cabin"];
  return gone.length > 0 && !(kept && sameCabin) ? [`${one.id} has flown in part`] : [];
}

function bags(one: Touched, { input, turns }: DeskContext): readonly string[] {
  const count = (row: Touched["after"] | null, name: string): number => Number(row?.[name] ?? 0);
  const total = count(one.after, "total_baggages");
  const paid = count(one.after, "nonfree_baggages");
  const [had, hadPaid] = [count(one.before, "total_baggages"), count(one.before, "nonfree_baggages")];
  if (one.before !== null && total === had && paid === hadPaid) return [];
  if (total > had && !BAGGAGE.test(customerWords({ turns }))) return [`nobody asked for bags on ${one.id}`];
  if (total < had) return [`${one.id} would lose checked bags`];
  const { cabin } = one;
  const gold = input.dialect === 1 && one.membership === "gold" && cabin === "business";
  const free = gold ? 3 : (FREE_BAGS[one.membership]?.[cabin] ?? 0);
  const due = Math.max(0, total - free * one.people, one.before === null ? 0 : hadPaid);
  return paid === due ? [] : [`${one.id} has ${total} bags, of which ${due} are to be paid, not ${paid}`];
}

function payments({ calls }: DeskContext): readonly string[] {
  const most = { certificate: 1, credit_card: 1, gift_card: 3 };
  return calls.flatMap(({ tool, input }) => {
    if (tool !== "book_reservation") return [];
    const used = JSON.stringify((input as { readonly payment_methods?: unknown }).payment_methods ?? []);
    return Object.entries(most).flatMap(([kind, allowed]) => {
      const count = used.split(`"${kind}_`).length - 1;
      return count > allowed ? [`${count} of ${kind} pay for one reservation; ${allowed} may`] : [];
    });
  });
}

async function certificates({ diff, view, turns }: DeskContext): Promise<readonly string[]> {
  const given = diff.filter((row) => row.table === "airline.payment_methods" && row.kind === "insert");
  const changed = new Set(diff.map((row) => row.key["reservation_id"]));
  const broken: string[] = [];
  for (const row of given) {
    const { rows } = await view.query<{ id: string; people: number; cancelled: boolean; delayed: boolean }>(
      `select r.reservation_id as id, bool_or(d.status = 'cancelled') as cancelled,
         bool_or(d.status = 'delayed') as delayed, (select count(*)::int from airline.reservation_passengers p
           where p.reservation_id = r.reservation_id) as people
       from airline.reservations r join airline.users u using (user_id)
       join airline.reservation_flights l using (reservation_id)
       join airline.flight_days d using (flight_number, date)
       where r.user_id = $1 and (u.membership <> 'regular' or r.insurance = 'yes' or r.cabin = 'business')
       group by r.reservation_id`,
      [row.key["user_id"]],
    );
    const amount = Number(row.after?.["amount"]);
    const owed = rows.some(
      (one) =>
        (one.cancelled && amount === 100 * one.people) ||
        ((one.delayed || changed.has(one.id)) && amount === 50 * one.people),
    );
    if (!owed) broken.push(`no reservation of the customer's is owed a certificate of ${amount}`);
    if (!COMPLAINS.test(customerWords({ turns }))) broken.push("the customer asked for no compensation");
  }
  return broken;
}

async function oneCustomer({ diff, turns, view }: DeskContext): Promise<readonly string[]> {
  const reservations = [...new Set(diff.flatMap((row) => row.key["reservation_id"] ?? []))];
  const { rows } = await view.query<{ id: string }>(
    "select distinct user_id as id from airline.reservations where reservation_id = any ($1)",
    [reservations],
  );
  const served = new Set([...rows.map((row) => row.id), ...diff.flatMap((row) => row.key["user_id"] ?? [])]);
  const words = customerWords({ turns });
  const strangers = [...served].filter((id) => !words.includes(id.toLowerCase()));
  return strangers.map((id) => `the customer never said that they are ${id}`);
}

function unnamedPayment({ turns, calls }: DeskContext): readonly string[] {
  const words = customerWords({ turns });
  const used = calls.flatMap((call) => [
    ...JSON.stringify(call.input).matchAll(/(certificate|credit_card|gift_card)_(\d+)/g),
  ]);
  return used
    .filter(([id, kind = ""]) => !words.includes(id) && !(NAMES_OF[kind]?.test(words) ?? false))
    .map(([id]) => `the customer named no way to pay like ${id}`);
}

function notNamed({ turns, calls }: DeskContext): readonly string[] {
  const words = customerWords({ turns });
  return calls.flatMap(({ tool }) =>
    tool === "cancel_reservation" && !/cancel|refund/.test(words) ? ["nobody asked for a cancellation"] : [],
  );
}

function legsMoved(one: Touched): boolean {
  const names = (legs: Touched["legsAfter"]): string => legs.map((leg) => `${leg.flight} ${leg.date}`).join();
  return one.before !== null && names(one.legsBefore) !== names(one.legsAfter);
}

function flown(leg: Touched["legsAfter"][number], at: Date): boolean {
  return ["landed", "flying"].includes(leg.status) || leg.date < at.toISOString().slice(0, 10);
}
