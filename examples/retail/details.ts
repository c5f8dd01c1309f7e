/** The details of each of the shop's changes, as a customer would know them again in an answer. */
import { type Detail, named } from "./agreement.ts";
import type { DeskContext, Write } from "./conversation.ts";

type Item = {
  readonly id: string;
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
};
type Method = { readonly kind: string; readonly last_four: string | null; readonly only: boolean };

/** The order, the items, what they become, the address, the reason and the payment method of one call. */
export async function detailsOf(context: DeskContext, { tool, input }: Write): Promise<readonly Detail[]> {
  const text = (name: string): string => (typeof input[name] === "string" ? input[name] : "");
  const list = (name: string): readonly string[] =>
    Array.isArray(input[name]) ? input[name].map(String) : [];
  const details: Detail[] = [];
  if (text("order_id") !== "") details.push(await orderDetail(context, text("order_id"), list("item_ids")));
  for (const item of await items(context, list("item_ids"))) details.push(oldItem(item));
  const became = await items(context, list("new_item_ids"));
  for (const item of became) details.push(newItem(item));
  if (text("address1") !== "") {
    const theirs = await addressOf(context, text("order_id"), text("address1"));
    details.push(named("the street", text("address1"), ...theirs));
    details.push(named("the zip code", text("zip"), ...theirs));
    if (tool === "modify_user_address")
      details.push(named("the default address", "default", "profile", "account"));
  }
  if (text("reason") !== "") details.push(named("the reason", text("reason")));
  const method = text("payment_method_id");
  if (method !== "") details.push(await paymentDetail(context, method));
  return details;
}

/** An order is known by its number, or by things in it that no other order of the customer's holds. */
async function orderDetail({ view }: DeskContext, order: string, ids: readonly string[]): Promise<Detail> {
  const { rows } = await view.query<{ name: string }>(
    `select distinct p.name from retail.variants v join retail.products p using (product_id)
     where v.item_id = any ($2) and not exists (
       select from retail.orders o join retail.order_items using (order_id)
         join retail.variants w using (item_id)
       where o.user_id = (select user_id from retail.orders where order_id = $1)
         and o.order_id <> $1 and w.product_id = v.product_id)`,
    [order, ids],
  );
  return named("the order", order.replace("#", ""), ...rows.flatMap(({ name }) => nameForms(name)));
}

/** Other words for an address: the default one, or that of another order of the customer's. */
async function addressOf({ view }: DeskContext, order: string, street: string): Promise<readonly string[]> {
  const { rows } = await view.query<{ known: string }>(
    `with mine as (select user_id from retail.orders where order_id = $1)
     select 'default address' as known from retail.users join mine using (user_id) where address1 = $2
     union all select replace(order_id, '#', '') from retail.orders join mine using (user_id)
     where address1 = $2 and order_id <> $1`,
    [order, street],
  );
  return rows.map(({ known }) => known);
}

function oldItem({ id, name }: Item): Detail {
  return named(`the ${name}`, id, ...nameForms(name));
}

/** A variant is known by its number or by every option it has. */
function newItem({ id, name, options }: Item): Detail {
  const values = Object.values(options).map((value) => value.toLowerCase().replaceAll(",", ""));
  return {
    name: `the new ${name}`,
    standsIn: (talk) => talk.includes(id) || values.every((value) => talk.includes(value)),
  };
}

/** A payment method is known by its number, by a card's last digits, or as the one and only. */
async function paymentDetail({ view }: DeskContext, id: string): Promise<Detail> {
  const { rows } = await view.query<Method>(
    `select kind, last_four, not exists (select from retail.payment_methods o
       where o.user_id = m.user_id and o.payment_method_id <> $1) as only
     from retail.payment_methods m where payment_method_id = $1`,
    [id],
  );
  // Who has one way to pay has named it by asking.
  if (rows[0]?.only === true) return { name: "the payment method", standsIn: () => true };
  const kind = rows[0]?.kind ?? "";
  const digits = rows[0]?.last_four ?? "";
  const words: Readonly<Record<string, readonly string[]>> = {
    paypal: ["paypal"],
    gift_card: ["gift card"],
    credit_card: ["credit card", "mastercard", "visa"],
  };
  return named(
    "the payment method",
    id,
    digits,
    ...(words[kind] ?? []),
    "original payment",
    "original method",
  );
}

async function items({ view }: DeskContext, ids: readonly string[]): Promise<readonly Item[]> {
  if (ids.length === 0) return [];
  const { rows } = await view.query<Item>(
    `select item_id as id, p.name, v.options from retail.variants v join retail.products p using (product_id)
     where item_id = any ($1)`,
    [ids],
  );
  return rows;
}

/** How a product is spoken of: by its name, in one or many, or by the last word of the name. */
export function nameForms(name: string): readonly string[] {
  const whole = name.toLowerCase();
  const last = whole.split(" ").at(-1) ?? whole;
  const one = (word: string): string => word.replace(/s$/, "");
  return [whole, one(whole), ...(last.length > 3 ? [one(last)] : [])];
}
