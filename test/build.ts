/** Makes `dist`, which tests start the command from. */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import options, { output } from "../rolldown.config.ts";
import { dist } from "./built.ts";

const root = join(import.meta.dirname, "..");
const SOURCES = ["src/**/*.ts", "rolldown.config.ts", "package.json", "package-lock.json"];
/** Says in `dist` which sources it was made of. */
const MARK = "made-of.txt";

/** Makes `dist` of the sources as they are, unless it is made of them already. */
export async function build(): Promise<void> {
  const sources = hashOfSources();
  if (isMadeOf(sources)) return;
  const made = join(root, ".factotum", `dist-${process.pid}`);
  const bundle = await rolldown(options);
  await bundle.write({ ...output, dir: made });
  await bundle.close();
  writeFileSync(join(made, MARK), sources);
  // Another run of tests in this checkout may have made the same meanwhile.
  if (!isMadeOf(sources)) {
    const former = `${made}-former`;
    if (existsSync(dist)) renameSync(dist, former);
    renameSync(made, dist);
    rmSync(former, { recursive: true, force: true });
  }
  rmSync(made, { recursive: true, force: true });
}

function hashOfSources(): string {
  const hash = createHash("sha256");
  for (const file of globSync(SOURCES, { cwd: root }).toSorted())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

function isMadeOf(sources: string): boolean {
  const mark = join(dist, MARK);
  return existsSync(mark) && readFileSync(mark, "utf8") === sources;
}
