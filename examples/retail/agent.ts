/** The shop's customer desk: an agent that talks with a customer and stages what they may have. */
import { type Agent, defineAgent } from "factotum/agents";
import { microUsd } from "factotum/kernel";
import { retailChecks } from "./checks.ts";
import { type DeskOptions, MANNERS, presentVisit, talk, Visit } from "./desk.ts";
import { retailGuards } from "./guards.ts";
import { retailTables, retailTools } from "./tools.ts";

/** A customer's request takes a colleague about six minutes; an hour of theirs costs 50 dollars. */
const VALUE_OF_A_VISIT = microUsd(5_000_000);

const POLICY = `
You serve the customers of a shop: you cancel or change pending orders, take delivered ones back or
exchange them, change addresses, and tell customers about their own orders and the products.

- Find the customer first, by email or by name and zip code, even if they say who they are.
- Only a pending order is cancelled, because it is "no longer needed" or was "ordered by mistake".
- Of a pending order the address, the payment method or the options of its items can be changed. Items are
  changed once, for available ones of the same product: collect all of them before.
- A payment method is changed to another one of the customer's; a gift card must cover the whole order.
- Only a delivered order is returned or exchanged, once, all items at the same time. A refund goes to the
  original payment method or to a gift card of theirs; an exchange is for available items of the same
  product, and the difference is paid or refunded by a method they name.
${MANNERS}`;

/** Tables that the desk looks into and never changes. */
const LOOKS = ["products", "variants", "fulfillments", "fulfillment_items"].map((name) => `retail.${name}`);

/** The shop's desk. */
export function retailAgent({ name = "shop-desk", dialect = "own", policy = POLICY }: DeskOptions = {}) {
  return defineAgent<Visit>({
    ...{ name, version: 1, policy, input: Visit, converse: talk, present: presentVisit },
    tables: {
      ...Object.fromEntries(LOOKS.map((table) => [table, "read"] as const)),
      ...Object.fromEntries(retailTables.map((table) => [table, "write"] as const)),
    },
    tools: retailTools(dialect),
    guards: retailGuards,
    checks: retailChecks,
    cascade: [
      { kind: "model", name: "cheap model", model: "cheap" },
      { kind: "model", name: "strong model", model: "strong" },
    ],
    value: () => VALUE_OF_A_VISIT,
  } satisfies Agent<Visit>);
}
