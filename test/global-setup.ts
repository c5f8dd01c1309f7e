/** Vitest's globalSetup: the command as it is built, and one Postgres for all test files. */
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openDatabase } from "../src/postgres/index.ts";
import { makeTemplate } from "../src/testing/database.ts";
import { build } from "./build.ts";

/** Tests need no durability: a crash of the machine costs them nothing. */
const SETTINGS = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "400" };

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.stderr.write(`random tests go by FACTOTUM_SEED=${project.config.env["FACTOTUM_SEED"]}\n`);
  await build();
  project.onTestsRerun(build);
  const db = await openDatabase({
    kind: "embedded",
    directory: join(import.meta.dirname, "..", ".factotum", "test-postgres"),
    settings: SETTINGS,
    say: (line) => void process.stderr.write(`${line}\n`),
  });
  project.provide("factotumServer", await makeTemplate(db));
  return async () => {
    await db.close();
  };
}
