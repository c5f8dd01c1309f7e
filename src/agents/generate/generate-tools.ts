import type { Table } from "../../postgres/index.ts";
import type { TableAccess } from "../../changes/index.ts";
import type { Tool } from "../tool.ts";
import { aggregateTool } from "./aggregate.ts";
import { findTool } from "./find.ts";
import { planTables } from "./plan.ts";
import { writeTools } from "./write.ts";

/**
 * Generates the tools of declared tables from their live schema: names, types, keys, enums, checks and
 * comments become names, JSON Schema and descriptions. `read` gives `find_*` and `aggregate_*`; `write` adds
 * insert, upsert where keys are given by hand, update and delete. A table that is not declared is in no tool,
 * and cannot be included from one. Values are always parameters; names come out of the catalogue.
 *
 * @param lasting tables whose rows cannot be deleted
 */
export function generateTools(
  tables: readonly Table[],
  access: { readonly [table: string]: TableAccess },
  lasting: ReadonlySet<string> = new Set(),
): readonly Tool[] {
  const plans = planTables(tables, access);
  return [...plans.values()].flatMap((plan) => [
    ...[findTool(plans, plan), aggregateTool(plan)],
    ...(plan.access === "write" ? writeTools(plan, !lasting.has(plan.table.name)) : []),
  ]);
}
