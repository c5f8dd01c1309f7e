/** The command as a user starts it: a process of its own, seen only through its streams and exit code. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { builtCommand, compileCache } from "../built.ts";

const root = join(import.meta.dirname, "..", "..");

/** The configuration of the example with its clock standing still. */
export const stillDay = join(import.meta.dirname, "still-day", "factotum.config.ts");

/** How a command ended. */
export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
};

/** What a command is started with beside its arguments. */
export type Surroundings = { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string };

/** A command that runs. It leads a process group, so that it can be killed with all it started. */
export type Started = {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<Ended>;
};

/** Starts the command with nothing of our own environment but the path to programs. */
export function start(args: readonly string[], { env = {}, cwd = root }: Surroundings = {}): Started {
  const child = spawn(process.execPath, [builtCommand, ...args], {
    ...{ cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] },
    env: {
      ...{ PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_COMPILE_CACHE: compileCache },
      ...env,
    },
  });
  return { child, ended: endOf(child) };
}

/** Runs the command to its end. */
export function run(args: readonly string[], surroundings?: Surroundings): Promise<Ended> {
  return start(args, surroundings).ended;
}

/** Whether the process that was started is still there; those it started may outlive it. */
export function isRunning({ child }: Started): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Kills a command and everything it started, as a machine that loses power does. */
export function killAll({ child }: Started): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function endOf(child: Started["child"]): Promise<Ended> {
  const closed = new Promise<Pick<Ended, "code" | "signal">>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal })),
  );
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { ...(await closed), out, err };
}
