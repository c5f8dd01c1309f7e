import { diff, peek } from "factotum/changes";
import { type Json, messageOf } from "factotum/kernel";
import { askGuards, guardsOf, type ToolCall, type Turn, verify } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { beforeAll, expect, test } from "vitest";
import { attempt } from "../retail/sample-shop.ts";
import { airlineChecks } from "./checks.ts";
import { airlineGuards } from "./guards.ts";
import { openAirline } from "./sample-airline.ts";
import { airlineTables, airlineTools } from "./tools.ts";

let db: Database;
beforeAll(async () => {
  db = await openAirline();
});

type Call = readonly [string, Json];
/** What was said, `>` before the agent's words, and what was called, in order. */
type Script = readonly (string | Call)[];

const later = new Date("2024-05-10T12:00:00Z");
/** Within a day of the booking. */
const soon = new Date("2024-05-01T20:00:00Z");
/** Stands at every booking and every change of one but a cancellation: the tools check no policy. */
const SHOWN = "ask: the airline's tools check no policy";

/** What the checks object to after a conversation. A call that is refused is noted as such. */
async function objections(...script: Script): Promise<readonly string[]> {
  return await objectionsAt(later, ...script);
}

async function objectionsAt(at: Date, ...script: Script): Promise<readonly string[]> {
  const work = attempt(db, airlineTables, airlineTools("own"));
  const calls: ToolCall[] = [];
  const turns: Turn[] = [];
  for (const one of script) {
    if (typeof one === "string") {
      turns.push(one.startsWith(">") ? { kind: "agent", text: one.slice(1) } : { kind: "person", text: one });
      continue;
    }
    const [tool, input] = one;
    let refused = false;
    try {
      calls.push({ tool, input, output: await work.call(tool, input) });
    } catch (error) {
      refused = messageOf(error) !== "";
    }
    turns.push({ kind: "call", tool, input, refused });
  }
  const verdicts = await peek(db, work.changes(), async (view) => {
    const rows = await diff(view, work.changes());
    return await verify(airlineChecks, { input: { dialect: 2 }, diff: rows, calls, turns, view, at });
  });
  return verdicts.flatMap((one) => (one.kind === "pass" ? [] : [`${one.kind}: ${one.because}`]));
}

const legs = [
  { flight_number: "F1", date: "2024-05-21" },
  { flight_number: "F2", date: "2024-05-21" },
];
const same = [
  { flight_number: "F1", date: "2024-05-20" },
  { flight_number: "F2", date: "2024-05-20" },
];
const flights = (more: object = {}): Call => [
  "update_reservation_flights",
  { ...{ reservation_id: "AAAAAA", cabin: "economy", payment_id: "credit_card_1", flights: legs }, ...more },
];
const bags = (total: number, paid: number): Call => [
  "update_reservation_baggages",
  { reservation_id: "AAAAAA", total_baggages: total, nonfree_baggages: paid, payment_id: "credit_card_1" },
];
const cancel: Call = ["cancel_reservation", { reservation_id: "AAAAAA" }];
const upgrade = (): Call => flights({ cabin: "business", flights: same });
const handOver: Call = ["transfer_to_human_agents", { summary: "more" }];
const book = (more: object = {}): Call => [
  "book_reservation",
  {
    ...{ user_id: "ida", origin: "AAA", destination: "CCC", flight_type: "one_way", cabin: "economy" },
    ...{ flights: [{ flight_number: "F4", date: "2024-05-20" }], insurance: "no", total_baggages: 0 },
    ...{ passengers: [{ first_name: "Ida", last_name: "Berg", dob: "1990-01-01" }], nonfree_baggages: 0 },
    ...{ payment_methods: [{ payment_id: "credit_card_1", amount: 100 }], ...more },
  },
];
const me = "I am ida. Please change my flights to May 21st, on my credit card";
const told = ">That is $200 for what was $185, $15 more. Shall I?";
const mine = "I am ida. Please book me a flight, credit card";

test("what was asked for, told, agreed to and allowed is only shown to a person", async () => {
  expect(await objections(me, told, "Yes", flights())).toEqual([SHOWN]);
  expect(await objections("I am ida. Yes, two more bags, credit card", bags(3, 0))).toEqual([SHOWN]);
  expect(await objections(mine, ">It is $100.", "Yes", book())).toEqual([SHOWN]);
  expect(await objections("I am ida.")).toEqual([]);
});

