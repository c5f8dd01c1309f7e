/** Ten thousand open questions, and one answer for as many runs. */
import { answer, ask, listQuestions, type NewQuestion, subjectOf, tend, withdraw } from "factotum/inbox";
import type { QuestionId, RunId } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";

const MANY = 10_000;
const card = {
  ...{ title: "Which?", about: "", because: [], changes: [], calls: [] },
  choices: [
    { id: "a", label: "A" },
    { id: "b", label: "B" },
  ],
};
const subject = subjectOf({ topic: "question", question: "Which?", choices: ["a", "b"] });

/** Runs that are parked, with a question each; `merged` makes all wait for the first one's. */
async function manyOpen(merged: boolean): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query(
    `insert into factotum.runs (tenant, agent, agent_version, input, state, status)
     select 'default', 'clerk', 1, '{}', '{}', 'waiting' from generate_series(1, $1::integer)`,
    [MANY],
  );
  await db.query(
    `insert into factotum.questions (run_id, tenant, agent, card, topic, subject, merged_into)
     select r.id, 'default', 'clerk', $1, 'question', $2 || case when $3 then '' else r.id::text end,
       case when $3 and r.id > 1 then 1 end
     from factotum.runs r order by r.id`,
    [JSON.stringify(card), subject, merged],
  );
  return db;
}

const asked = (runId: string): NewQuestion => ({
  ...{ runId: runId as RunId, tenant: "default" as NewQuestion["tenant"], agent: "clerk", card },
  ...{ topic: "question", subject },
});

test("one answer goes to ten thousand runs that asked the same, and wakes them all", async () => {
  const db = await manyOpen(true);
  const open = await listQuestions(db);
  expect(open.map((one) => one.alsoFor)).toEqual([MANY - 1]);
  await db.transaction((tx) => answer(tx, "77" as QuestionId, { choice: "b", by: "ann" }));
  const { rows } = await db.query(
    `select q.status, q.answer ->> 'choice' as choice, r.status as run, count(*)::integer as n
     from factotum.questions q join factotum.runs r on r.id = q.run_id group by 1, 2, 3`,
  );
  expect(rows).toEqual([{ status: "answered", choice: "b", run: "ready", n: MANY }]);
  await db.close();
});

test("with ten thousand open, listing is bounded, and asking and leaving still merge", async () => {
  const db = await manyOpen(false);
  expect((await listQuestions(db)).length).toBe(500);
  const first = await db.transaction((tx) => ask(tx, asked("1")));
  const second = await db.transaction((tx) => ask(tx, asked("2")));
  const third = await db.transaction((tx) => ask(tx, asked("3")));
  await db.transaction((tx) => withdraw(tx, "1" as RunId));
  const heir = await db.transaction((tx) => tend(tx, third.id, new Date()));
  expect([heir.question.status, heir.question.mergedInto]).toEqual(["open", second.id]);
  await db.transaction((tx) => answer(tx, third.id, { choice: "a", by: "ann" }));
  const of = async (id: QuestionId): Promise<unknown> =>
    (await db.query("select status from factotum.questions where id = $1", [id])).rows[0]?.["status"];
  expect([await of(first.id), await of(second.id), await of(third.id)]).toEqual([
    ...["withdrawn", "answered", "answered"],
  ]);
  await db.close();
});
