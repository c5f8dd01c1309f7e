/**
 * The turn protocol's simulation with many seeds.
 *
 *   npm run --silent bench:simulation -- --seeds 200 [--seed 1]
 *
 * Prints the acts of each seed, and ends with 1 and a trace at the first that finds something.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const { status } = spawnSync("npx", ["vitest", "run", "test/simulation"], {
  stdio: "inherit",
  env: { ...process.env, FACTOTUM_SEEDS: given.seeds, FACTOTUM_SEED: given.seed },
});
process.exitCode = status ?? 1;
