/** The short form of `npm run bench:month`: some of the queue, lived to the end. */
import { liveMonth } from "../../bench/month-life.ts";
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";

test(
  "weeks of notices, answers late or never and daily restarts end in the true calendar and tickets",
  { timeout: 180_000 },
  async () => {
    const [life, truth] = [await throwawayDatabase(), await throwawayDatabase()];
    const month = await liveMonth(
      2,
      { directory: ".", url: life.url },
      { directory: ".", url: truth.url },
      16,
    );
    expect(month.wrong).toEqual([]);
    expect(month.days).toBeGreaterThan(21);
    expect(month.restarts).toBeGreaterThan(5);
    expect(month.answered + month.late + month.never).toBeGreaterThan(5);
    await life.close();
    await truth.close();
  },
);
