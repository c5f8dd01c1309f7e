import { concurrencyOf, workerJson, workerName } from "../server/index.ts";
import { type Command, loadProject, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderWorkers } from "./render-workers.ts";
import { untilStopped } from "./until-stopped.ts";

/** Options of `work`. */
export type WorkerOptions = {
  readonly agents?: string;
  readonly concurrency?: number;
  /** Seconds that stopping gives to what is in hand. */
  readonly drain?: number;
};

const MS = 1_000;

/** A worker and nothing else: no intake, no port. */
export function workCommand({ agents: named, concurrency, drain }: WorkerOptions): Command {
  return async (setting) => {
    const { config } = await loadProject(setting);
    const { terminal, signal } = setting;
    const agents = named?.split(",").map((name) => name.trim());
    const options = {
      ...(agents !== undefined && { agents }),
      ...(concurrency !== undefined && { concurrency }),
      ...(drain !== undefined && { stopMs: drain * MS }),
    };
    return withFactotum(setting, async (factotum) => {
      await factotum.prepare();
      const worker = factotum.work(options);
      try {
        const whose = agents ?? config.agents.map((agent) => agent.name);
        const atOnce = concurrencyOf(config, options);
        const name = workerName();
        terminal.note(`${config.name}: ${factotum.databaseLabel}`);
        terminal.note(`worker ${name} works for ${whose.join(", ")}, on ${atOnce} at once`);
        terminal.note("stop with Ctrl-C or SIGTERM: what is in hand is finished first");
        if (terminal.json) terminal.result({ name, agents: whose, concurrency: atOnce });
        await untilStopped(worker, signal);
        terminal.note("stopping: it takes no more, and finishes what is in hand");
      } finally {
        await worker.stop();
      }
      return exitCodes.ok;
    });
  };
}

/** Lists the workers of every machine, with what they have in hand. */
export function workersCommand(): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const lines = await factotum.workers();
      const { terminal } = setting;
      if (terminal.json) terminal.result({ workers: lines.map(workerJson) });
      else
        terminal.out(
          lines.length === 0 ? "no worker; start one with: factotum work" : renderWorkers(lines, terminal),
        );
      return exitCodes.ok;
    });
}
