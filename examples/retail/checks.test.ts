import { diff, peek } from "factotum/changes";
import type { Json } from "factotum/kernel";
import { askGuards, guardsOf, type ToolCall, type Turn, verify } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { beforeAll, expect, test } from "vitest";
import { retailChecks } from "./checks.ts";
import { retailGuards } from "./guards.ts";
import { attempt, openShop } from "./sample-shop.ts";
import { retailTables, retailTools } from "./tools.ts";

let db: Database;
beforeAll(async () => {
  db = await openShop();
});

type Call = readonly [string, Json];
/** What was said, `>` before the agent's words, and what was called, in order. */
type Script = readonly (string | Call)[];

/** What the checks object to after a conversation. */
async function objections(...script: Script): Promise<string> {
  const work = attempt(db, retailTables, retailTools(2));
  const calls: ToolCall[] = [];
  const turns: Turn[] = [];
  for (const one of script) {
    if (typeof one === "string") {
      turns.push(one.startsWith(">") ? { kind: "agent", text: one.slice(1) } : { kind: "person", text: one });
      continue;
    }
    const [tool, input] = one;
    const output = tool === "transfer_to_human_agents" ? null : await work.call(tool, input);
    calls.push({ tool, input, output });
    turns.push({ kind: "call", tool, input, refused: false });
  }
  const verdicts = await peek(db, work.changes(), async (view) => {
    const rows = await diff(view, work.changes());
    const context = { input: { dialect: 2 } as const, diff: rows, calls, turns, view, at: new Date(0) };
    return await verify(retailChecks, context);
  });
  return verdicts.flatMap((one) => (one.kind === "pass" ? [] : [`${one.kind}: ${one.because}`])).join("\n");
}

const find: Call = ["find_user_id_by_email", { email: "ida@example.com" }];
const cancel = (reason: string): Call => ["cancel_pending_order", { order_id: "#W1", reason }];
const address = { address2: "", city: "Oslo", state: "OS", country: "Norway", zip: "0159" };
const move = (more: object): Call => [
  "modify_pending_order_address",
  { order_id: "#W1", address1: "9 Far Road", ...address, ...more },
];
const takeBack = (...items: readonly string[]): Call => [
  "return_delivered_order_items",
  { order_id: "#W2", item_ids: items, payment_method_id: "credit_card_1" },
];
const listing = ">Cancel order #W1 since it is no longer needed, refunded to gift card gift_card_1?";

test("what was asked for, listed, agreed to and allowed passes every check", async () => {
  expect(await objections(find, "Cancel #W1, please", listing, "Yes", cancel("no longer needed"))).toBe("");
  const proposal = ">Ship order #W1 to 9 Far Road, 0159 Oslo?";
  expect(await objections(find, "My address is 9 Far Road", proposal, "Yes", move({}))).toBe("");
  const both = ">Return the Lamp and the Chair of #W2 to the credit card?";
  const wish = "I want to return the lamp and the chair";
  expect(await objections(find, wish, both, "Yes", takeBack("l2", "c1"))).toBe("");
});

test("what was not is objected to", async () => {
  expect(await objections("Yes, cancel it", cancel("no longer needed"))).toContain("was not found by email");
  expect(await objections(find, "Cancel?", cancel("no longer needed"))).toContain(
    "before the customer had said yes",
  );
  expect(await objections(find, "Yes, cancel it", cancel("ordered by mistake"))).toContain(
    "order was a mistake",
  );
  expect(await objections(find, "Yes, please", cancel("no longer needed"))).toContain(
    "nobody asked for cancel",
  );
  expect(await objections(find, "Yes, ship it elsewhere", move({}))).toContain(
    "nobody gave the address 9 Far Road",
  );
});

test("a detail that nobody listed before the yes is a question", async () => {
  const found = await objections(find, "Cancel my order", ">Shall I?", "Yes", cancel("no longer needed"));
  expect(found).toBe("ask: cancel_pending_order: nobody listed the order, the reason before the yes");
});

