/** The `factotum` command: reads the process, does one piece of work, ends with its exit code. */
import { CommanderError } from "commander";
import type { Intake } from "../server/index.ts";
import { type Command, loadProject } from "./command.ts";
import { exitCodes, reportError } from "./exit-codes.ts";
import { type GlobalOptions, makeProgram } from "./program.ts";
import { makeTerminal } from "./terminal.ts";

/** A second signal this long after the first ends the process at once; sooner, it is the same Ctrl-C twice. */
const IMPATIENT_MS = 1_000;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const early = makeProgram(() => {}).parseOptions(args);
  const intake = early.operands[0] === "run" ? await findIntake(args) : undefined;
  let work: Command | undefined;
  const program = makeProgram((chosen) => {
    work = chosen;
  }, intake);
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  const options = program.opts<GlobalOptions>();
  const terminal = makeTerminal(process, process.env, { json: options.json === true, color: options.color });
  try {
    return await (work as Command)({
      ...{ terminal, env: process.env, directory: process.cwd() },
      ...{ configPath: options.config, signal: stopSignal() },
    });
  } catch (error) {
    return reportError(error, terminal, options.verbose === true);
  }
}

/** The project's intake, for the option it adds to `run`; what is wrong with the project shows later. */
async function findIntake(args: readonly string[]): Promise<Intake | undefined> {
  const program = makeProgram(() => {});
  program.parseOptions([...args]);
  try {
    const { config } = await loadProject({
      directory: process.cwd(),
      configPath: program.opts<GlobalOptions>().config,
    });
    return config.intake;
  } catch {
    return undefined;
  }
}

/** Aborted by the first signal, and when the launcher that started this process is gone. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  let since = 0;
  const stop = (): void => {
    if (stopping.signal.aborted && performance.now() - since > IMPATIENT_MS)
      process.exit(exitCodes.interrupted);
    if (!stopping.signal.aborted) since = performance.now();
    stopping.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  process.on("disconnect", stop);
  process.channel?.unref();
  return stopping.signal;
}

/** A reader that has seen enough, such as `head`, is no failure. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
// Nobody reading the notes is no reason to drop the work.
process.stderr.on("error", () => {});
const code = await main();
// What was written may still be on its way to a pipe; what is left open must not keep the process.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
