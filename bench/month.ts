/** A month of the desk on a fake clock: `npm run bench:month -- [--seed N] [--json]`. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { liveMonth } from "./month-life.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, json: { type: "boolean", default: false } },
});
const folders = [
  await mkdtemp(join(tmpdir(), "factotum-month-")),
  await mkdtemp(join(tmpdir(), "factotum-truth-")),
];
try {
  const [life = "", truth = ""] = folders;
  const month = await liveMonth(Number(values.seed), { directory: life }, { directory: truth });
  if (values.json) console.log(JSON.stringify(month));
  else for (const [name, value] of Object.entries(month)) console.log(name, JSON.stringify(value));
  if (month.wrong.length > 0) process.exitCode = 1;
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
