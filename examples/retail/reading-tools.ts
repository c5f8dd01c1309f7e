/** What the desk may look up. */
import { tool, type Tool } from "factotum/agents";
import { z } from "zod";
import { type Dialect, refusal } from "./dialect.ts";
import { Order, Product, readItem, readOrder, readProduct, readUser, User, Variant } from "./views.ts";

/** Tools that read, in a dialect. */
export function readingTools(dialect: Dialect): readonly Tool[] {
  return [...findingTools(dialect), ...showingTools(dialect)];
}

function findingTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "find_user_id_by_email",
      description: "Finds a customer's id by email.",
      effect: "read",
      input: z.strictObject({ email: z.string() }),
      output: z.string(),
      run: async (tx, { email }) => {
        const { rows } = await tx.query<{ id: string }>(
          "select user_id as id from retail.users where lower(email) = lower($1) order by seq limit 1",
          [email],
        );
        if (rows[0] === undefined) throw refusal(dialect, "User not found");
        return rows[0].id;
      },
    }),
    tool({
      name: "find_user_id_by_name_zip",
      description: "Finds a customer's id by first name, last name and zip, where there is no email.",
      effect: "read",
      input: z.strictObject({ first_name: z.string(), last_name: z.string(), zip: z.string() }),
      output: z.string(),
      run: async (tx, { first_name, last_name, zip }) => {
        const { rows } = await tx.query<{ id: string }>(
          `select user_id as id from retail.users
           where lower(last_name) = lower($2) and lower(first_name) = lower($1) and zip = $3
           order by seq limit 1`,
          [first_name, last_name, zip],
        );
        if (rows[0] === undefined) throw refusal(dialect, "User not found");
        return rows[0].id;
      },
    }),
    tool({
      name: "list_all_product_types",
      description: "Lists the name and product id of every type of product.",
      effect: "read",
      input: z.strictObject({}),
      output: z.record(z.string(), z.string()),
      run: async (tx) => {
        const { rows } = await tx.query<{ name: string; id: string }>(
          'select name, product_id as id from retail.products order by name collate "C"',
        );
        return Object.fromEntries(rows.map((row) => [row.name, row.id]));
      },
    }),
  ];
}

function showingTools(dialect: Dialect): readonly Tool[] {
  return [
    tool({
      name: "get_user_details",
      description: "Shows a customer's profile, payment methods and order ids.",
      effect: "read",
      input: z.strictObject({ user_id: z.string() }),
      output: User,
      run: (tx, { user_id }) => readUser(tx, dialect, user_id),
    }),
    tool({
      name: "get_order_details",
      description: "Shows an order by its id, which begins with #W.",
      effect: "read",
      input: z.strictObject({ order_id: z.string() }),
      output: Order,
      run: (tx, { order_id }) => readOrder(tx, dialect, order_id),
    }),
    tool({
      name: "get_product_details",
      description: "Shows a type of product with every variant, its options, availability and price.",
      effect: "read",
      input: z.strictObject({ product_id: z.string() }),
      output: Product,
      run: (tx, { product_id }) => readProduct(tx, dialect, product_id),
    }),
    tool({
      name: "get_item_details",
      description: "Shows one variant by its item id.",
      effect: "read",
      input: z.strictObject({ item_id: z.string() }),
      output: Variant,
      run: (tx, { item_id }) => readItem(tx, dialect, item_id),
    }),
  ];
}
