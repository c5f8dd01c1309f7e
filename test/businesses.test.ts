/** Recorded conversations through the whole path: our own always, others where they are at hand. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { attach } from "factotum/changes";
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { type Businesses, loadBusinesses, readBusinesses } from "../bench/businesses-data.ts";
import { openPath } from "../bench/businesses-path.ts";
import { enforce, type Judged } from "../bench/businesses-quality.ts";
import { grade, type Replayed, writtenTables } from "../bench/businesses-replay.ts";
import { checksum, readShapes } from "../bench/businesses-rows.ts";
import { sampleBusinesses } from "../bench/businesses-sample.ts";

const FOLDER = join(import.meta.dirname, "../../shared/data/businesses");
/** In the title, so that a run without recordings says what it left out. */
const NEEDS = "(needs ../shared/data/businesses beside the checkout; skipped without)";
/** Every so many recordings is one; `npm run bench:businesses` replays all. */
const EVERY = 60;

/** Observes every conversation, then holds it again in force; the tables end as they began. */
async function replayed(data: Businesses): Promise<readonly Judged[]> {
  const db = await throwawayDatabase();
  await loadBusinesses(db, data);
  await db.transaction((tx) => attach(tx, Object.values(writtenTables).flat()));
  const shapes = await readShapes(db, data);
  const before = await checksum(db, shapes);
  const observing = await openPath(db, data.recordings, "observe", 4);
  const runs: Replayed[] = [];
  for (const recording of data.recordings) {
    const held = await observing.hold(recording);
    runs.push(await grade(db, shapes, recording, held));
    await observing.decide(held, "discard");
  }
  await observing.close();
  expect(await checksum(db, shapes)).toBe(before);
  const inForce = await openPath(db, data.recordings, "enforce", 1);
  const judged: Judged[] = [];
  for (const run of runs) {
    const one = await enforce(inForce, run);
    judged.push(one);
    if (one.committed === 0) continue;
    expect(await checksum(db, shapes)).not.toBe(before);
    await inForce.undo(one.id);
    expect(await checksum(db, shapes)).toBe(before);
  }
  await inForce.close();
  return judged;
}

/** What was not as recorded. */
function misses(judged: readonly Judged[]) {
  return judged.flatMap(({ run }) => [
    ...run.answers.unequal,
    ...(run.rowsEqual ? [] : [`${run.recording.id}: other rows`]),
    ...(run.reward === run.recording.reward ? [] : [`${run.recording.id}: reward ${run.reward}`]),
  ]);
}

test("our own conversations end as recorded, and only the right ones are committed", async () => {
  const judged = await replayed(sampleBusinesses());
  expect(misses(judged)).toEqual([]);
  const ids = (of: (one: Judged) => boolean): readonly string[] =>
    judged.filter(of).map((one) => one.run.recording.id.replace("sample/", ""));
  expect(ids((one) => one.stopped)).toContain("unknown-caller");
  expect(ids((one) => one.stopped || one.asked)).toEqual(expect.arrayContaining(["not-owed", "half-done"]));
  expect(ids((one) => one.flagged)).toContain("half-done");
  expect(ids((one) => one.committed > 0)).toEqual(["cancelled", "exchanged", "moved"]);
}, 120_000);

test.skipIf(!existsSync(FOLDER))(
  `recorded conversations end in the recorded rows and reward ${NEEDS}`,
  async () => {
    const data = readBusinesses(FOLDER);
    const recordings = data.recordings.filter((_, at) => at % EVERY === 0);
    const judged = await replayed({ ...data, recordings });
    expect(judged.length).toBeGreaterThan(3);
    expect(misses(judged)).toEqual([]);
  },
  120_000,
);
