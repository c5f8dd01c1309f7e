import { expect, test } from "vitest";
import { transactionCommand } from "./transaction-words.ts";

const ENDS = [
  "commit",
  "COMMIT AND CHAIN",
  ";; end;",
  "abort",
  "rollback",
  "ROLLBACK AND CHAIN",
  "rollback work",
  "rollback transaction and no chain",
  "-- rollback to x\nrollback",
  "/* a /* nested */ comment */ commit",
  "/**/rollback/* to */and chain",
  "begin",
  "start transaction read write",
  "prepare transaction 'x'",
  "rollback prepared 'x'",
  "commit prepared 'x'",
];
const STAYS = [
  "select 1",
  "savepoint a",
  "rollback to a",
  "rollback to savepoint a",
  "Rollback /* comment */ Work -- and more\n To a",
  "release a",
  "prepare p as select 1",
  "-- commit\nselect 'commit'",
  "/* commit */ select 1",
  "",
  "insert into commit values (1)",
];

test("commands that end a transaction are known, whatever stands before them", () => {
  expect(ENDS.filter((sql) => transactionCommand(sql) === undefined)).toEqual([]);
});

test("savepoints and everything else pass", () => {
  expect(STAYS.filter((sql) => transactionCommand(sql) !== undefined)).toEqual([]);
});
