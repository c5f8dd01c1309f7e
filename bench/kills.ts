/**
 * Workers killed with SIGKILL at everything that they send to the outside (statements, commits, requests to
 * the provider, letters), before it arrives or before its answer is heard; then the books are compared.
 *
 *   npm run --silent bench:kills -- [--each N] [--seed 1] [--json]
 *
 * Without `--each` every act there is; with it so many of each kind, drawn by the seed. It ends with 1 where
 * anything was half applied, delivered without its commit, or not done exactly once in the end.
 */
import { parseArgs } from "node:util";
import { migrate, openDatabase } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";
import { killCampaign } from "./kill-campaign.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    each: { type: "string" },
  },
});
const db = await openDatabase({ kind: "embedded", directory: benchFolder() });
await migrate(db);
const report = await killCampaign({
  ...{ db, seed: Number(given.seed), each: given.each === undefined ? "all" : Number(given.each) },
  say: (line) => console.error(line),
});
await db.close();
if (given.json) console.log(JSON.stringify(report));
else {
  console.table(report.counts);
  for (const line of report.broken) console.log(line);
}
if (report.broken.length > 0) process.exitCode = 1;
