import type { Turn } from "factotum/policy";
import { expect, test } from "vitest";
import { named, retried, saysYes, unconfirmed } from "./agreement.ts";
import { type DeskContext, plain, type Turns } from "./conversation.ts";

const tools = new Set(["pay"]);
const said = (kind: "person" | "agent", text: string): Turn => ({ kind, text });
const pay = (input: Record<string, number | string>, refused = false): Turn => ({
  ...{ kind: "call", tool: "pay", input, refused },
});
const context = (turns: Turns): DeskContext => ({ turns }) as DeskContext;

test("yes is said in many ways, and a question is none", () => {
  for (const yes of ["Yes!", "go ahead", "Sounds good to me", "OK, do it"])
    expect(saysYes(yes.toLowerCase())).toBe(true);
  for (const no of ["what would it cost?", "no", "hm, not that one"]) expect(saysYes(no)).toBe(false);
});

test("a call is confirmed by what the customer said last before it", () => {
  const asked = [said("agent", "Shall I pay $5?"), said("person", "What for?")];
  expect(unconfirmed(context([...asked, pay({ amount: 5 })]), tools)).toHaveLength(1);
  expect(unconfirmed(context([...asked, said("person", "Yes"), pay({ amount: 5 })]), tools)).toEqual([]);
  expect(unconfirmed(context([...asked, pay({ amount: 5 }, true)]), tools)).toEqual([]);
});

test("a yes in words that nobody foresaw is told from none by whether one was asked for", () => {
  const called = (question: string) =>
    unconfirmed(context([said("agent", question), said("person", "Have at it"), pay({})]), tools);
  expect(called("Please confirm: $5 by card.")).toMatchObject([{ asked: true }]);
  expect(called("Which card?")).toMatchObject([{ asked: false }]);
});

test("ids are found as Markdown writes them", () => {
  expect(plain("I am mia\\_li\\_36, **order** \\#W1")).toBe("i am mia_li_36 order #w1");
});

test("a refused call is not made again with other values before the customer spoke", () => {
  const yes = [said("agent", "Shall I pay $5 by card?"), said("person", "Yes")];
  const refused = pay({ amount: 5, payment_id: "card" }, true);
  expect(retried(context([...yes, refused, pay({ amount: 7, payment_id: "card" })]), tools)).toHaveLength(1);
  expect(retried(context([...yes, refused, pay({ amount: 5, payment_id: "card_17" })]), tools)).toEqual([]);
  expect(retried(context([...yes, refused, said("person", "Then 7"), pay({ amount: 7 })]), tools)).toEqual(
    [],
  );
});

test("a detail stands where any of its forms does", () => {
  const card = named("the card", "card_17", "1234");
  expect(card.standsIn("the visa ending in 1234")).toBe(true);
  expect(card.standsIn("a visa")).toBe(false);
});
