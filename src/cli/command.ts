import { dirname } from "node:path";
import { type Factotum, loadConfig, type LoadedConfig, openFactotum } from "../server/index.ts";
import type { Terminal } from "./terminal.ts";

/** What every command is given: where to write, and what the process was started with. */
export type Setting = {
  readonly terminal: Terminal;
  readonly env: { readonly [name: string]: string | undefined };
  /** The folder the command was started in. */
  readonly directory: string;
  /** `--config PATH` */
  readonly configPath: string | undefined;
  /** Has `listener` hear SIGHUP instead of ending by it; a terminal says by it that it is gone. */
  onHangup(listener: () => void): void;
  /** Aborted by the first SIGINT or SIGTERM: end what is in hand, begin nothing. */
  readonly signal: AbortSignal;
};

/** A command's work; it returns the exit code. */
export type Command = (setting: Setting) => Promise<number>;

/** Loads the project's configuration from where the command was started. */
export async function loadProject(setting: Pick<Setting, "directory" | "configPath">): Promise<LoadedConfig> {
  return loadConfig(setting.directory, setting.configPath);
}

/** Opens the project for the time of `work`; its data lives beside its configuration. */
export async function withFactotum<T>(
  setting: Setting,
  work: (factotum: Factotum) => Promise<T>,
): Promise<T> {
  const { config, path } = await loadProject(setting);
  const factotum = await openFactotum(config, {
    env: setting.env,
    directory: dirname(path),
    say: sparing(setting.terminal.note),
  });
  try {
    return await work(factotum);
  } finally {
    await factotum.close();
  }
}

const REPEAT_MS = 60_000;
const REMEMBERED_MAX = 100;

/** The same line again within a minute is left out: a database that is away would fill the screen. */
function sparing(say: (line: string) => void): (line: string) => void {
  const saidAt = new Map<string, number>();
  return (line) => {
    const now = performance.now();
    if (now - (saidAt.get(line) ?? -Infinity) < REPEAT_MS) return;
    if (saidAt.size >= REMEMBERED_MAX) saidAt.clear();
    saidAt.set(line, now);
    say(line);
  };
}
