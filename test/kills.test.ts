import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { killCampaign } from "../bench/kill-campaign.ts";
import { seed } from "./seed.ts";

/** Deaths of each scenario in each manner; `npm run bench:kills` tries every one there is. */
const EACH = 2;
/** Things that a worker sends to the outside until its order is committed and its letter delivered. */
const ACTS_MIN = { code: 20, model: 40 };

test("workers killed between any two steps of stage, verify, commit and outbox do it once", async () => {
  const { counts, broken } = await killCampaign({ db: await throwawayDatabase(), seed, each: EACH });
  expect(broken, `seed ${seed}`).toEqual([]);
  expect(counts).toHaveLength(4);
  for (const { scenario, acts } of counts) expect(acts).toBeGreaterThan(ACTS_MIN[scenario]);
  const sum = (of: "killed" | "uncommitted"): number => counts.reduce((all, one) => all + one[of], 0);
  expect(sum("killed")).toBeGreaterThan(0);
  expect(sum("uncommitted")).toBeGreaterThan(0);
}, 300_000);
