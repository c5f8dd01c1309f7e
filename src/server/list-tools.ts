import { openToolbox, type Tool } from "../agents/index.ts";
import { InputError } from "../kernel/index.ts";
import type { Factotum } from "./factotum.ts";

/** A tool as a person who corrects a change needs to know it; the schema is JSON Schema. */
export type ToolLine = Pick<Tool, "name" | "effect" | "description" | "inputSchema"> & {
  readonly agent: string;
};

/**
 * The tools of an agent, or of all, those generated from the live schema among them.
 *
 * @throws {InputError} `agent-unknown`; what introspection throws for a missing table
 */
export async function listTools(factotum: Factotum, name?: string): Promise<readonly ToolLine[]> {
  const { agents } = factotum.config;
  const wanted = name === undefined ? agents : agents.filter((agent) => agent.name === name);
  if (wanted.length === 0 && name !== undefined) {
    const known = agents.map((agent) => agent.name).join(", ");
    throw new InputError({ code: "agent-unknown", message: `there is no agent ${name}; there is ${known}` });
  }
  const lines: ToolLine[] = [];
  for (const agent of wanted) {
    const toolbox = await factotum.db.transaction((tx) => openToolbox(tx, agent), { readOnly: true });
    for (const { name: tool, effect, description, inputSchema } of toolbox.values()) {
      lines.push({ agent: agent.name, name: tool, effect, description, inputSchema });
    }
  }
  return lines;
}