test.for<readonly [string, Script, string]>([
  [
    "a cancellation without a ground",
    ["I am ida. Yes, cancel it", cancel],
    "fail: AAAAAA is neither a day old",
  ],
  [
    "a cancellation after the cabin was changed",
    [
      "I am ida. Yes, change the cabin and cancel, credit card",
      upgrade(),
      flights({ flights: same }),
      cancel,
    ],
    "ask: AAAAAA is neither a day old",
  ],
  ["another trip", [me, told, "Yes", flights({ flights: legs.slice(0, 1) })], "does not fly its trip"],
  [
    "other amounts than told",
    [me, ">It is $99 more. Shall I?", "Yes", flights()],
    "fail: AAAAAA is charged 15",
  ],
  [
    "an amount not told, where only what a card holds and what is free was named",
    [me, ">Your gift card has a balance of $250. Bags are $0. Shall I?", "Yes", flights()],
    "ask: AAAAAA is charged 15; the customer was told no amount",
  ],
  ["an amount not told", [me, ">Shall I?", "Yes", flights()], "ask: AAAAAA is charged 15"],
  [
    "a bag paid for in vain",
    ["I am ida. Yes, more bags, credit card", bags(3, 1)],
    "0 are to be paid, not 1",
  ],
  ["bags nobody wanted", ["I am ida. Yes, credit card", bags(2, 0)], "nobody asked for bags"],
  ["bags for who has none", [`${mine}. I have no bags`, "Yes", book({ total_baggages: 1 })], "has no bags"],
  [
    "insurance for who declined it",
    [
      `${mine}. I don't need insurance`,
      "Yes",
      book({ insurance: "yes", payment_methods: [{ payment_id: "credit_card_1", amount: 130 }] }),
    ],
    "the customer declined it",
  ],
  [
    "a birthday that was made up",
    [mine, "Yes", book({ passengers: [{ first_name: "Ida", last_name: "Berg", dob: "1990-10-10" }] })],
    "nobody said that Ida Berg was born on 1990-10-10",
  ],
  [
    "no name",
    ["Yes, change AAAAAA to the 21st, credit card", flights()],
    "ask: the customer never said that they are ida",
  ],
  ["no yes", [me, told, "Why?", flights()], "before the customer had said yes"],
  [
    "an unnamed way to pay",
    ["I am ida. Yes, change my flights", flights()],
    "fail: the customer named no way to pay",
  ],
  [
    "another try than the one agreed to",
    [mine, ">$90?", "Yes", book({ payment_methods: [{ payment_id: "credit_card_1", amount: 90 }] }), book()],
    "book_reservation was refused, and made again",
  ],
  [
    "a promise not kept",
    [me, told, "Yes", flights(), ">Done; one bag has been added."],
    "told that bags were added",
  ],
  [
    "a seat that no tool assigns",
    [mine, ">It is $100. Seats: aisle and middle, together.", "Yes", book()],
    "fail: the customer was told that seats are assigned",
  ],
  [
    "an unowed certificate",
    ["I am ida. Yes, I want a voucher", ["send_certificate", { user_id: "ida", amount: 100 }]],
    "owed a certificate of 100",
  ],
])("%s is objected to", async ([, script, because]) => {
  expect((await objections(...script)).join("\n")).toContain(because);
});

test("a cancellation for which the books show a ground needs nobody", async () => {
  expect(await objectionsAt(soon, "I am ida. Yes, please cancel it", cancel)).toEqual([]);
});

test("what the policy forbids is not missing where the books show it", async () => {
  const look: Call = ["get_reservation_details", { reservation_id: "AAAAAA" }];
  const asked = ["I am ida. Please cancel my trip", look] as const;
  expect(await objections(...asked, ">We cannot cancel it.")).toEqual([]);
  expect(await objections(...asked, ">We cannot.", "A person, please", handOver)).toEqual([]);
  expect(await objections("I am ida. Please cancel my trip", ">Later.")).toEqual([
    "ask: a cancellation was asked for, and nothing of it is done",
  ]);
  expect(await objectionsAt(soon, ...asked, ">Later.")).toEqual([
    "ask: a cancellation was asked for, and nothing of it is done",
  ]);
  expect(await objections("I am ida. No need to book another flight", look)).toEqual([]);
});

