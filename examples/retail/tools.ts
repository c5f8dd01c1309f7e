/** The shop's tools: typed functions over a transaction on schema `retail`. */
import type { Tool } from "factotum/agents";
import type { Dialect } from "./dialect.ts";
import { everydayTools } from "./everyday.ts";
import { itemTools } from "./item-tools.ts";
import { pendingTools } from "./pending-tools.ts";
import { readingTools } from "./reading-tools.ts";

/** The tables that the tools write. */
export const retailTables = [
  "retail.users",
  "retail.payment_methods",
  "retail.orders",
  "retail.order_items",
  "retail.order_payments",
  "retail.order_change_items",
] as const;

/** All tools of the shop, in a dialect. */
export function retailTools(dialect: Dialect): readonly Tool[] {
  return [
    ...everydayTools(dialect),
    ...readingTools(dialect),
    ...pendingTools(dialect),
    ...itemTools(dialect),
  ];
}
