/** Tools that touch no table: thinking aloud, and handing over to a person. */
import { tool, type Tool } from "factotum/agents";
import { z } from "zod";
import { calculateTool } from "./calculate.ts";
import type { Dialect } from "./dialect.ts";

/** What every desk has: sums, a place to think, and the way to a person. */
export function everydayTools(dialect: Dialect): readonly Tool[] {
  return [calculateTool(dialect), think, transfer];
}

const think = tool({
  name: "think",
  description: "A place to reason before acting; it reads and changes nothing.",
  effect: "read",
  input: z.strictObject({ thought: z.string() }),
  output: z.string(),
  run: async () => "",
});

const transfer = tool({
  name: "transfer_to_human_agents",
  description:
    "Hands the customer over to a person, with a summary; only where the request cannot be handled with " +
    "the other tools.",
  effect: "read",
  input: z.strictObject({ summary: z.string() }),
  output: z.string(),
  run: async () => "Transfer successful",
});