test("a birthday that the customer gave is known", async () => {
  const friend = { passengers: [{ first_name: "Bo", last_name: "Lie", dob: "1985-04-04" }] };
  expect(await objections(`${mine} for Bo Lie, born April 4, 1985`, ">$100?", "Yes", book(friend))).toEqual([
    SHOWN,
  ]);
});

test.for<readonly [string, Script, string]>([
  ["a kind of thing", [`${me} and cancel the rest`, told, "Yes", flights()], "a cancellation"],
  [
    "a reservation by its number",
    [`${me}. Please cancel BB1BBB`, told, "Yes", flights()],
    "a cancellation of BB1BBB",
  ],
  [
    "several at once",
    [`${me}, on all my reservations`, told, "Yes", flights()],
    "something for several at once",
  ],
  ["a passenger nobody changed", ["I am ida. The passenger's name has to be corrected"], "another passenger"],
])("%s that is asked for and not done is a question", async ([, script, what]) => {
  expect(await objections(...script)).toContain(`ask: ${what} was asked for, and nothing of it is done`);
});

test.for<readonly [string, Script, readonly string[]]>([
  [
    "a yes in words that nobody foresaw",
    [me, told, "Make my day", flights()],
    ["ask: update_reservation_flights was called before the customer had said yes to it", SHOWN],
  ],
  [
    "no yes, and none asked for",
    [me, ">It is $15 more. Which day?", "May 21st", flights()],
    ["fail: update_reservation_flights was called before the customer had said yes to it", SHOWN],
  ],
  [
    "bags counted in answer to a question",
    [mine, ">How many checked bags? It is $100.", "One. Yes", book({ total_baggages: 1 })],
    [SHOWN],
  ],
  [
    "bags wanted after all",
    [`${mine}, no bags`, "One bag after all", ">It is $100.", "Yes", book({ total_baggages: 1 })],
    [SHOWN],
  ],
  [
    "a way to pay that the agent proposed",
    ["I am ida. Change my flights to May 21st", ">$15 more on your card. Shall I?", "Yes", flights()],
    ["ask: the customer named no way to pay like credit_card_1", SHOWN],
  ],
  [
    "a birthday that the agent listed",
    [
      mine,
      ">Bo Lie, born 1985-04-04, for $100?",
      "Yes",
      book({ passengers: [{ first_name: "Bo", last_name: "Lie", dob: "1985-04-04" }] }),
    ],
    ["ask: only the agent said that Bo Lie was born on 1985-04-04", SHOWN],
  ],
])("%s: faults are what no words can mend", async ([, script, expected]) => {
  expect(await objections(...script)).toEqual(expected);
});

test("guards refuse a call for nobody, and a booking that holds too much", async () => {
  const refusals = async (said: string, [tool, input]: Call): Promise<string> =>
    await peek(db, { rows: [] }, async (view) => {
      const turns: readonly Turn[] = [{ kind: "person", text: said }];
      const base = { input: { dialect: 2 } as const, calls: [], turns, view, at: later };
      const verdicts = await askGuards(guardsOf(airlineGuards, tool), { ...base, call: { tool, input } });
      return verdicts.map((one) => (one.kind === "pass" ? "" : one.because)).join();
    });
  const card = { payment_id: "credit_card_1", amount: 50 };
  const person = { first_name: "Ida", last_name: "Berg", dob: "1990-01-01" };
  expect(await refusals("Cancel it", cancel)).toBe("the customer never said that they are ida");
  expect(await refusals("Cancel AAAAAA", cancel)).toBe("");
  expect(await refusals("I am ida", book())).toBe("");
  expect(await refusals("I am ida", book({ payment_methods: [card, card] }))).toContain(
    "2 of credit_card pay",
  );
  const six = Array.from({ length: 6 }, () => person);
  expect(await refusals("I am ida", book({ passengers: six }))).toContain("6 passengers");
});
