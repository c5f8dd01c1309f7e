/** What the customer wanted of the things they ordered, and what of it is not done. */
import { type Check, type Finding, ticked } from "factotum/policy";
import {
  answerBefore,
  type Conversation,
  type DeskContext,
  NOTHING_MISSING,
  plain,
  type Turns,
  wordsOf,
  type Write,
  writesAmong,
} from "./conversation.ts";
import { saysYes } from "./agreement.ts";
import { nameForms } from "./details.ts";
import { FINDS } from "./guards.ts";
import { type Verb, type Wish, wishesOf } from "./wishes.ts";
import { anyWord, CANCELS, textOf } from "./words.ts";

const RETURN = "a return";
const EXCHANGE = "an exchange";
const CANCELLATION = "a cancellation";
const VERBS: readonly Verb[] = [
  {
    what: RETURN,
    words: anyWord(
      "return(ing|ed)?",
      "(send|give|bring|hand)(ing)?( \\w+){0,2} back",
      "(send|giv|bring)ing back",
    ),
    not: anyWord(
      "return[ /](window|restocking|label|instructions?|email|process|shipping|status|policy|request)",
      ...["(the|my|a|your|for|this) returns?", "return to"],
    ),
  },
  {
    what: EXCHANGE,
    words: anyWord(
      ...["exchang(e|ing)", "swap(ping)?", "replac(e|ing|ement)", "upgrad(e|ing)", "modify(ing)?"],
      ...["chang(e|ing)", "(switch|trad)(e|ing)? (it|them|to|my|the|out|from|in|for)"],
    ),
    not: /.*\b(address|home|payment)\b.*/,
  },
  { what: CANCELLATION, words: CANCELS },
];
/** What each call does. A delivered order can be cancelled by returning it only. */
const DOES: Readonly<Record<string, readonly string[]>> = {
  return_delivered_order_items: [RETURN, CANCELLATION],
  exchange_delivered_order_items: [EXCHANGE],
  modify_pending_order_items: [EXCHANGE],
  cancel_pending_order: [CANCELLATION],
};
/** In which orders each wish may be granted: "generally, only on pending or delivered orders". */
const STATUSES: Readonly<Record<string, readonly string[]>> = {
  [RETURN]: ["delivered"],
  [EXCHANGE]: ["delivered", "pending"],
  [CANCELLATION]: ["pending", "delivered"],
};
const CHANGES: ReadonlySet<string> = new Set(Object.keys(DOES));
const DENIES = anyWord(
  ...["can't", "cannot", "can not", "unable", "not able", "isn't possible", "not possible", "won't be able"],
  ...[
    "not (available|eligible|permitted|allowed|supported)",
    "only once",
    "once per",
    "already",
    "no longer",
  ],
  ...["must be (a )?different", "transfer"],
);

/** What the shop has not got is no mistake of the agent's, and the customer chose what was left. */
const SOLD_OUT = anyWord("out of stock", "sold out", "unavailable", "not in stock");

type Product = { readonly order: string; readonly status: string; readonly name: string };

/** A question about every wish that could be granted, was not, and was not taken back. */
export const missing: Check<Conversation> = ticked(NOTHING_MISSING, async (context: DeskContext) => {
  const left = new Set(await leftUndone(context));
  return (await wishesIn(context)).map((wish) => ({
    what: `${wish.verb} of the ${wish.thing}`,
    doneBy: () => ![...left].some(({ verb, thing }) => verb === wish.verb && thing === wish.thing),
  }));
});

/**
 * "Be sure that all items are collected": an order had its one change before the customer spoke of another
 * item of it, and was then told that it is too late. Thrown away, both can still be done at once.
 */
export const collected: Check<Conversation> = {
  name: "all that is wanted of an order is collected before its one change",
  run: async (context) => {
    const mine = await ordered(context);
    const writes = writesAmong(context.turns, CHANGES);
    const findings: Finding[] = [];
    for (const wish of await leftUndone(context)) {
      const orders = mine.filter((row) => row.name === wish.thing).map((row) => row.order);
      const closed = writes.find((write) => write.at < wish.first && orders.includes(orderOf(write)));
      if (closed === undefined || !deniedAfter(context.turns, wish.first)) continue;
      const because = `${orderOf(closed)} had its one change before the customer spoke of the ${wish.thing}`;
      findings.push({ kind: "fail", because });
    }
    return findings;
  },
};

