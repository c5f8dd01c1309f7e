/** What a fresh clone is installed from. */
import { expect, test } from "vitest";
import { missingFrom, readLock } from "./lock-file.ts";

test("the lock file names the packages of every platform, so that npm ci accepts it anywhere", () => {
  const lock = readLock();
  expect(Object.keys(lock.packages).length).toBeGreaterThan(200);
  expect(missingFrom(lock), "mend it with: node test/journeys/lock-file.ts").toEqual([]);
});
