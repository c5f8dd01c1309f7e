/**
 * Runs the code blocks of the README and of every page in docs/, as a reader would.
 *
 * Each page gets an empty project with `factotum` installed (a link to this checkout, of which it sees what
 * is built, as npm would bring it), and its blocks are run in order. The info string says what a block is:
 *
 *     ```sh                        run by sh, must end with 0; exported variables reach later blocks
 *     ```sh exit=2                 must end with that code
 *     ```sh background             left running once it has printed the text below; ends with 0 when stopped
 *     ```sh eventually             run again until it prints the text below
 *     ```sql                       run by a superuser in the first database that the page names
 *     ```sql eventually            run again until it returns the text below
 *     ```ts title="a.ts"           written to a file, and type-checked; so are other languages with a title
 *     ```ts                        type-checked and run by node
 *     ```text                      what the block above prints: these lines in this order, others may stand
 *                                  between; spaces count as one, `…` stands for anything
 *     ```sh unrun="why"            not run
 *
 * `localhost:5432/NAME` is an empty database of that name on a real Postgres; `postgres:secret` is its
 * superuser; port 7717 is a free one; `npx` only looks into node_modules. Without an address in DATABASE_URL
 * a page gets the embedded database. There is no network and no model. In the README, `npm ci && npm start`
 * is what it comes to once all is installed, ended after the table.
 */
import { spawnSync } from "node:child_process";
import { globSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, inject, test } from "vitest";
import { type Block, readBlocks } from "./docs/blocks.ts";
import { makeProjects, openPage } from "./docs/page.ts";

const root = join(import.meta.dirname, "..");
const pages = ["README.md", ...globSync("docs/*.md", { cwd: root }).sort()];
const PAGE_MS_MAX = 300_000;
const projects = makeProjects();
let ran = 0;
/** Pages are run two at a time: much of what a page does is waiting. */
const LANES = 2;
const lanes: Promise<unknown>[] = [];
afterAll(() => rmSync(projects, { recursive: true, force: true }));

for (const [at, name] of pages.entries()) {
  test.concurrent(`${name} does what it says`, { timeout: PAGE_MS_MAX }, async () => {
    const before = lanes[at % LANES];
    const done = Promise.resolve(before).then(async () => runPage(name));
    lanes[at % LANES] = done.catch(() => undefined);
    const executed = await done;
    expect(executed, `${name}: no block was run`).toBeGreaterThan(0);
    ran += executed;
  });
}

test("their TypeScript fits the types", { timeout: PAGE_MS_MAX }, () => {
  expect(typeErrors()).toEqual([]);
});

test("all pages were seen, and their blocks run", () => {
  expect(pages.length).toBeGreaterThan(4);
  expect(ran).toBeGreaterThan(40);
});

/** Runs the blocks of a page in order; returns how many there were to run. */
async function runPage(name: string): Promise<number> {
  const blocks = readBlocks(join(root, name), name);
  const page = await openPage(projects, name, blocks, inject("factotumServer").url);
  let executed = 0;
  try {
    for (const [at, block] of blocks.entries()) {
      if (block.options.has("unrun")) continue;
      if (block.language === "text") {
        if (!runs(blocks[at - 1])) throw new Error(`${block.where}: nothing above it prints this`);
        continue;
      }
      const next = blocks[at + 1];
      await page.run(block, next?.language === "text" ? next.text : undefined);
      if (runs(block)) executed += 1;
    }
  } finally {
    await page.close();
  }
  return executed;
}

/** Whether a block does something, rather than only being written down. */
function runs(block: Block | undefined): boolean {
  return block !== undefined && !block.options.has("title") && !block.options.has("unrun");
}

/** What the compiler says of the pages' own files, by the settings of a project of ours. */
function typeErrors(): readonly string[] {
  const typeRoots = [join(root, "node_modules", "@types")];
  const settings = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { typeRoots },
    include: ["*/*.ts"],
  };
  writeFileSync(join(projects, "tsconfig.json"), JSON.stringify(settings));
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const options = { cwd: projects, encoding: "utf8" } as const;
  const { stdout } = spawnSync(process.execPath, [compiler, "-p", "."], options);
  return stdout.split("\n").filter((line) => /^[\w-]+\/[\w.-]+\(.*error TS/.test(line));
}
