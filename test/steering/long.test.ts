/** A run of many steps; `npm run bench:steering -- --steps 2000` lives through one of thousands. */
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { longRun } from "../../bench/steering-long.ts";

const STEPS = 160;

test("each prompt of a long run fits its model's window and keeps what commitments depend on", async () => {
  const db = await throwawayDatabase();
  const report = await longRun({ steps: STEPS, env: { DATABASE_URL: db.url }, directory: "/" });
  await db.close();
  expect(report).toMatchObject({ steps: STEPS, lost: [], disposition: "resolved" });
  expect(report.tokensMax).toBeLessThanOrEqual(report.windowTokens);
  expect(report.folds).toBeGreaterThan(1);
  expect(report.foldsByModel).toBeGreaterThan(1);
  // The goal, three nudges, three answers, and six rows that were staged with what the tool said.
  expect(report.facts).toBeGreaterThanOrEqual(1 + 3 + 3 + 2 * 6);
});
