/** The airline's desk as a project of its own, on the sample airline. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "factotum/server";
import { airlineAgent } from "./agent.ts";

const desk = airlineAgent();

export default defineConfig({
  name: "airline_desk",
  agents: [desk],
  async prepare(tx) {
    const { rows } = await tx.query("select from pg_catalog.pg_namespace where nspname = 'airline'");
    if (rows.length === 0) await tx.query(readFileSync(join(import.meta.dirname, "sample.sql"), "utf8"));
  },
  intake: {
    option: "visits",
    describe: "names of conversations to open, joined by commas, instead of the one visit",
    async *read(names = "visit-1") {
      for (const reference of names.split(",").map((name) => name.trim())) {
        const kind = "work" as const;
        yield { kind, agent: desk.name, key: reference, input: { reference }, name: reference };
      }
    },
  },
});
