/** The recordings themselves, where they are at hand: a few, since `npm run bench:businesses` replays all. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { attach } from "factotum/changes";
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { loadBusinesses, readBusinesses } from "../../bench/businesses-data.ts";
import { replay, writtenTables } from "../../bench/businesses-replay.ts";
import { readShapes } from "../../bench/businesses-rows.ts";

const FOLDER = join(import.meta.dirname, "../../../shared/data/businesses");
/** In the title, so that a run without recordings says what it left out. */
const NEEDS = "(needs ../shared/data/businesses beside the checkout; skipped without)";

test.skipIf(!existsSync(FOLDER))(
  `recorded conversations end in the recorded rows and reward ${NEEDS}`,
  async () => {
    const data = readBusinesses(FOLDER);
    const db = await throwawayDatabase();
    await loadBusinesses(db, data);
    await db.transaction((tx) => attach(tx, Object.values(writtenTables).flat()));
    const shapes = await readShapes(db, data);
    const sample = data.recordings.filter((_, at) => at % 40 === 0);
    expect(sample.length).toBeGreaterThan(3);
    for (const recording of sample) {
      const done = await replay(db, shapes, recording);
      expect({
        id: recording.id,
        rows: done.rowsEqual,
        reward: done.reward,
        unequal: done.answers.unequal,
      }).toEqual({
        ...{ id: recording.id, rows: true, reward: recording.reward, unequal: [] },
      });
    }
  },
);
