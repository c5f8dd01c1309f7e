/** An agent asks a person in the middle of its work: the run waits as a row, and goes on with the answer. */
import type { AskAnswer } from "factotum/agents";
import { microUsd } from "factotum/kernel";
import { reply, scriptedProvider } from "factotum/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { clerk } from "../agents/shop.ts";
import { askingRung, clerkWith, HOUR_MS, openOffice, type Office, whichLamp } from "./kit.ts";

const stock = async (office: Office): Promise<readonly number[]> => {
  const { rows } = await office.factotum.db.query<{ stock: number }>(
    "select stock from shop.products order by id",
  );
  return rows.map((row) => row.stock);
};
const kinds = async (office: Office, id: string): Promise<readonly string[]> => {
  const { rows } = await office.factotum.db.query<{ kind: string }>(
    "select kind from factotum.steps where run_id = $1 order by seq",
    [id],
  );
  return rows.map((row) => row.kind);
};

test("a rung of code asks, its run waits with nothing staged, and goes on with the answer", async () => {
  const seen: AskAnswer[] = [];
  const office = await openOffice(
    clerkWith(askingRung(() => whichLamp({ about: "They wrote: a light" }), seen)),
  );
  const run = await office.order("light", 2);
  const [question] = await office.factotum.inbox();
  expect([question?.card.title, question?.card.about, question?.topic]).toEqual([
    ...["Which lamp is meant?", "They wrote: a light", "question"],
  ]);
  expect([seen, await stock(office)]).toEqual([[], [10, 500]]);
  const path = `/questions/${question?.id}/answer`;
  expect((await office.post(path, { choice: "sofa" })).body["error"]).toMatchObject({
    code: "choice-unknown",
  });
  const answered = await office.post(path, { choice: "lamp", by: "ann", note: "the tall one" });
  expect([answered.status, answered.body["via"]]).toEqual([200, "http"]);
  await office.settle();
  expect(seen).toEqual([{ choice: "lamp", by: "ann", note: "the tall one" }]);
  expect([await stock(office), await kinds(office, run.id)]).toEqual([
    [8, 500],
    ["asked", "committed"],
  ]);
  // Their time is booked, as long as an answer is taken to need, and once.
  const ofPeople = () => office.factotum.ledger.accounts({ unit: "attention.seconds" });
  expect((await ofPeople()).map(({ account, debits, credits }) => [account, debits - credits])).toEqual([
    ["attention/clerk", 120_000n],
    ["people/ann", -120_000n],
  ]);
  const again = await office.post(path, { choice: "chair", by: "bo" });
  expect(again.status).toBe(409);
  expect(again.body["error"]).toMatchObject({
    code: "question-closed",
    message:
      `question ${question?.id} was answered by ann at 2026-03-02T08:00:00.000Z: lamp; ` +
      "nothing was changed",
  });
  expect(await ofPeople()).toHaveLength(2);
  await office.close();
});

test("nobody answers in time: the default is taken, and a late answer is told so", async () => {
  const seen: AskAnswer[] = [];
  const order = (): ReturnType<typeof whichLamp> => whichLamp({ default: "chair", timeoutMs: HOUR_MS });
  const office = await openOffice(clerkWith(askingRung(order, seen)));
  await office.order("light");
  const [question] = await office.factotum.inbox();
  await office.at(0.9);
  expect(seen).toEqual([]);
  await office.at(1);
  expect(seen).toEqual([{ choice: "chair", by: "default", note: null }]);
  expect(await stock(office)).toEqual([10, 499]);
  const late = await office.post(`/questions/${question?.id}/answer`, { choice: "lamp" });
  expect([late.status, JSON.stringify(late.body)]).toEqual([
    409,
    expect.stringContaining("nobody's in time"),
  ]);
  await office.close();
});

test("an answer that races the time-out: one of them counts, for the row and for the run", async () => {
  for (let round = 0; round < 3; round += 1) {
    const seen: AskAnswer[] = [];
    const order = (): ReturnType<typeof whichLamp> => whichLamp({ default: "chair", timeoutMs: HOUR_MS });
    const office = await openOffice(clerkWith(askingRung(order, seen)));
    await office.order("light");
    const [question] = await office.factotum.inbox();
    const [answer] = await Promise.all([
      office.post(`/questions/${question?.id}/answer`, { choice: "lamp", by: "ann" }),
      office.at(2),
    ]);
    await office.settle();
    const kept = await office.factotum.question(question?.id ?? fail());
    const expected = answer.status === 200 ? ["answered", "lamp"] : ["expired", "chair"];
    expect([kept.status, kept.answer?.choice]).toEqual(expected);
    expect(seen.map((one) => one.choice)).toEqual([expected[1]]);
    await office.close();
  }
});

