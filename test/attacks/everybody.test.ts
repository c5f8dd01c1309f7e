/** Rights that a database grants to everybody are beyond what an agent declares: they are found and named. */
import { grantedToAll } from "factotum/changes";
import { beforeAll, expect, test } from "vitest";
import { type Bank, openBank } from "./kit.ts";

let bank: Bank;

beforeAll(async () => {
  bank = await openBank();
});

const salaries = "select sum(salary)::int as n from bank.payroll";

test("a database that grants nothing to everybody has nothing to name", async () => {
  expect(await grantedToAll(bank.db)).toEqual([]);
});

test("a table and a function that everybody may use are named as REVOKE takes them", async () => {
  await bank.db.query(`
    create schema "Odd ""one"; grant usage on schema "Odd ""one" to public;
    create table "Odd ""one".open (id int primary key, hidden text);
    grant select (id) on "Odd ""one".open to public;
    create table "Odd ""one".shut (id int primary key);
    create function "Odd ""one".peek(of text default '') returns int language sql security definer
      return (select sum(salary) from bank.payroll);
    create function "Odd ""one".mine() returns int language sql return 1;`);
  const named = await grantedToAll(bank.db);
  expect(named).toEqual(['table "Odd ""one".open', 'function "Odd ""one".peek(of text)']);
  // What it is for: the agent declares no payroll, and reads it.
  expect(await bank.attack(salaries)).toMatchObject({ code: "permission-denied" });
  expect(await bank.attack('select "Odd ""one".peek() as n')).toEqual([{ n: 17_000 }]);
  for (const name of named) await bank.db.query(`revoke all on ${name} from public`);
  expect(await grantedToAll(bank.db)).toEqual([]);
  expect(await bank.attack('select "Odd ""one".peek() as n')).toMatchObject({ code: "permission-denied" });
});
