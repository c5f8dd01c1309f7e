/** The `factotum` command: reads the process, does one piece of work, ends with its exit code. */
import { CommanderError } from "commander";
import type { Intake } from "../server/index.ts";
import { type Command, loadProject } from "./command.ts";
import { exitCodes, reportError } from "./exit-codes.ts";
import { type GlobalOptions, makeProgram } from "./program.ts";
import { makeTerminal } from "./terminal.ts";

/** A second signal this long after the first ends the process at once; sooner, it is the same one twice. */
const IMPATIENT_MS = 1_000;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const intake = await findIntake(args);
  let work: Command | undefined;
  const program = makeProgram((chosen) => {
    work = chosen;
  }, intake);
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exitCodes.ok;
    if (args.includes("--json")) {
      process.stdout.write(
        `${JSON.stringify({ error: { code: "usage", message: error.message.replace(/^error: /, "") } })}\n`,
      );
    }
    return exitCodes.usage;
  }
  const options = program.opts<GlobalOptions>();
  const terminal = makeTerminal(process, process.env, { json: options.json === true, color: options.color });
  try {
    return await (work as Command)({
      ...{ terminal, env: process.env, directory: process.cwd() },
      configPath: options.config,
      get signal() {
        return stopSignal();
      },
      onHangup(listener) {
        if (!process.stdin.isTTY) hangup = listener;
      },
    });
  } catch (error) {
    return reportError(error, terminal, options.verbose === true);
  }
}

/** The project's intake, for the option it adds to `run`; what is wrong with the project shows later. */
async function findIntake(args: readonly string[]): Promise<Intake | undefined> {
  const silence = (): void => {};
  const program = makeProgram(silence).configureOutput({ writeOut: silence, writeErr: silence });
  try {
    if (program.parseOptions([...args]).operands[0] !== "run") return undefined;
    const configPath = program.opts<GlobalOptions>().config;
    return (await loadProject({ directory: process.cwd(), configPath })).config.intake;
  } catch {
    return undefined;
  }
}

/**
 * Aborted by the first signal, and when the launcher that started this process is gone. Only a command
 * that asks for it takes signals over; any other ends by them at once, as programs do.
 */
function stopSignal(): AbortSignal {
  if (stopping !== undefined) return stopping.signal;
  stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  process.on("SIGHUP", () => (hangup ?? stop)());
  return stopping.signal;
}

let stopping: AbortController | undefined;
let hangup: (() => void) | undefined;
let stoppedAt = 0;

function stop(): void {
  const impatient = stopping?.signal.aborted === true && performance.now() - stoppedAt > IMPATIENT_MS;
  if (stopping === undefined || impatient) process.exit(exitCodes.interrupted);
  if (!stopping.signal.aborted) stoppedAt = performance.now();
  stopping.abort();
}

process.on("disconnect", stop);
process.channel?.unref();
/** A reader that has seen enough, such as `head`, is no failure. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
// Nobody reading the notes is no reason to drop the work.
process.stderr.on("error", () => {});
const code = await main();
// What was written may still be on its way to a pipe; what is left open must not keep the process.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
