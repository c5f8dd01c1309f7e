import { FactotumError, InputError, type Json, messageOf } from "../kernel/index.ts";
import { introspect, sqlStateOf, type Transaction } from "../postgres/index.ts";
import type { ToolCall } from "../policy/index.ts";
import type { Agent } from "./agent.ts";
import { generateTools } from "./generate.ts";
import type { CallContext, Tool } from "./tool.ts";

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
  const generated = tables.flatMap((table) => generateTools(table, access[table.name]));
  return new Map([...generated, ...agent.tools].map((one) => [one.name, one]));
}

/**
 * Calls one tool inside a staging transaction. A tool that throws leaves none of its changes behind,
 * and the transaction goes on.
 *
 * @throws {InputError} `tool-unknown`; whatever the tool throws
 */
export async function callTool(
  tx: Transaction,
  toolbox: Toolbox,
  call: { readonly tool: string; readonly input: Json },
  context: CallContext,
): Promise<ToolCall> {
  const found = toolbox.get(call.tool);
  if (found === undefined) throw unknownTool(toolbox, call.tool);
  await tx.query("savepoint factotum_tool");
  try {
    const output = await found.call(tx, call.input, context);
    await tx.query("release savepoint factotum_tool");
    return { ...call, output };
  } catch (error) {
    await tx.query("rollback to savepoint factotum_tool");
    throw error;
  }
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

function unknownTool(toolbox: Toolbox, name: string): InputError {
  return new InputError({
    code: "tool-unknown",
    message: `there is no tool ${name}; there are ${[...toolbox.keys()].join(", ")}`,
  });
}
