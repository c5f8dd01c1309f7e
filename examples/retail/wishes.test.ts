import { expect, test } from "vitest";
import type { Turns } from "./conversation.ts";
import { type Verb, wishesOf } from "./wishes.ts";

const verbs: readonly Verb[] = [
  { what: "return", words: /\breturn(ing)?\b/, not: /\breturn label\b/g },
  { what: "exchange", words: /\b(exchang(e|ing)|swap)\b/ },
];
const things = ["lamp", "chair", "kettle"].map((id) => ({ id, words: new RegExp(`\\b${id}s?\\b`) }));

function wishes(...said: readonly string[]): readonly string[] {
  const turns: Turns = said.map((text) => ({ kind: "person", text }));
  return wishesOf(turns, verbs, things).map(({ verb, thing }) => `${verb} ${thing}`);
}

test.for<readonly [string, readonly string[]]>([
  ["I want to return the lamp and the chair", ["return lamp", "return chair"]],
  ["Please return the lamp, then exchange the chair", ["return lamp", "exchange chair"]],
  ["The lamp is broken. I'd like to swap it for another", ["exchange lamp"]],
  ["Please return the lamp that came with the chair", ["return lamp"]],
  ["Please return the lamp chair", ["return chair"]],
])("%j is a wish", ([said, wanted]) => {
  expect(wishes(said)).toEqual(wanted);
});

test.for([
  "If it is too dear, I'll return the lamp",
  "Please don't return the lamp",
  "Please send the return label of the lamp",
  "The lamp is lovely",
])("%j is no wish", (said) => {
  expect(wishes(said)).toEqual([]);
});

test.for<readonly [string, readonly string[]]>([
  ["The lamp can stay, actually", ["return chair"]],
  ["Let's hold off: no return of the lamp", ["return chair"]],
  ["Please return the chair only", ["return chair"]],
  ["The chair is the only thing I bought in May", ["return lamp", "return chair"]],
])("after two wishes, %j leaves what is still wanted", ([later, left]) => {
  expect(wishes("I want to return the lamp and the chair", later)).toEqual(left);
});

test("a wish knows when it was uttered first and last", () => {
  const turns: Turns = [
    { kind: "person", text: "I want to return the lamp" },
    { kind: "agent", text: "Which one?" },
    { kind: "person", text: "Please return the red lamp" },
  ];
  expect(wishesOf(turns, verbs, things)).toMatchObject([
    { first: 0, at: 2, said: "please return the red lamp" },
  ]);
});
