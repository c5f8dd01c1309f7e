import { diff, peek } from "factotum/changes";
import type { Json } from "factotum/kernel";
import { type ToolCall, type Turn, verify } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { beforeAll, expect, test } from "vitest";
import { retailChecks } from "./checks.ts";
import { attempt, openShop } from "./sample-shop.ts";
import { retailTables, retailTools } from "./tools.ts";

let db: Database;
beforeAll(async () => {
  db = await openShop();
});

async function objections(said: string, calls: readonly (readonly [string, Json])[]): Promise<string> {
  const work = attempt(db, retailTables, retailTools(2));
  const made: ToolCall[] = [];
  for (const [tool, input] of calls) made.push({ tool, input, output: await work.call(tool, input) });
  const called = made.map(({ tool, input }): Turn => ({ kind: "call", tool, input, refused: false }));
  const input = { dialect: 2 } as const;
  const turns: readonly Turn[] = [{ kind: "person", text: said }, ...called];
  const verdicts = await peek(db, work.changes(), async (view) => {
    const rows = await diff(view, work.changes());
    return await verify(retailChecks, { input, diff: rows, calls: made, turns, view, at: new Date(0) });
  });
  return verdicts.flatMap((one) => (one.kind === "pass" ? [] : [`${one.kind}: ${one.because}`])).join("\n");
}

const find: readonly [string, Json] = ["find_user_id_by_email", { email: "ida@example.com" }];
const cancel = (reason: string): readonly [string, Json] => [
  "cancel_pending_order",
  { order_id: "#W1", reason },
];
const move: readonly [string, Json] = [
  "modify_pending_order_address",
  {
    order_id: "#W1",
    address1: "9 Far Road",
    address2: "",
    city: "Oslo",
    state: "OS",
    country: "Norway",
    zip: "0159",
  },
];

test("what was asked for, agreed to and allowed passes every check", async () => {
  expect(await objections("Yes, please cancel it", [find, cancel("no longer needed")])).toBe("");
  expect(await objections("Yes, ship it to 9 Far Road", [find, move])).toBe("");
});

test("what was not is objected to", async () => {
  expect(await objections("Yes, cancel it", [cancel("no longer needed")])).toContain(
    "was not found by email",
  );
  expect(await objections("Cancel it?", [find, cancel("no longer needed")])).toContain(
    "before the customer had said yes",
  );
  expect(await objections("Yes, cancel it", [find, cancel("ordered by mistake")])).toContain(
    "order was a mistake",
  );
  expect(await objections("Yes, please", [find, cancel("no longer needed")])).toContain(
    "nobody asked for cancel",
  );
  expect(await objections("Yes, ship it elsewhere", [find, move])).toContain(
    "nobody gave the address 9 Far Road",
  );
  const half = await objections("Yes, cancel #W1 and return #W2", [find, cancel("no longer needed")]);
  expect(half).toBe("ask: the customer spoke of a return; nothing of it is done");
});
