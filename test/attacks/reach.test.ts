/** What SQL that an attacker slips through a tool can reach: what the agent declares, and nothing more. */
import { beforeAll, afterEach, describe, expect, test } from "vitest";
import { emit, emptyChangeSet, stage } from "factotum/changes";
import { type Bank, openBank } from "./kit.ts";

let bank: Bank;

beforeAll(async () => {
  bank = await openBank();
});
afterEach(async () => {
  await bank.unharmed();
});

const denied = { code: "permission-denied" };

describe("an agent reads", () => {
  test("the rows of its tenant, and no other's", async () => {
    expect(await bank.attack("select id, owner from accounts order by id")).toEqual([
      { id: 1, owner: "Ada" },
      { id: 2, owner: "Bo" },
    ]);
    expect(await bank.attack("select id from accounts where tenant_id = 'red' or true and id = 3")).toEqual(
      [],
    );
    expect(await bank.attack("select count(*)::int as n from transfers")).toEqual([{ n: 1 }]);
  });

  test.each([
    ["the table behind its view", "select * from bank.accounts"],
    ["a column it was not given", "select pin from accounts"],
    ["all columns at once", "select * from accounts"],
    ["another table by a union", "select name from bank.branches union select name from bank.payroll"],
    ["what was captured", "select * from factotum.captured"],
    ["the logins", "select password, key from factotum.agent_roles"],
    ["runs", "select * from factotum.runs"],
    ["history", "select * from factotum.change_rows"],
    ["pills", "select * from factotum.staging"],
    ["password hashes", "select rolpassword from pg_authid"],
  ])("nothing of %s", async (_, sql) => {
    expect(await bank.attack(sql)).toMatchObject(denied);
  });

  test("no hidden row through an error or a cheap function, because the view is a barrier", async () => {
    const peeking = "select id from accounts where 1 / (case when owner = 'Cy' then 0 else 1 end) = 1";
    expect(await bank.attack(peeking)).toEqual([{ id: 1 }, { id: 2 }]);
  });
});

describe("an agent writes", () => {
  test("the columns it was given, of rows it can see", async () => {
    const { rows } = await bank.changes(
      "update accounts set note = 'hello'",
      "insert into transfers (tenant_id, account_id, amount) values ('blue', 2, 5)",
      "insert into bank.branches (name) values ('west')",
    );
    expect(rows.map(({ table, key }) => `${table} ${key}`)).toEqual([
      "bank.accounts (1)",
      "bank.accounts (2)",
      expect.stringMatching(/^bank.branches /),
      expect.stringMatching(/^bank.transfers /),
    ]);
  });

  test.each([
    ["a column it was not given", "update accounts set balance = 1000000"],
    ["a new row where it may set one column", "insert into accounts (id, tenant_id) values (9, 'blue')"],
    ["the end of a row where it may set one column", "delete from accounts where id = 1"],
    ["the table behind its view", "update bank.accounts set note = ''"],
    ["another table", "update bank.payroll set salary = 1"],
    ["captures", "insert into factotum.captured (relation, before, after) values (1, null, '(1)')"],
    ["captures away", "delete from factotum.captured"],
    ["the pill away", "delete from factotum.staging"],
    ["the clock", "update factotum.clock set rate = 0"],
  ])("nothing of %s", async (_, sql) => {
    expect(await bank.attack(sql)).toMatchObject(denied);
  });

  test("no row for another tenant", async () => {
    const moved = { message: expect.stringMatching(/violates check option/) as string };
    expect(await bank.attack("update transfers set tenant_id = 'red'")).toMatchObject(moved);
    const made = "insert into transfers (tenant_id, account_id, amount) values ('red', 3, 1)";
    expect(await bank.attack(made)).toMatchObject(moved);
  });
});

describe("an agent emits", () => {
  const emitted = "insert into factotum.outbox (channel, body) values ('post', '1')";

  test("to the channel it declares, with the right to insert alone", async () => {
    const { rows } = await stage(bank.db, emptyChangeSet, bank.options, (tx) =>
      emit(tx, { channel: "post", body: { to: "Ada" }, orderKey: "Ada", ifUndone: { not: "Ada" } }),
    ).then(({ changes }) => changes);
    expect(rows.map(({ table, before }) => ({ table, before }))).toEqual([
      { table: "factotum.outbox", before: null },
    ]);
  });

  test.each([
    ["what others said", "select body from factotum.outbox"],
    ["what it said itself, on the way in", `${emitted} returning body`],
    ["how it went", "select state from factotum.deliveries"],
    ["an effect away", "delete from factotum.outbox"],
    ["an effect anew", "update factotum.outbox set body = '2'"],
    ["a delivery", "insert into factotum.deliveries (effect) values (1)"],
    [
      "an id that is somebody else's",
      "insert into factotum.outbox (id, channel, body) overriding system value values (99, 'post', '1')",
    ],
  ])("but not %s", async (_, sql) => {
    expect(await bank.attack(sql)).toMatchObject(denied);
  });

  test("nothing to a channel it does not declare", async () => {
    expect(await bank.attack(emitted.replace("'post'", "'wire'"))).toMatchObject({
      code: "undeclared-effect",
    });
  });
});
