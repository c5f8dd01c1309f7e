/** The shop's policy as checks over a change set: general rules, each from a sentence of the policy. */
import type { Json } from "factotum/kernel";
import { type Check, invariant } from "factotum/policy";
import {
  ask,
  type Ask,
  type Conversation,
  customerWords,
  type DeskContext,
  missing,
  unconfirmed,
} from "./conversation.ts";

const WRITES = new Set([
  ...["cancel_pending_order", "modify_pending_order_address", "modify_pending_order_items"],
  ...["modify_pending_order_payment", "modify_user_address", "return_delivered_order_items"],
  ...["exchange_delivered_order_items"],
]);
const FINDS = new Set(["find_user_id_by_email", "find_user_id_by_name_zip"]);

/** What a customer may ask for: the words for it, and the calls that do it. */
const ASKS: readonly Ask[] = [
  ask("a cancellation", /\bcancel\b/, ["cancel_pending_order", "return_delivered_order_items"]),
  ask("a return", /\breturn(ing)?\b/, ["return_delivered_order_items"]),
  ask("an exchange", /\b(exchang\w*|swap\w*|replacement)\b/, [
    ...["exchange_delivered_order_items", "modify_pending_order_items"],
  ]),
  ask("another address", /\b(change|update|correct|new|different)\b[^.?!]{0,30}\baddress\b/, [
    ...["modify_pending_order_address", "modify_user_address"],
  ]),
];
/** Words without which a call was nobody's wish. */
const NAMED: Readonly<Record<string, RegExp>> = {
  cancel_pending_order: /cancel/,
  return_delivered_order_items: /return|refund|send (it|them|this|these|those) back|give back/,
  exchange_delivered_order_items: /exchang|swap|replac|switch|trade|chang|instead|different/,
  modify_user_address: /address|moved|moving/,
  modify_pending_order_address: /address|ship|deliver|moved|moving/,
};

/** Every check of the shop. */
export const retailChecks: readonly Check<Conversation>[] = [
  invariant("one customer is served, who was found by email or by name and zip", oneCustomer),
  invariant("every change was agreed to", (context: DeskContext) => unconfirmed(context, WRITES)),
  invariant("a new address is one that the customer gave, or one of theirs", addresses),
  invariant("what is done was named by the customer", notNamed),
  invariant("a cancellation by mistake was one", mistakes),
  missing(ASKS),
  invariant("an order is modified or exchanged once", onceAnOrder),
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

async function addresses({ diff, turns, view }: DeskContext): Promise<readonly string[]> {
  const words = customerWords({ turns });
  const broken: string[] = [];
  for (const row of diff) {
    const street = row.fields.find((field) => field.column === "address1")?.after;
    if (street === undefined || street === null || words.includes(street.toLowerCase())) continue;
    const owner = row.after?.["user_id"];
    const { rows } = await view.query(
      `select from retail.users where user_id = $1 and address1 = $2
       union all select from retail.orders where user_id = $1 and address1 = $2 and order_id <> $3`,
      [owner, street, row.key["order_id"] ?? ""],
    );
    if (rows.length === 0) broken.push(`nobody gave the address ${street}`);
  }
  return broken;
}

function notNamed({ turns, calls }: DeskContext): readonly string[] {
  const words = customerWords({ turns });
  return calls.flatMap(({ tool }) =>
    NAMED[tool]?.test(words) === false ? [`nobody asked for ${tool}`] : [],
  );
}

function mistakes({ turns, diff }: DeskContext): readonly string[] {
  const claimed = diff.filter((row) => row.after?.["cancel_reason"] === "ordered by mistake");
  if (claimed.length === 0 || /mistake|accident|wrong|error/.test(customerWords({ turns }))) return [];
  return ["nobody said that the order was a mistake"];
}

function onceAnOrder({ calls }: DeskContext): readonly string[] {
  const items = calls.filter((call) => call.tool.endsWith("_items"));
  const orders = items.map((call) => (call.input as { readonly order_id?: string }).order_id ?? "");
  return orders.filter((id, at) => orders.indexOf(id) < at).map((id) => `${id} was changed more than once`);
}
