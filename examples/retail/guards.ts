/** The shop's rules on a call before it is made: who is served, and what an order may still undergo. */
import type { Json } from "factotum/kernel";
import type { Finding, Guard, GuardContext } from "factotum/policy";
import type { Conversation } from "./conversation.ts";
import { textOf } from "./words.ts";

type Asked = GuardContext<Conversation>;

/** The tools that change anything. */
export const WRITES: ReadonlySet<string> = new Set([
  ...["cancel_pending_order", "modify_pending_order_address", "modify_pending_order_items"],
  ...["modify_pending_order_payment", "modify_user_address", "return_delivered_order_items"],
  ...["exchange_delivered_order_items"],
]);
/** The tools that find out who the customer is. */
export const FINDS: ReadonlySet<string> = new Set(["find_user_id_by_email", "find_user_id_by_name_zip"]);
const ITEMS = ["modify_pending_order_items", "exchange_delivered_order_items"];

/** Every guard of the shop. */
export const retailGuards: readonly Guard<Conversation>[] = [
  { name: "the one customer served was found by email, or by name and zip", tools: [...WRITES], run: found },
  { name: "an order's items are changed once", tools: ITEMS, run: once },
];

/** "Authenticate the user by email, or name and zip, even when they give the user id; help one user only." */
async function found({ call, calls, view }: Asked): Promise<readonly Finding[]> {
  const { rows } = await view.query<{ owner: string }>(
    `select user_id as owner from retail.orders where order_id = $1
     union select user_id from retail.users where user_id = $2`,
    [textOf(call.input, "order_id"), textOf(call.input, "user_id")],
  );
  const known = new Set<Json>(calls.filter(({ tool }) => FINDS.has(tool)).map(({ output }) => output));
  return rows
    .filter(({ owner }) => !known.has(owner))
    .map(({ owner }) => ({
      kind: "fail",
      because: `${owner} was found neither by email nor by name and zip`,
    }));
}

/** "Exchange or modify order tools can only be called once per order." */
async function once({ call, calls }: Asked): Promise<readonly Finding[]> {
  const order = textOf(call.input, "order_id");
  const before = calls.some(({ tool, input }) => ITEMS.includes(tool) && textOf(input, "order_id") === order);
  return before ? [{ kind: "fail", because: `the items of ${order} were changed already` }] : [];
}
