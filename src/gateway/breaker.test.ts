import { expect, test } from "vitest";
import type { ModelId } from "../kernel/index.ts";
import type { AttemptEnd } from "./attempt.ts";
import { makeBreaker } from "./breaker.ts";

const model = "x/y" as ModelId;
const cut: AttemptEnd = { kind: "cut", status: null, error: new Error("cut") };
const answered: AttemptEnd = { kind: "answered", status: 200 };
const busy = (retryAfter?: string): AttemptEnd => ({ kind: "declined", status: 429, retryAfter });

test("a model rests after five failures in a row, for ten seconds, and an answer forgets them", () => {
  let now = 0;
  const breaker = makeBreaker(() => now);
  for (let count = 0; count < 4; count += 1) breaker.heard(model, cut, null);
  breaker.heard(model, { kind: "client-left", status: 200, error: new Error("left") }, null);
  breaker.heard(model, answered, 10);
  for (let count = 0; count < 4; count += 1) breaker.heard(model, cut, null);
  expect(breaker.rests(model)).toBe(false);
  breaker.heard(model, busy(), null);
  expect(breaker.rests(model)).toBe(true);
  now = 10_001;
  expect(breaker.rests(model)).toBe(false);
  // One more failure after its rest is enough.
  breaker.heard(model, cut, null);
  expect(breaker.rests(model)).toBe(true);
  breaker.heard(model, answered, 10);
  expect(breaker.rests(model)).toBe(false);
});

test("what we forbid ourselves says nothing of a model", () => {
  const breaker = makeBreaker(() => 0);
  const forbidden: AttemptEnd = { kind: "not-sent", error: new Error("address"), forbidden: true };
  for (let count = 0; count < 9; count += 1) breaker.heard(model, forbidden, null);
  expect(breaker.rests(model)).toBe(false);
  for (let count = 0; count < 5; count += 1) breaker.heard(model, { ...forbidden, forbidden: false }, null);
  expect(breaker.rests(model)).toBe(true);
});

test("a model rests for as long as it asks, a minute at most", () => {
  let now = 0;
  const breaker = makeBreaker(() => now);
  breaker.heard(model, busy("7"), null);
  now = 6_999;
  expect(breaker.rests(model)).toBe(true);
  now = 7_001;
  expect(breaker.rests(model)).toBe(false);
  breaker.heard(model, busy("3600"), null);
  now += 60_001;
  expect(breaker.rests(model)).toBe(false);
});

test("what a call would wait is what others waited lately, and more while others wait", () => {
  const breaker = makeBreaker(() => 0);
  expect(breaker.delayMs(model)).toBe(0);
  breaker.sent(model);
  breaker.heard(model, answered, 100);
  expect(breaker.delayMs(model)).toBe(100);
  breaker.sent(model);
  breaker.sent(model);
  expect(breaker.delayMs(model)).toBe(300);
  for (let count = 0; count < 40; count += 1) breaker.heard(model, answered, 10);
  expect(breaker.delayMs(model)).toBeCloseTo(10, 0);
});
