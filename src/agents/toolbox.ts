import { FactotumError, messageOf } from "../kernel/index.ts";
import { introspect, sqlStateOf, type Transaction } from "../postgres/index.ts";
import type { Agent } from "./agent.ts";
import { generateTools } from "./generate/generate-tools.ts";
import type { Tool } from "./tool.ts";

/** The tools of an agent by name: its own, and those generated from the live schema. */
export type Toolbox = ReadonlyMap<string, Tool>;

/**
 * Collects an agent's tools; an agent's own tool wins over a generated one of the same name.
 *
 * @throws what introspection throws for a table that is missing or has no primary key
 */
export async function openToolbox(tx: Transaction, agent: Agent): Promise<Toolbox> {
  const access = agent.generate ?? {};
  const tables = await introspect(tx, Object.keys(access));
  const generated = generateTools(tables, access);
  return new Map([...generated, ...agent.tools].map((one) => [one.name, one]));
}

/** The sentence a model is given for a tool that failed; internals of a bug are not shown to it. */
export function toolFailure(error: unknown): string {
  if (error instanceof FactotumError) return error.message;
  return `the tool failed: ${messageOf(error)}`;
}

/** Whether a tool failed only because others worked on the same rows at the same moment. */
export function isContention(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === "40001" || state === "40P01";
}
