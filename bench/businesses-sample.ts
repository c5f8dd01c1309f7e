/** Conversations of our own over the sample shop and airline, so that the whole path runs without data. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Businesses, readRecordings } from "./businesses-data.ts";

const EXAMPLES = join(import.meta.dirname, "..", "examples");

/** The samples with their conversations, in the form of the recorded businesses. */
export function sampleBusinesses(): Businesses {
  const read = (domain: string): string => readFileSync(join(EXAMPLES, domain, "sample.sql"), "utf8");
  return {
    schema: read("retail") + read("airline"),
    tables: { retail: {}, airline: {} },
    tasks: [],
    recordings: ["shop.retail", "desk.airline"].flatMap((name) =>
      readRecordings(join(import.meta.dirname, "sample-talks", `trajectories.${name}.jsonl`), new Map()),
    ),
    sameTask: new Map(),
  };
}
