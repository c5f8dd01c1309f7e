import { serveMcp, servedAgent } from "../server/index.ts";
import { type Command, loadProject, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";

/** `--agent` and `--work`, as given. */
export type McpOptions = { readonly agent?: string; readonly work: boolean };

/** Serves an agent's tools to the MCP client that started this process, until it goes. */
export function mcpCommand(options: McpOptions): Command {
  return async (setting) => {
    const { config } = await loadProject(setting);
    const agent = servedAgent(config, options.agent);
    const { terminal, signal } = setting;
    return withFactotum(setting, async (factotum) => {
      await factotum.prepare();
      await factotum.outside.bench(agent);
      const worker = options.work ? factotum.work() : undefined;
      const served = await serveMcp(factotum, agent, process, terminal.note);
      terminal.note(`${config.name}: MCP for agent ${agent} on stdin and stdout; ${factotum.databaseLabel}`);
      try {
        await Promise.race([served.ended, stopped(signal)]);
      } finally {
        await served.close();
        await worker?.stop();
      }
      return exitCodes.ok;
    });
  };
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
