import { expect, test } from "vitest";
import { plain } from "./conversation.ts";
import { daysIn, dollarsIn } from "./figures.ts";

test.for<readonly [string, readonly number[]]>([
  ["That is $1,204.50, or **$12** more", [1204.5, 12]],
  ["a fee of 30 dollars", [30]],
  ['{"fare": 128, "refund": "-40.25"}', [128, 40.25]],
  ["two bags on the 3rd of May", []],
])("dollars in %j", ([text, amounts]) => {
  expect(dollarsIn(plain(text))).toEqual(amounts);
});

test.for<readonly [string, readonly string[]]>([
  ["on 2024-05-27", ["2024-05-27"]],
  ["May 3rd, and back on June 12, 2025", ["2024-05-03", "2025-06-12"]],
  ["born 4 April 1985", ["1985-04-04"]],
  ["born 04/12/2001", ["2001-04-12"]],
  ["maybe 3 of them", []],
])("days in %j", ([text, days]) => {
  expect([...daysIn(plain(text), 2024)].sort()).toEqual([...days].sort());
});
