/** How a booking or a change is paid: what the customer named, what they were told, what is allowed. */
import type { Finding } from "factotum/policy";
import { customerWords, type DeskContext, talkBefore, wordsOf, writesAmong } from "../retail/conversation.ts";
import { dollarsIn, numbersIn } from "../retail/figures.ts";
import { anyWord, textOf } from "../retail/words.ts";
import type { Touched } from "./touched.ts";

const NAMES_OF: Readonly<Record<string, RegExp>> = {
  certificate: /certificate|voucher/,
  credit_card: /credit|card|visa|amex|debit|original (payment|form|method)|same (payment|card|method)/,
  gift_card: /gift|\bgcs?\b|original (payment|form|method)|same (payment|card|method)/,
};
/** Who leaves the choice to the agent has named every way. */
const ANY_WAY = anyWord(
  ...["whatever", "whichever", "any (card|method|payment|way)", "on file", "(you|your) (choose|pick|choice)"],
  ...["default", "all (of )?my", "doesn't matter", "don't (mind|care)", "saved (card|payment)"],
);
const PAYING = new Set(["book_reservation", "update_reservation_flights", "update_reservation_baggages"]);
/** The agent's messages before a yes that make up what was proposed. */
const PROPOSAL = 2;
/** Messages before a call in which a card named by its digits is the card meant. */
const RECENT = 4;

type Method = {
  readonly id: string;
  readonly kind: string;
  readonly last_four: string | null;
  readonly original: boolean;
};

/**
 * "The user needs to provide a payment method." Unnamed, the one that paid first is a guess that a person
 * may let pass, as is one that the agent proposed; any other is not. A card other than the one whose digits
 * were given is a mistake.
 */
export async function methods(context: DeskContext): Promise<readonly Finding[]> {
  const words = customerWords(context);
  const findings: Finding[] = [];
  for (const { input, at } of writesAmong(context.turns, PAYING)) {
    const ids = [...JSON.stringify(input).matchAll(/(?:certificate|credit_card|gift_card)_\d+/g)].map(
      ([id]) => id,
    );
    const known = await methodsOf(context, ids, textOf(input, "reservation_id"));
    const recent = talkBefore(context.turns, at, RECENT);
    for (const used of known.filter((one) => ids.includes(one.id))) {
      const digits = known.filter(
        (one) => one.last_four !== null && recent.includes(`ending in ${one.last_four}`),
      );
      const meant = digits.some((one) => one.id === used.id) || recent.includes(used.id);
      if (used.kind === "credit_card" && digits.length > 0 && !meant) {
        const named = digits.map((one) => one.last_four).join(", ");
        findings.push({ kind: "fail", because: `${used.id} pays; the card named ends in ${named}` });
      }
      if (words.includes(used.id) || NAMES_OF[used.kind]?.test(words) === true) continue;
      const proposed = NAMES_OF[used.kind]?.test(recent) === true || recent.includes(used.id);
      findings.push({
        kind: used.original || proposed || ANY_WAY.test(words) ? "ask" : "fail",
        because: `the customer named no way to pay like ${used.id}`,
      });
    }
  }
  return findings;
}

/** All methods of the customer whose these are. */
async function methodsOf({ view }: DeskContext, ids: readonly string[], reservation: string) {
  const { rows } = await view.query<Method>(
    `select payment_method_id as id, kind, last_four, exists (select from airline.reservation_payments p
         where p.reservation_id = $2 and p.payment_method_id = m.payment_method_id and p.seq = 0) as original
     from airline.payment_methods m
     where user_id in (select user_id from airline.payment_methods where payment_method_id = any ($1))`,
    [ids, reservation],
  );
  return rows;
}

/**
 * Whether an amount follows from what was said: it was said, or is the sum or the difference of two amounts
 * said, such as a new fare and the old one, for one passenger or for all.
 */
function follows(amount: number, told: readonly number[], people: number): boolean {
  const each = [amount, amount / people];
  const near = (a: number, b: number): boolean => Math.abs(a - b) < 0.5;
  return told.some((one, at) =>
    each.some(
      (wanted) =>
        near(one, wanted) ||
        told.slice(at + 1).some((other) => near(one + other, wanted) || near(Math.abs(one - other), wanted)),
    ),
  );
}

/**
 * "List the action details": what is booked was told before. Nothing told is a question; other amounts told
 * are a mistake, since the customer agreed to those.
 */
export async function amountsTold(one: Touched, context: DeskContext): Promise<readonly Finding[]> {
  if (one.after["status"] === "cancelled") return [];
  const booked = context.diff
    .filter((row) => row.table === "airline.reservation_payments" && row.key["reservation_id"] === one.id)
    .map((row) => Math.abs(Number(row.after?.["amount"])) * Math.sign(Number(row.after?.["amount"])));
  if (booked.length === 0) return [];
  const last = writesAmong(context.turns, PAYING).findLast(({ tool, input }) =>
    one.before === null ? tool === "book_reservation" : input["reservation_id"] === one.id,
  );
  const yes = context.turns.slice(0, last?.at).findLastIndex((turn) => turn.kind === "person");
  const talk = talkBefore(context.turns, yes + 1);
  const told = dollarsIn(talk);
  const plainly = new Set(numbersIn(talk));
  const proposed = context.turns
    .slice(0, yes)
    .filter((turn) => turn.kind === "agent")
    .slice(-PROPOSAL);
  // What a card holds, and that something is free, is no price that anybody was quoted.
  const held = await balances(context, one.id);
  const quoted = dollarsIn(wordsOf(proposed, "agent")).some((amount) => amount !== 0 && !held.has(amount));
  const total = booked.reduce((sum, amount) => sum + amount, 0);
  const stands = (amount: number): boolean =>
    plainly.has(Math.abs(amount)) || follows(Math.abs(amount), told, one.people);
  if (stands(total) || booked.every(stands)) return [];
  const instead = quoted ? "other amounts" : "no amount";
  const because = `${one.id} is charged ${booked.join(" and ")}; the customer was told ${instead}`;
  // The parts of a new booking are told one by one, and the tool makes them add up.
  return [{ kind: quoted && one.before !== null ? "fail" : "ask", because }];
}

/** What the cards and certificates of a reservation's customer hold, before the change and after it. */
async function balances({ diff, view }: DeskContext, reservation: string): Promise<ReadonlySet<number>> {
  const { rows } = await view.query<{ amount: string }>(
    `select amount from airline.payment_methods join airline.reservations using (user_id)
     where reservation_id = $1 and amount is not null`,
    [reservation],
  );
  const before = diff.flatMap((row) =>
    row.table === "airline.payment_methods" && row.before !== null ? [row.before["amount"] ?? null] : [],
  );
  return new Set(
    [...rows.map((row) => row.amount), ...before].flatMap((one) => (one === null ? [] : [Number(one)])),
  );
}