test("what cannot be asked is refused with all that is wrong, and a run may not ask for ever", async () => {
  const problems: string[] = [];
  let asked = 0;
  const office = await openOffice(
    clerk({
      asks: { questionsMax: 2 },
      cascade: [
        {
          kind: "code",
          name: "asks",
          async run({ ask }) {
            const bad = whichLamp({ question: " ", default: "sofa", choices: [{ id: "a b", label: "" }] });
            if (asked === 0) await ask(bad).catch((error: unknown) => problems.push(String(error)));
            for (let n = 0; n < 3; n += 1) {
              asked = n;
              await ask(whichLamp({ question: `Question ${n}?` }));
            }
            return { kind: "finished", doubts: [] };
          },
        },
      ],
    }),
  );
  await office.order("light");
  for (const _ of [1, 2]) {
    const [question] = await office.factotum.inbox();
    await office.factotum.answer(question?.id ?? fail(), { choice: "lamp", by: "ann" });
    await office.settle();
  }
  expect(problems[0]).toContain("it asks nothing; it has 1 choices, and 2 to 12 make a question");
  expect(problems[0]).toContain("its default sofa is none of its choices");
  const [last] = await office.factotum.inbox();
  expect([last?.topic, last?.card.because.join()]).toEqual([
    "card",
    expect.stringContaining("has asked 2 questions"),
  ]);
  await office.close();
});

test("a model asks with a tool, parks with what it staged, and gets the answer as that tool's", async () => {
  const provider = await scriptedProvider(
    reply([
      { id: "c1", name: "place_order", arguments: { product: "lamp", quantity: 1 } },
      {
        id: "c2",
        name: "ask_person",
        arguments: { question: "And a chair?", choices: yesNo, default: "no" },
      },
      { id: "c3", name: "ask_person", arguments: { question: "And two?", choices: yesNo } },
    ]),
    reply([{ name: "finish", arguments: { unsure: [] } }]),
  );
  const agent = clerk({ asks: {}, cascade: [{ kind: "model", name: "cheap", model: "cheap" }] });
  const office = await openOffice(agent, {}, provider.url);
  const run = await office.order("lamp");
  const [question, ...more] = await office.factotum.inbox();
  expect([question?.card.title, more.length, provider.requests.length]).toEqual(["And a chair?", 0, 1]);
  await office.factotum.nudge(run.id, { text: "They are in a hurry", by: "bo" });
  await office.settle();
  expect([provider.requests.length, (await office.factotum.inbox()).length]).toEqual([1, 1]);
  await office.factotum.answer(question?.id ?? fail(), { choice: "no", by: "ann" });
  await office.settle();
  const { messages } = z
    .object({ messages: z.array(z.object({ role: z.string(), content: z.string().nullish() })) })
    .parse(provider.requests[1]?.body);
  expect(messages.slice(-4).map(({ role, content }) => [role, content])).toEqual([
    ["tool", expect.stringContaining("order")],
    ["tool", expect.stringContaining("one question at a time")],
    ["tool", JSON.stringify({ choice: "no", answered_by: "ann" })],
    ["user", expect.stringContaining("They are in a hurry")],
  ]);
  expect(await stock(office)).toEqual([9, 500]);
  expect((await office.factotum.showRun(run.id)).run.disposition).toBe("resolved");
  await office.close();
  await provider.close();
});

test("a question not worth an interruption is spared, and says why; a costlier one is put", async () => {
  let stake = microUsd(1_000_000);
  const seen: AskAnswer[] = [];
  const order = (): ReturnType<typeof whichLamp> => whichLamp({ default: "lamp", stake });
  const office = await openOffice(clerkWith(askingRung(order, seen)));
  const run = await office.order("light");
  expect([seen.map((one) => one.by), await stock(office)]).toEqual([["default"], [9, 500]]);
  const [spared] = (await office.factotum.showRun(run.id)).questions;
  expect([spared?.status, spared?.because]).toEqual([
    "spared",
    "an answer is worth $0.90: $1.00 at stake, importance normal, the default wrong in at most 90.0 % " +
      "(no answer to its like is known); asking costs $2.00",
  ]);
  stake = microUsd(50_000_000);
  await office.order("light");
  expect((await office.factotum.inbox()).length).toBe(1);
  await office.close();
});

const yesNo = [
  { id: "yes", label: "Yes" },
  { id: "no", label: "No" },
];

function fail(): never {
  throw new Error("there is no question");
}
