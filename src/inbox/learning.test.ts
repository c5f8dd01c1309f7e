/** What is asked, and what is not, follows from how its like were answered. */
import { answer, ask, getQuestion, type Question } from "factotum/inbox";
import { microUsd, type RunId, type TenantId } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";

const card = {
  ...{ title: "Which?", about: "", because: [], changes: [], calls: [] },
  choices: [
    { id: "usual", label: "As always" },
    { id: "other", label: "Otherwise" },
  ],
};
/** More than this many right answers in a row are never needed for five dollars at stake. */
const RIGHT_MAX = 10;
const AUDIT_EVERY = 20;

/** Asks once more; asking costs two dollars. */
async function put(db: Database, topic: string): Promise<Question> {
  const stake = microUsd(5_000_000);
  const asked = { runId: "1" as RunId, tenant: "default" as TenantId, agent: "clerk", card, topic, stake };
  const dueAt = new Date("2030-01-01T00:00:00Z");
  const { id } = await db.transaction((tx) => ask(tx, { ...asked, defaultChoice: "usual", dueAt }));
  return getQuestion(db, id);
}

/** Asks and answers until a question stands so; how many were asked before it. */
async function until(
  db: Database,
  topic: string,
  wanted: "spared" | "open",
  choice: string,
): Promise<number> {
  for (let asked = 0; ; asked += 1) {
    const { id, status } = await put(db, topic);
    if (status === "open") await db.transaction((tx) => answer(tx, id, { choice, by: "ann" }));
    if (status === wanted) return asked;
  }
}

test("answers teach when not to ask; one in twenty is asked all the same, and may teach anew", async () => {
  const db = await throwawayDatabase();
  await db.query(
    `insert into factotum.runs (tenant, agent, agent_version, input, state, status)
     values ('default', 'clerk', 1, '{}', '{}', 'waiting')`,
  );
  const taught = await until(db, "lamp", "spared", "usual");
  expect(taught).toBeGreaterThan(1);
  expect(taught).toBeLessThan(RIGHT_MAX);
  // Of another kind nothing is known yet.
  expect((await put(db, "chair")).status).toBe("open");
  // The one that was spared above counts, too.
  expect(await until(db, "lamp", "open", "other")).toBe(AUDIT_EVERY - 2);
  // Found wrong by that one answer, the default is worth a question again.
  const again = await put(db, "lamp");
  expect([again.status, again.because]).toEqual(["open", expect.stringContaining("were not the default")]);
  await db.close();
});