async function wishesIn(context: DeskContext): Promise<readonly Wish[]> {
  const names = new Set((await ordered(context)).map((row) => row.name));
  return wishesOf(
    context.turns,
    VERBS,
    [...names].map((name) => ({
      id: name,
      words: new RegExp(
        `\\b(${nameForms(name)
          .map((form) => `${form}s?`)
          .join("|")})\\b`,
      ),
    })),
  );
}

async function leftUndone(context: DeskContext): Promise<readonly Wish[]> {
  const mine = await ordered(context);
  const wishes = await wishesIn(context);
  const done = await doneTo(context, mine);
  const writes = writesAmong(context.turns, CHANGES);
  return wishes.filter((wish) => {
    if (done.has(`${wish.verb} ${wish.thing}`)) return false;
    const rows = mine.filter((row) => row.name === wish.thing);
    // Something else is done with it: by the customer's own choice, or because the agent denied the wish.
    if (VERBS.some(({ what }) => done.has(`${what} ${wish.thing}`)))
      return (
        !soldOut(context.turns, wish) && [wish.first, wish.at].some((at) => deniedAfter(context.turns, at))
      );
    const touched = writes.filter((write) => rows.some((row) => row.order === orderOf(write)));
    if (touched.length > 0) return !touched.some((write) => settled(context.turns, wish, write));
    return rows.some((row) => STATUSES[wish.verb]?.includes(row.status));
  });
}

/** The customer agreed to a change of the order after the wish: to one without it. */
function settled(turns: Turns, wish: Wish, write: Write): boolean {
  const answered = turns.slice(0, write.at).findLastIndex((turn) => turn.kind === "person");
  return answered > wish.at && saysYes(answerBefore(turns, write.at));
}

/** Whether the agent found, after the wish, that what was wished for is out of stock. */
function soldOut(turns: Turns, wish: Wish): boolean {
  return SOLD_OUT.test(wordsOf(turns.slice(wish.first), "agent"));
}

/** Whether the agent's next words after a turn deny something, or hand over. */
function deniedAfter(turns: Turns, at: number): boolean {
  for (const turn of turns.slice(at + 1)) {
    if (turn.kind === "person") return false;
    if (turn.kind === "call" ? turn.tool === "transfer_to_human_agents" : DENIES.test(plain(turn.text)))
      return true;
  }
  return false;
}

function orderOf(write: Write): string {
  return textOf(write.input, "order_id");
}

async function ordered({ calls, view }: DeskContext): Promise<readonly Product[]> {
  const found = new Set(calls.filter((call) => FINDS.has(call.tool)).map((call) => call.output));
  const { rows } = await view.query<Product>(
    `select order_id as order, status, p.name from retail.orders join retail.order_items using (order_id)
     join retail.variants using (item_id) join retail.products p using (product_id) where user_id = any ($1)`,
    [[...found]],
  );
  return rows;
}

async function doneTo({ turns, view }: DeskContext, mine: readonly Product[]): Promise<ReadonlySet<string>> {
  const done = new Set<string>();
  for (const write of writesAmong(turns, CHANGES)) {
    const ids = Array.isArray(write.input["item_ids"]) ? write.input["item_ids"].map(String) : undefined;
    // A modified order holds the new item already, so the old one is looked up among all variants.
    const { rows } = await view.query<{ name: string }>(
      "select p.name from retail.variants join retail.products p using (product_id) where item_id = any ($1)",
      [ids ?? []],
    );
    const whole = ids === undefined ? mine.filter((row) => row.order === orderOf(write)) : [];
    for (const { name } of [...rows, ...whole])
      for (const verb of DOES[write.tool] ?? []) done.add(`${verb} ${name}`);
  }
  return done;
}
