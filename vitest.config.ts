import { randomInt } from "node:crypto";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

const SEED_MAX = 2 ** 31;

export default defineConfig(({ mode }) => ({
  resolve: { conditions: ["factotum-source", "node"] },
  ssr: {
    resolve: { conditions: ["factotum-source", "node"], externalConditions: ["factotum-source", "node"] },
  },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: ["test/global-setup.ts"],
    setupFiles: ["test/seed.ts"],
    // What is random is the same each time, unless asked otherwise: see docs/decisions/2026-11-28-seeds.md.
    env: {
      FACTOTUM_SEED: process.env["FACTOTUM_SEED"] ?? (mode === "random" ? String(randomInt(SEED_MAX)) : "1"),
    },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
}));
