import type { z } from "zod";
import { z as schema } from "zod";
import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Transaction } from "../../postgres/index.ts";
import { type Tool, tool } from "../tool.ts";
import type { TablePlan } from "./plan.ts";

/** A tool of one table, before it has its name and its description. */
type Generated<In extends z.ZodType> = {
  readonly verb: "find" | "aggregate" | "insert" | "upsert" | "update" | "delete";
  readonly effect: "read" | "write";
  readonly says: string;
  readonly input: In;
  run(tx: Transaction, input: z.output<In>): Promise<Record<string, unknown>>;
};

/** Makes a tool of a table: what the catalogue knows of the table becomes its description. */
export function generated<In extends z.ZodType>(plan: TablePlan, spec: Generated<In>): Tool {
  const made = tool({
    name: `${spec.verb}_${plan.name}`,
    description: describe(plan, spec.says),
    effect: spec.effect,
    input: spec.input,
    output: schema.record(schema.string(), schema.unknown()),
    run: (tx, input) => spec.run(tx, input),
  });
  return { ...made, inputSchema: terse(made.inputSchema) };
}

function describe({ table }: TablePlan, what: string): string {
  const keys = `Key: ${table.primaryKey.columns.join(", ")}.`;
  const references = table.foreignKeys.map(
    (key) => `${key.columns.join(", ")} refers to ${key.target}(${key.targetColumns.join(", ")}).`,
  );
  const rules = table.checks.map((check) => `${check.definition}.`);
  return [`Table ${table.name}.`, table.comment, what, keys, ...references, ...rules]
    .filter(Boolean)
    .join(" ");
}

const SAFE = Number.MAX_SAFE_INTEGER;
const TYPE_BOUNDS = new Set([SAFE, -SAFE, 2_147_483_647, -2_147_483_648, 32_767, -32_768]);

/** Leaves the bounds of integer types out: schemas are paid for with every call, and the type says it. */
function terse(value: Json): Json {
  if (Array.isArray(value)) return value.map(terse);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject)
      .filter(
        ([name, inner]) => !((name === "minimum" || name === "maximum") && TYPE_BOUNDS.has(inner as number)),
      )
      .map(([name, inner]) => [name, terse(inner)]),
  );
}
