/** The details of each of the shop's changes, as a customer would know them again in an answer. */
import { type Detail, named } from "./agreement.ts";
import type { DeskContext, Write } from "./conversation.ts";

type Item = {
  readonly id: string;
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
};
type Method = { readonly kind: string; readonly last_four: string | null };

/** The order, the items, what they become, the address, the reason and the payment method of one call. */
export async function detailsOf(context: DeskContext, { tool, input }: Write): Promise<readonly Detail[]> {
  const text = (name: string): string => (typeof input[name] === "string" ? input[name] : "");
  const list = (name: string): readonly string[] =>
    Array.isArray(input[name]) ? input[name].map(String) : [];
  const details: Detail[] = [];
  if (text("order_id") !== "") details.push(named("the order", text("order_id").replace("#", "")));
  for (const item of await items(context, list("item_ids"))) details.push(oldItem(item));
  const became = await items(context, list("new_item_ids"));
  for (const item of became) details.push(newItem(item));
  if (text("address1") !== "") {
    details.push(named("the street", text("address1")), named("the zip code", text("zip")));
    if (tool === "modify_user_address")
      details.push(named("the default address", "default", "profile", "account"));
  }
  if (text("reason") !== "") details.push(named("the reason", text("reason")));
  const method = text("payment_method_id");
  if (method !== "") details.push(await paymentDetail(context, method));
  return details;
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

/** A payment method is known by its number, by a card's last digits, or as the one and only of its kind. */
async function paymentDetail({ view }: DeskContext, id: string): Promise<Detail> {
  const { rows } = await view.query<Method>(
    "select kind, last_four from retail.payment_methods where payment_method_id = $1",
    [id],
  );
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
