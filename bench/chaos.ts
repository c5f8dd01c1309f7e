/**
 * The crash campaign: workers killed with SIGKILL, paused with SIGSTOP past their lease and resumed, Postgres
 * killed and started again, connections cut, at random, while synthetic runs go through 50 steps each and the
 * network desk works off its mail; then every effect is counted, the desk's in its business tables.
 *
 *   npm run --silent bench:chaos -- --seconds 60 [--seed 1] [--workers 4] [--runs 100]
 *     [--notices 90] [--lease 10000] [--alone 8] [--say] [--json]
 *
 * The order and kind of what is done come from the seed; what it hits is up to the machine.
 *
 * `takeoverMs` is from kill -9 to the next step elsewhere, of each run that the worker had in hand, amid
 * everything else, and `pickedUpMs` until it was picked up; `disturbedMs` of those to which something else
 * happened meanwhile: bench/chaos-takeovers.ts says what. After the storm come `--alone` more kills and half
 * as many pauses one by one, with all workers there: `aloneMs`. `pausedLeases` are the same of SIGSTOP, in
 * leases. `--say` tells what is done, and what workers say of it.
 */
import { parseArgs } from "node:util";
import { benchFolder } from "./bench-folder.ts";
import { campaign } from "./chaos-campaign.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    workers: { type: "string", default: "4" },
    runs: { type: "string", default: "100" },
    notices: { type: "string", default: "90" },
    lease: { type: "string", default: "10000" },
    alone: { type: "string", default: "8" },
    say: { type: "boolean", default: false },
  },
});
const report = await campaign({
  directory: benchFolder(),
  seconds: Number(given.seconds),
  seed: Number(given.seed),
  workers: Number(given.workers),
  leaseMs: Number(given.lease),
  runsAtOnce: Number(given.runs),
  notices: Number(given.notices),
  alone: Number(given.alone),
  say: (line) => {
    if (given.say) console.error(`${(performance.now() / 1_000).toFixed(3)} ${line}`);
  },
});
const { lost, doubled, stuck, calls, desk } = report;
const misbooked = [calls, desk.calls].map(({ unrecorded, askedAgain }) => unrecorded + askedAgain);
if (given.json) {
  const { seed, kills, pauses, postgresRestarts, runs, finished, effects } = report;
  const { takeoverMs, pickedUpMs, disturbedMs, aloneMs, pausedLeases } = report;
  const done = { seed, kills, pauses, postgresRestarts, runs, finished, effects, lost, doubled, stuck };
  console.log(JSON.stringify({ ...done, takeoverMs, pickedUpMs, disturbedMs, aloneMs, pausedLeases }));
} else console.dir(report, { depth: 4 });
if ([lost, doubled, stuck, ...misbooked].some((count) => count > 0)) process.exitCode = 1;
