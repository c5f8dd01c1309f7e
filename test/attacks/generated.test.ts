/** What generated tools, which anybody can talk a model into calling, reach under the agent's own role. */
import { type Agent, defineAgent, openToolbox, type Toolbox } from "factotum/agents";
import { type Json, microUsd, type RunId } from "factotum/kernel";
import { afterEach, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Bank, openBank, teller } from "./kit.ts";

let bank: Bank;
let tools: Toolbox;

function agentOf(more: Partial<Agent> = {}): Agent {
  return defineAgent({
    ...{ name: "teller", version: 1, policy: "Note.", input: z.unknown(), tables: teller.tables, tools: [] },
    generate: { "bank.accounts": "write", "bank.transfers": "write", "bank.branches": "write" },
    checks: [],
    cascade: [{ ...{ kind: "code", name: "none" }, run: async () => ({ kind: "finished", doubts: [] }) }],
    value: () => microUsd(0),
    present: () => ({ title: "", text: "" }),
    ...more,
  });
}

const toolsOf = (agent: Agent): Promise<Toolbox> => bank.db.transaction((tx) => openToolbox(tx, agent));

beforeAll(async () => {
  bank = await openBank();
  tools = await toolsOf(agentOf());
});
afterEach(async () => {
  await bank.unharmed();
});

const context = { runId: "1" as RunId, input: null, at: new Date(0) };

function call(name: string, input: Json): Promise<unknown> {
  const tool = tools.get(name);
  if (tool === undefined) throw new Error(`no tool ${name} among ${[...tools.keys()].join(", ")}`);
  return bank.as((tx) => tool.call(tx, input, context)).catch((error: unknown) => error);
}

test("they find the rows of their tenant, the columns they may read, and along keys no others", async () => {
  const found = await call("find_accounts", { include: ["transfers"] });
  expect(found).toMatchObject({
    rows: [
      { id: 1, owner: "Ada", transfers: [{ account_id: 1 }] },
      { id: 2, owner: "Bo", transfers: [] },
    ],
  });
  expect(JSON.stringify(found)).not.toMatch(/pin|1111|red/);
  expect(await call("aggregate_accounts", { sum: ["balance"] })).toMatchObject({
    groups: [{ count: 2, sum: { balance: "150.00" } }],
  });
});

test("they write what they may set, and return the row as it then stands", async () => {
  expect(await call("update_accounts", { key: { id: 1 }, set: { note: "hello" } })).toMatchObject({
    id: 1,
    note: "hello",
  });
  const row = { tenant_id: "blue", account_id: 2, amount: "5.00" };
  expect(await call("insert_transfers", { row })).toMatchObject({ amount: "5.00" });
  expect(await call("insert_branches", { row: { name: "west" } })).toMatchObject({ name: "west" });
});

test.each<readonly [string, string, Json]>([
  ["a hidden column's value", "find_accounts", { where: { pin: "1111" } }],
  ["an order by a hidden column", "find_accounts", { order: [{ column: "pin" }] }],
  ["groups of a hidden column", "aggregate_accounts", { group_by: ["pin"] }],
  ["a column it may not set", "update_accounts", { key: { id: 1 }, set: { balance: "1000000" } }],
  ["another's row", "update_accounts", { key: { id: 3 }, set: { note: "mine" } }],
  [
    "another's row, expected",
    "update_accounts",
    { key: { id: 3 }, set: { note: "x" }, expect: { owner: "Cy" } },
  ],
  ["a new row for another", "insert_transfers", { row: { tenant_id: "red", account_id: 3, amount: "1" } }],
])("they refuse %s, and tell nothing of it", async (_, name, input) => {
  const refused = await call(name, input);
  expect(refused).toBeInstanceOf(Error);
  expect(String(refused)).not.toMatch(/Cy|3333|900/);
});

test("an undeclared table has no tool and no way to it, and one without deletes has no delete", () => {
  expect([...tools.keys()].filter((name) => name.endsWith("payroll"))).toEqual([]);
  expect(tools.has("delete_transfers")).toBe(true);
  expect(tools.has("delete_accounts")).toBe(false);
  expect(JSON.stringify([...tools.values()])).not.toContain("payroll");
});

test("there are none of a table whose key is hidden: an update would meet all of its rows", async () => {
  const grant = { access: "write", columns: { read: ["owner", "note"], write: ["note"] } } as const;
  const tables = { "bank.accounts": grant };
  await expect(toolsOf(agentOf({ tables, generate: { "bank.accounts": "write" } }))).rejects.toMatchObject({
    code: "agent-invalid",
    message: expect.stringContaining("add id to the columns it reads") as string,
  });
});
