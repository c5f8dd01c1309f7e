import { listTools, type ToolLine } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { skeleton } from "./skeleton.ts";
import type { Paint } from "./terminal.ts";

/** Lists what an agent's tools are called and want: what a correction is made of. */
export function toolsCommand(agent: string | undefined): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const tools = await listTools(factotum, agent);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ tools });
      else terminal.out(tools.map((tool) => renderTool(tool, terminal.paint)).join("\n\n"));
      return exitCodes.ok;
    });
}

function renderTool(tool: ToolLine, paint: Paint): string {
  const [call] = skeleton([{ ...tool, effect: "write" }]);
  return [
    `${paint.bold(cleanLine(tool.name))}  ${paint.dim(`${tool.effect}, of ${cleanLine(tool.agent)}`)}`,
    `  ${cleanLine(tool.description, 2_000)}`,
    `  ${paint.cyan(cleanLine(JSON.stringify(call), 2_000))}`,
  ].join("\n");
}
