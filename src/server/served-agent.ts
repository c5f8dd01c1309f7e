import { InputError } from "../kernel/index.ts";
import type { Config } from "./config.ts";

/** The agent that is served: the one named, or the only one there is. @throws {InputError} `agent-unnamed` */
export function servedAgent(config: Config, name: string | undefined): string {
  const [first, ...others] = config.agents;
  if (name !== undefined) return name;
  if (first !== undefined && others.length === 0) return first.name;
  const known = config.agents.map((agent) => agent.name).join(", ");
  throw new InputError({
    code: "agent-unnamed",
    message: `there are several agents; name one of ${known}: factotum mcp --agent NAME, or POST /mcp/NAME`,
  });
}
