import { diff, peek } from "factotum/changes";
import type { Json } from "factotum/kernel";
import { type ToolCall, type Turn, verify } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { beforeAll, expect, test } from "vitest";
import { attempt } from "../retail/sample-shop.ts";
import { airlineChecks } from "./checks.ts";
import { openAirline } from "./sample-airline.ts";
import { airlineTables, airlineTools } from "./tools.ts";

let db: Database;
beforeAll(async () => {
  db = await openAirline();
});

type Asked = { readonly said: string; readonly calls: readonly (readonly [string, Json])[] };

/** What the checks object to, after a customer said something and the calls were staged. */
async function objections({ said, calls }: Asked): Promise<readonly string[]> {
  const work = attempt(db, airlineTables, airlineTools("own"));
  const made: ToolCall[] = [];
  for (const [tool, input] of calls) made.push({ tool, input, output: await work.call(tool, input) });
  const called = made.map(({ tool, input }): Turn => ({ kind: "call", tool, input, refused: false }));
  const input = { dialect: 2 } as const;
  const turns: readonly Turn[] = [{ kind: "person", text: said }, ...called];
  const at = new Date("2024-05-10T12:00:00Z");
  const verdicts = await peek(db, work.changes(), async (view) => {
    const rows = await diff(view, work.changes());
    return await verify(airlineChecks, { input, diff: rows, calls: made, turns, view, at });
  });
  return verdicts.flatMap((one) => (one.kind === "pass" ? [] : [`${one.kind}: ${one.because}`]));
}

const legs = [
  { flight_number: "F1", date: "2024-05-21" },
  { flight_number: "F2", date: "2024-05-21" },
];
const flights = (more: object): readonly [string, Json] => [
  "update_reservation_flights",
  { ...{ reservation_id: "AAAAAA", cabin: "economy", payment_id: "credit_card_1", flights: legs }, ...more },
];
const bags = (total: number, paid: number): readonly [string, Json] => [
  "update_reservation_baggages",
  { reservation_id: "AAAAAA", total_baggages: total, nonfree_baggages: paid, payment_id: "credit_card_1" },
];
const ME = "I am ida. Yes, please,";

test("what was asked for, agreed to and allowed passes every check", async () => {
  const said = `${ME} change my flights to the 21st, on my credit card`;
  expect(await objections({ said, calls: [flights({})] })).toEqual([]);
  expect(await objections({ said: `${ME} two more bags, credit card`, calls: [bags(3, 0)] })).toEqual([]);
});

test.for<readonly [string, Asked, string]>([
  [
    "a cancellation without cause",
    { said: `${ME} cancel it`, calls: [["cancel_reservation", { reservation_id: "AAAAAA" }]] },
    "neither a day old",
  ],
  [
    "another trip",
    { said: `${ME} change my flights, credit card`, calls: [flights({ flights: legs.slice(0, 1) })] },
    "does not fly its trip",
  ],
  [
    "a bag paid for in vain",
    { said: `${ME} more bags, credit card`, calls: [bags(3, 1)] },
    "0 are to be paid, not 1",
  ],
  ["bags nobody wanted", { said: `${ME} credit card`, calls: [bags(2, 0)] }, "nobody asked for bags"],
  [
    "a stranger",
    { said: "Yes, change my flights, credit card", calls: [flights({})] },
    "never said that they are ida",
  ],
  [
    "no yes",
    { said: "I am ida. Change my flights? credit card", calls: [flights({})] },
    "before the customer had said yes",
  ],
  ["an unnamed way to pay", { said: `${ME} change my flights`, calls: [flights({})] }, "named no way to pay"],
  [
    "an unowed certificate",
    { said: `${ME} I want a voucher`, calls: [["send_certificate", { user_id: "ida", amount: 100 }]] },
    "owed a certificate of 100",
  ],
  [
    "an omission",
    { said: `${ME} change my flights and cancel the rest, credit card`, calls: [flights({})] },
    "ask: the customer spoke of a cancellation",
  ],
])("%s is objected to", async ([, asked, because]) => {
  expect((await objections(asked)).join("\n")).toContain(because);
});
