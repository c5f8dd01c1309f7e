import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { campaign } from "../bench/chaos-campaign.ts";
import { seed } from "./seed.ts";

test("workers killed, paused and cut off, on a server that dies, do every effect once", async () => {
  const directory = await mkdtemp(join(tmpdir(), "factotum-chaos-"));
  const load = { workers: 3, runsAtOnce: 16, leaseMs: 1_500, notices: 6, alone: 0 };
  const report = await campaign({ directory, seconds: 4, seed, ...load });
  await rm(directory, { recursive: true, force: true });
  const story = JSON.stringify(report);
  expect({ ...report, story }).toMatchObject({ lost: 0, doubled: 0, stuck: 0, story });
  for (const calls of [report.calls, report.desk.calls])
    expect({ ...calls, story }).toMatchObject({ unrecorded: 0, askedAgain: 0, story });
  expect(report.desk.runs).toBe(load.notices);
  expect(report.kills + report.pauses + report.cuts + report.postgresRestarts).toBeGreaterThan(0);
  expect(report.effects).toBe((report.runs - load.notices) * 75 + report.desk.effects);
}, 300_000);
