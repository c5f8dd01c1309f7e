/** A long attempt keeps its prompt within the window: the earlier part is folded into a note, by a step. */
import { messagesOf, type Transcript } from "../../src/agents/transcript.ts";
import { cutOf } from "../../src/agents/compacting.ts";
import { handOffNote } from "../../src/agents/hand-off.ts";
import { emptyChangeSet } from "factotum/changes";
import type { ModelId } from "factotum/kernel";
import type { Message } from "factotum/models";
import { invariant } from "factotum/policy";
import { reply, scriptedProvider, type ScriptedRequest } from "factotum/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { clerk, type Order } from "../agents/shop.ts";
import { openOffice } from "./kit.ts";

const Body = z.object({
  messages: z.array(z.looseObject({ role: z.string(), content: z.string().nullish() })),
});
const message = (one: Message): Transcript[number] => ({ kind: "message", message: one });

/** Plain words: how marks in them are broken is tested with the prompt. */
const words = fc.stringMatching(/^[a-zA-Z0-9 ,.!"\\]{3,80}$/);

/** One thing that happens in an attempt: a look, something staged, a question, words, a nudge. */
const happening = fc.oneof(
  fc.record({ kind: fc.constant("look" as const), size: fc.integer({ min: 1, max: 3_000 }) }),
  fc.record({ kind: fc.constant("stage" as const), row: fc.integer({ min: 1, max: 10_000 }) }),
  fc.record({
    kind: fc.constant("ask" as const),
    about: fc.stringMatching(/^[a-z]{4,8}$/),
  }),
  fc.record({ kind: fc.constant("says" as const), text: words }),
  fc.record({ kind: fc.constant("heard" as const), text: words }),
  fc.record({ kind: fc.constant("nudged" as const), text: words }),
);

type Happening = typeof happening extends fc.Arbitrary<infer One> ? One : never;

function entriesOf(one: Happening, at: number): Transcript {
  const call = (name: string, input: { [key: string]: string | number }, output: string): Transcript => [
    message({ role: "assistant", text: "", toolCalls: [{ id: `c${at}`, name, input }] }),
    message({ role: "tool", toolCallId: `c${at}`, name, output }),
  ];
  switch (one.kind) {
    case "look":
      return call("find_products", { at }, "x".repeat(one.size));
    case "stage":
      return call("place_order", { row: one.row }, `order ${one.row}`);
    case "ask":
      return call("ask_person", { question: one.about }, `answer to ${one.about}`);
    case "says":
      return [message({ role: "assistant", text: `promise ${at}: ${one.text}` })];
    case "heard":
      return [{ kind: "heard", by: "customer", text: one.text }];
    case "nudged":
      return [{ kind: "nudged", by: "bo", text: one.text }];
  }
}

/** What must be found in the prompt of each thing that happened, in one way or another. */
function factsOf(one: Happening, at: number): readonly (readonly string[])[] {
  switch (one.kind) {
    case "look":
      return [];
    case "says":
      return [[`promise ${at}: ${one.text}`]];
    case "heard":
      return [[one.text, JSON.stringify(one.text)]];
    case "nudged":
      return [[one.text]];
    case "stage":
      return [[`order ${one.row}`]];
    case "ask":
      return [[`answer to ${one.about}`]];
  }
}

/** Answers to calls that come before their calls: a provider would refuse the prompt. */
function orphans(messages: readonly Message[]): readonly string[] {
  const called = new Set<string>();
  return messages.flatMap((each) => {
    if (each.role === "assistant") for (const call of each.toolCalls ?? []) called.add(call.id);
    return each.role === "tool" && !called.has(each.toolCallId) ? [each.toolCallId] : [];
  });
}

test("whatever happened, folded once or again, no commitment's fact is lost", () => {
  const long = fc.array(happening, { minLength: 8, maxLength: 60 });
  let folds = 0;
  fc.assert(
    fc.property(
      long,
      fc.integer({ min: 50, max: 2_000 }),
      fc.boolean(),
      fc.option(fc.string()),
      (...drawn) => {
        const [happenings, kept, twice, wrote] = drawn;
        // Whatever a model writes, or that it writes nothing, takes nothing out of the note.
        const by = "local/liar" as ModelId;
        const wrong = wrote === null ? undefined : { by, text: wrote, upTo: 0 };
        const opening = [
          message({ role: "system", text: "policy and standing instructions" }),
          message({ role: "user", text: "the goal" }),
        ];
        let transcript: Transcript = opening;
        const calls: { tool: string; input: { row: number }; output: string }[] = [];
        const fold = (): void => {
          const from = cutOf(transcript, kept);
          if (from === undefined) return;
          folds += 1;
          const rows = calls.map((call) => ({
            ...{ table: "shop.orders", key: `(${call.input.row})`, before: null, after: "", fingerprint: "" },
          }));
          const staged = { calls, changeSet: { ...emptyChangeSet, rows }, guarded: [], refusals: [] };
          const wishes = [{ what: "a lamp", done: false }];
          const note = handOffNote({ transcript, from, staged, wishes, noted: wrong });
          transcript = [...transcript, { kind: "compacted", from, note }];
        };
        for (const [at, one] of happenings.entries()) {
          if (one.kind === "stage")
            calls.push({ tool: "place_order", input: { row: one.row }, output: `order ${one.row}` });
          transcript = [...transcript, ...entriesOf(one, at)];
          if (twice && at === Math.floor(happenings.length / 2)) fold();
        }
        fold();
        const messages = messagesOf(transcript);
        const prompt = messages
          .map((each) => (each.role === "tool" ? JSON.stringify(each.output) : each.text))
          .join("\n");
        const all = `${prompt}\n${JSON.stringify(messages)}`;
        expect(messages.slice(0, 2)).toEqual([
          { role: "system", text: "policy and standing instructions" },
          { role: "user", text: "the goal" },
        ]);
        const facts = happenings.flatMap((one, at) => factsOf(one, at));
        expect(facts.filter((ways) => !ways.some((text) => all.includes(text)))).toEqual([]);
        const folded = transcript.some((entry) => entry.kind === "compacted");
        const noted = [...(calls.length > 0 ? ["Rows that are staged"] : []), "STILL TO BE DONE: a lamp"];
        expect(noted.filter((text) => folded && !prompt.includes(text))).toEqual([]);
        expect(orphans(messages)).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
  expect(folds).toBeGreaterThan(50);
});

test("staged work told in short keeps what is still to be done whole, and every key", () => {
  const calls = Array.from({ length: 500 }, (_, n) => ({
    ...{ tool: "place_order", input: { product: n === 40 ? "Elm lamp" : "chair" }, output: `o-${n}` },
  }));
  const rows = calls.map((_, n) => ({
    ...{ table: "shop.orders", key: `(${n + (n > 250 ? 10 : 0)})`, before: null, after: "", fingerprint: "" },
  }));
  const staged = { calls, changeSet: { ...emptyChangeSet, rows }, guarded: [], refusals: [] };
  const wishes = [
    { what: "tell them when the elm lamp comes", done: false },
    { what: "order o-77", done: true },
    { what: "cancel o-123.", done: false },
  ];
  const note = handOffNote({ transcript: [], from: 2, staged, wishes, short: true });
  expect(note.length).toBeLessThan(2_500);
  const whole = [40, 123, ...Array.from({ length: 10 }, (_, n) => 490 + n)];
  expect(whole.filter((n) => !note.includes(`answered "o-${n}"`))).toEqual([]);
  expect(note).not.toContain(`answered "o-77"`);
  expect(note).toContain("place_order: 488 calls more");
  expect(note).toContain("new shop.orders: 500 rows, keys (0) to (250), (261) to (509)");
});

test("an attempt that stages more than its window could tell goes on, and looks at it again", async () => {
  const provider = await scriptedProvider();
  const replies = 15;
  let asked = 0;
  provider.otherwise(() => {
    asked += 1;
    if (asked > replies) return reply([{ name: "finish", arguments: { unsure: [] } }]);
    const place = { name: "place_order", arguments: { product: "chair", quantity: 1 } };
    return reply([1, 2, 3, 4, 5].map((n) => ({ ...place, id: `c${asked}-${n}` })));
  });
  const checks = [invariant<Order>("nothing is wrong", () => [])];
  const agent = clerk({ checks, cascade: [{ kind: "model", name: "cheap", model: "cheap" }] });
  const models = [{ id: "local/clerk", baseUrl: provider.url, local: true as const, contextTokens: 8_000 }];
  const office = await openOffice(agent, { models });
  const run = await office.order("chair");
  expect((await office.factotum.showRun(run.id)).run.disposition).toBe("resolved");
  const last = Body.parse(provider.requests.at(-1)?.body).messages;
  expect(last[2]?.content).toMatch(
    /place_order: \d+ calls more.*\n[^]*new shop.orders: \d+ rows, keys \(1\) to/,
  );
  await office.close();
  await provider.close();
});

test("an attempt of many steps stays within its model's window, and its notes are steps", async () => {
  const sizes: number[] = [];
  let asked = 0;
  const provider = await scriptedProvider();
  provider.otherwise((request: ScriptedRequest) => {
    const body = JSON.stringify(request.body);
    sizes.push(Buffer.byteLength(body));
    asked += 1;
    if (asked === 1) return reply([{ name: "place_order", arguments: { product: "lamp", quantity: 1 } }]);
    if (asked === 40) return reply([{ name: "finish", arguments: { unsure: [] } }]);
    return reply([{ id: `c${asked}`, name: "find_products", arguments: {} }]);
  });
  const agent = clerk({ callsMax: 100, cascade: [{ kind: "model", name: "cheap", model: "cheap" }] });
  const models = [{ id: "local/clerk", baseUrl: provider.url, local: true as const, contextTokens: 8_000 }];
  const office = await openOffice(agent, { models });
  const run = await office.order("lamp");
  const story = await office.factotum.showRun(run.id);
  const notes = story.steps.filter((step) => step.kind === "compacted");
  expect(story.run.disposition).toBe("resolved");
  expect(notes.length).toBeGreaterThan(1);
  expect(Math.max(...sizes)).toBeLessThan(8_000 * 3);
  const last = Body.parse(provider.requests.at(-1)?.body).messages;
  expect(last[1]?.content).toContain("Work: order lamp");
  expect(last[2]?.content).toContain('place_order {"product":"lamp","quantity":1} answered {"order":');
  expect(last[2]?.content).toContain("new shop.orders (");
  const { rows } = await office.factotum.db.query<{ n: number }>(
    "select count(*)::integer as n from factotum.calls where state = 'answered'",
  );
  expect(rows[0]?.n).toBe(40);
  await office.close();
  await provider.close();
});
