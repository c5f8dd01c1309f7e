/** The documents that the shop's tools answer with, read from its tables. */
import type { Transaction } from "factotum/postgres";
import { z } from "zod";
import { type Dialect, refusal, spoken } from "./dialect.ts";

const Address = z.strictObject({
  address1: z.string(),
  address2: z.string().nullable(),
  city: z.string(),
  country: z.string(),
  state: z.string(),
  zip: z.string(),
});
const Options = z.record(z.string(), z.string());

/** A customer, with the payment methods and orders that are theirs. */
export const User = z.strictObject({
  user_id: z.string().optional(),
  name: z.strictObject({ first_name: z.string(), last_name: z.string() }),
  address: Address,
  email: z.string(),
  payment_methods: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number()]))),
  orders: z.array(z.string()),
});

/** An item that can be bought. */
export const Variant = z.strictObject({
  item_id: z.string(),
  options: Options,
  available: z.boolean(),
  price: z.number(),
});

/** A type of product with its variants. */
export const Product = z.strictObject({
  name: z.string(),
  product_id: z.string(),
  variants: z.record(z.string(), Variant),
});

const ItemIds = z.array(z.string()).nullable().optional();
const Text = z.string().nullable().optional();

/** An order with all that happened to it. */
export const Order = z.strictObject({
  order_id: z.string(),
  user_id: z.string(),
  address: Address,
  items: z.array(
    z.strictObject({
      name: z.string(),
      product_id: z.string(),
      item_id: z.string(),
      price: z.number(),
      options: Options,
    }),
  ),
  status: z.string(),
  fulfillments: z.array(z.strictObject({ tracking_id: z.array(z.string()), item_ids: z.array(z.string()) })),
  payment_history: z.array(
    z.strictObject({ transaction_type: z.string(), amount: z.number(), payment_method_id: z.string() }),
  ),
  cancel_reason: Text,
  exchange_items: ItemIds,
  exchange_new_items: ItemIds,
  exchange_payment_method_id: Text,
  exchange_price_difference: z.number().nullable().optional(),
  return_items: ItemIds,
  return_payment_method_id: Text,
});
/** An order as a tool answers with it. */
export type Order = z.infer<typeof Order>;

const ADDRESS = `json_build_object('address1', x.address1, 'address2', x.address2, 'city', x.city,
  'country', x.country, 'state', x.state, 'zip', x.zip)`;

/** One customer. @throws {InputError} `business-refusal` */
export async function readUser(
  tx: Transaction,
  dialect: Dialect,
  userId: string,
): Promise<z.infer<typeof User>> {
  const { rows } = await tx.query<{ document: unknown }>(
    `select json_build_object('user_id', x.user_id,
       'name', json_build_object('first_name', x.first_name, 'last_name', x.last_name),
       'address', ${ADDRESS}, 'email', x.email,
       'payment_methods', (select coalesce(json_object_agg(m.payment_method_id,
          json_strip_nulls(json_build_object(
          'source', m.kind, 'brand', m.brand, 'last_four', m.last_four, 'balance', m.balance,
          'id', m.payment_method_id)) order by m.seq), '{}')
          from retail.payment_methods m where m.user_id = x.user_id),
       'orders', (select coalesce(json_agg(o.order_id order by o.seq), '[]')
          from retail.orders o where o.user_id = x.user_id)) as document
     from retail.users x where x.user_id = $1`,
    [userId],
  );
  if (rows[0] === undefined) throw refusal(dialect, "User not found");
  const { user_id, ...user } = User.parse(rows[0].document);
  // Dialect 1 does not repeat the id that it was asked for.
  return dialect === 1 ? user : { user_id, ...user };
}

/** One order. @throws {InputError} `business-refusal` */
export async function readOrder(tx: Transaction, dialect: Dialect, orderId: string): Promise<Order> {
  const { rows } = await tx.query<{ document: unknown }>(
    `select json_build_object('order_id', x.order_id, 'user_id', x.user_id, 'address', ${ADDRESS},
       'items', (select coalesce(json_agg(json_build_object('name', p.name, 'product_id', p.product_id,
          'item_id', i.item_id, 'price', i.price, 'options', i.options) order by i.line_no), '[]')
          from retail.order_items i join retail.variants v using (item_id)
          join retail.products p using (product_id)
          where i.order_id = x.order_id),
       'status', x.status,
       'fulfillments', (select coalesce(json_agg(json_build_object(
          'tracking_id', json_build_array(f.tracking_id),
          'item_ids', (select json_agg(fi.item_id order by fi.seq) from retail.fulfillment_items fi
             where fi.tracking_id = f.tracking_id)) order by f.seq), '[]')
          from retail.fulfillments f where f.order_id = x.order_id),
       'payment_history', (select coalesce(json_agg(json_build_object('transaction_type', y.kind,
          'amount', y.amount, 'payment_method_id', y.payment_method_id) order by y.seq), '[]')
          from retail.order_payments y where y.order_id = x.order_id),
       'cancel_reason', x.cancel_reason,
       'exchange_items', ${changed("exchange_out")}, 'exchange_new_items', ${changed("exchange_in")},
       'exchange_payment_method_id', x.exchange_payment_method_id,
       'exchange_price_difference', x.exchange_price_difference,
       'return_items', ${changed("return")},
       'return_payment_method_id', x.return_payment_method_id) as document
     from retail.orders x where x.order_id = $1`,
    [orderId],
  );
  if (rows[0] === undefined) throw refusal(dialect, "Order not found");
  return spoken(dialect, Order.parse(rows[0].document));
}

/** A type of product. @throws {InputError} `business-refusal` */
export async function readProduct(
  tx: Transaction,
  dialect: Dialect,
  productId: string,
): Promise<z.infer<typeof Product>> {
  const { rows } = await tx.query<{ document: unknown }>(
    `select json_build_object('name', p.name, 'product_id', p.product_id,
       'variants', (select coalesce(json_object_agg(v.item_id, ${VARIANT} order by v.seq), '{}')
          from retail.variants v where v.product_id = p.product_id)) as document
     from retail.products p where p.product_id = $1`,
    [productId],
  );
  if (rows[0] === undefined) throw refusal(dialect, "Product not found");
  return Product.parse(rows[0].document);
}

/** One item that can be bought. @throws {InputError} `business-refusal` */
export async function readItem(
  tx: Transaction,
  dialect: Dialect,
  itemId: string,
): Promise<z.infer<typeof Variant>> {
  const { rows } = await tx.query<{ document: unknown }>(
    `select ${VARIANT} as document from retail.variants v where v.item_id = $1`,
    [itemId],
  );
  if (rows[0] === undefined) throw refusal(dialect, "Item not found");
  return Variant.parse(rows[0].document);
}

const VARIANT = `json_build_object('item_id', v.item_id, 'options', v.options, 'available', v.available,
  'price', v.price)`;

function changed(role: "exchange_out" | "exchange_in" | "return"): string {
  return `(select json_agg(c.item_id order by c.seq) from retail.order_change_items c
     where c.order_id = x.order_id and c.role = '${role}')`;
}