test("an address is in the country that the shop knows it to be in", async () => {
  const said = "Yes, my address is 9 Far Road, Norge";
  expect(await objections(find, said, move({ country: "Norge" }))).toContain("OS is in Norway, not in Norge");
});

test("a wish of which nothing is done is a question", async () => {
  const proposal = ">Return the Lamp of #W2 to the credit card?";
  const done = takeBack("l2");
  const left = await objections(find, "I want to return the lamp and cancel #W1", proposal, "Yes", done);
  expect(left).toBe("");
  const swapped = await objections(
    ...[find, "I want to exchange the lamp", ">We cannot exchange it.", "Then please return the lamp"],
    ...[proposal, "Yes", done],
  );
  expect(swapped).toBe("ask: an exchange of the Lamp was asked for, and nothing of it is done");
});

test("an order changed before all was said of it is thrown away", async () => {
  const found = await objections(
    ...[find, "I want to return the lamp", ">Return the Lamp of #W2 to the credit card?", "Yes"],
    ...[takeBack("l2"), ">Done", "I want to return the chair too", ">An order can be returned only once."],
  );
  expect(found).toContain("fail: #W2 had its one change before the customer spoke of the Chair");
});

test("a change of mind after a change was made, and a change handed over, are looked at", async () => {
  const done = [listing, "Yes", cancel("no longer needed")] as const;
  expect(await objections(find, "Cancel #W1. Actually, wait", ...done)).toBe("");
  const regretted = await objections(find, "Cancel #W1", ...done, ">Done", "Actually, wait");
  expect(regretted).toBe("ask: the customer changed their mind after a change was made");
  const handOver: Call = ["transfer_to_human_agents", { summary: "more" }];
  const handed = await objections(find, "Cancel #W1", ...done, ">Done", "Please undo that", handOver);
  expect(handed).toBe("ask: part is done and the rest handed over");
  const label = await objections(find, "Cancel #W1", ...done, ">Done", "Where is my receipt?", handOver);
  expect(label).toBe("");
});

test("a mistake that the customer only chose from a list is a question", async () => {
  const offered = ">Cancel order #W1, refunded to gift card gift_card_1: no longer needed, or by mistake?";
  const done = cancel("ordered by mistake");
  expect(await objections(find, "Cancel #W1, please", offered, "Yes, ordered by mistake", done)).toBe(
    "ask: the customer called it a mistake only when asked to choose",
  );
  const theirs = "Cancel #W1, please, I ordered it by accident";
  expect(await objections(find, theirs, offered, "Yes, ordered by mistake", done)).toBe("");
});

test("what is out of stock is not missing once the customer chose something else", async () => {
  const found = await objections(
    ...[find, "I want to exchange the lamp", ">It cannot be exchanged, it is out of stock."],
    ...["Then please return the lamp", ">Return the Lamp of #W2 to the credit card?", "Yes", takeBack("l2")],
  );
  expect(found).toBe("");
});

test("guards refuse a call for who was not found, and a second change of an order's items", async () => {
  const [tool, input] = cancel("no longer needed");
  const known: ToolCall = { tool: "find_user_id_by_email", input: {}, output: "ida" };
  const swap = { tool: "exchange_delivered_order_items", input: { order_id: "#W2" } };
  const refusals = async (call: { tool: string; input: Json }, calls: readonly ToolCall[]): Promise<string> =>
    await peek(db, { rows: [] }, async (view) => {
      const base = { input: { dialect: 2 } as const, calls, turns: [], view, at: new Date(0) };
      const verdicts = await askGuards(guardsOf(retailGuards, call.tool), { ...base, call });
      return verdicts.map((one) => (one.kind === "pass" ? "" : one.because)).join();
    });
  expect(await refusals({ tool, input }, [])).toContain("ida was found neither");
  expect(await refusals({ tool, input }, [known])).toBe("");
  expect(await refusals(swap, [known])).toBe("");
  expect(await refusals(swap, [known, { ...swap, output: null }])).toContain("were changed already");
});
