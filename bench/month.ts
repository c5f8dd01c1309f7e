/** A month of the desk on a fake clock: `npm run bench:month -- [--seed N] [--json]`. */
import { parseArgs } from "node:util";
import { benchFolder } from "./bench-folder.ts";
import { liveMonth } from "./month-life.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, json: { type: "boolean", default: false } },
});
const month = await liveMonth(
  Number(values.seed),
  { directory: benchFolder() },
  { directory: benchFolder() },
);
if (values.json) console.log(JSON.stringify(month));
else for (const [name, value] of Object.entries(month)) console.log(name, JSON.stringify(value));
if (month.wrong.length > 0) process.exitCode = 1;
