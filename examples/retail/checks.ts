/** The shop's policy as checks over a change set: general rules, each from a sentence of the policy. */
import type { Json } from "factotum/kernel";
import { type Check, type Finding, invariant } from "factotum/policy";
import { listed, unconfirmed } from "./agreement.ts";
import { type Conversation, customerWords, type DeskContext, plain, wordsOf } from "./conversation.ts";
import { detailsOf } from "./details.ts";
import { doubts } from "./doubts.ts";
import { FINDS, WRITES } from "./guards.ts";
import { collected, missing } from "./missing.ts";
import { anyWord } from "./words.ts";

/** Words without which a call was nobody's wish. */
const NAMED: Readonly<Record<string, RegExp>> = {
  cancel_pending_order: /cancel|call(ing|ed)? (\w+ ){0,2}off|scrap|annul/,
  return_delivered_order_items: /return|refund|money back|(send|give|bring|hand)(ing)? (\w+ ){0,3}back/,
  exchange_delivered_order_items: /exchang|swap|replac|switch|trade|chang|instead|different/,
  modify_user_address: /address|moved|moving/,
  modify_pending_order_address: /address|ship|deliver|moved|moving/,
};

const MISTAKE = anyWord(
  ...[
    "mistake\\w*",
    "accident\\w*",
    "wrong\\w*",
    "error",
    "unintend\\w*",
    "unintentional\\w*",
    "duplicates?",
  ],
  ...["twice", "double", "oops", "(did not|didn't|never) (mean|want|intend)", "not mean"],
);
/** Another reason, which a cancellation may be for as well. */
const NO_LONGER = anyWord(
  "(no longer|not|don't|do not|doesn't) (need|want)(ed|s)?( \\w+){0,2} any ?more",
  "no longer",
);

/** Every check of the shop. */
export const retailChecks: readonly Check<Conversation>[] = [
  invariant("one customer is served, who was found by email or by name and zip", oneCustomer),
  {
    name: "every change was agreed to",
    run: async (context) => unconfirmed(context, WRITES).map(({ because }) => ({ kind: "ask", because })),
  },
  listed(WRITES, detailsOf),
  { name: "a new address is one that the customer gave, or one of theirs", run: addresses },
  invariant("an address is written as the shop's others are", foreign),
  { name: "what is done was named by the customer", run: async (context) => notNamed(context) },
  { name: "a cancellation by mistake was one", run: async (context) => mistakes(context) },
  missing,
  collected,
  ...doubts,
];

async function oneCustomer({ diff, calls, view }: DeskContext): Promise<readonly string[]> {
  const found = new Set<Json>(calls.filter((call) => FINDS.has(call.tool)).map((call) => call.output));
  const orders = [...new Set(diff.flatMap((row) => row.key["order_id"] ?? []))];
  const { rows } = await view.query<{ id: string }>(
    "select distinct user_id as id from retail.orders where order_id = any ($1)",
    [orders],
  );
  const served = new Set([...rows.map((row) => row.id), ...diff.flatMap((row) => row.key["user_id"] ?? [])]);
  const strangers = [...served].filter((id) => !found.has(id));
  if (served.size > 1) strangers.push(...served);
  return strangers.map((id) => `${id} was not found by email, or is not the only customer served`);
}

async function addresses(context: DeskContext): Promise<readonly Finding[]> {
  const { diff, view } = context;
  const words = customerWords(context);
  const broken: Finding[] = [];
  for (const row of diff) {
    const street = row.fields.find((field) => field.column === "address1")?.after;
    if (street === undefined || street === null || words.includes(plain(street))) continue;
    const owner = row.after?.["user_id"];
    const { rows } = await view.query(
      `select from retail.users where user_id = $1 and address1 = $2
       union all select from retail.orders where user_id = $1 and address1 = $2 and order_id <> $3`,
      [owner, street, row.key["order_id"] ?? ""],
    );
    if (rows.length > 0) continue;
    // The same house, and "St." for "Street" or the like: whether it is the same street a person says.
    const house = /^\d+\b/.exec(street)?.[0];
    const near = house !== undefined && new RegExp(`\\b${house}\\b`).test(words);
    broken.push({ kind: near ? "ask" : "fail", because: `nobody gave the address ${street}` });
  }
  return broken;
}

async function foreign({ diff, view }: DeskContext): Promise<readonly string[]> {
  const broken: string[] = [];
  for (const row of diff) {
    const written = row.fields.find((field) => field.column === "country")?.after ?? null;
    if (written === null) continue;
    const { rows } = await view.query<{ country: string }>(
      "select distinct country from retail.users where state = $1 and user_id <> $2",
      [row.after?.["state"], row.after?.["user_id"]],
    );
    const known = rows.map((one) => one.country);
    if (known.length > 0 && !known.includes(written))
      broken.push(`${row.after?.["state"] ?? ""} is in ${known.join(" or ")}, not in ${written}`);
  }
  return broken;
}

/** Nobody used a word for it: perhaps they used another, so a person is asked. */
function notNamed(context: DeskContext): readonly Finding[] {
  const words = customerWords(context);
  return context.calls.flatMap(({ tool }) =>
    NAMED[tool]?.test(words) === false ? [{ kind: "ask", because: `nobody asked for ${tool}` }] : [],
  );
}

/** A reason picked from those that the agent offered is the customer's word, but maybe not what happened. */
function mistakes({ diff, turns }: DeskContext): readonly Finding[] {
  const claimed = diff.filter((row) => row.after?.["cancel_reason"] === "ordered by mistake");
  if (claimed.length === 0) return [];
  const first = turns.findIndex((turn) => turn.kind === "person" && MISTAKE.test(plain(turn.text)));
  if (first < 0) {
    // Another reason given is a fault; none at all may have been given in words that are not known here.
    const other = NO_LONGER.test(wordsOf(turns, "person"));
    return [{ kind: other ? "fail" : "ask", because: "nobody said that the order was a mistake" }];
  }
  const offered = wordsOf(turns.slice(0, first), "agent").includes("by mistake");
  return offered
    ? [{ kind: "ask", because: "the customer called it a mistake only when asked to choose" }]
    : [];
}
