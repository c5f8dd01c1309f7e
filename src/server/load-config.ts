import { existsSync } from "node:fs";
import { registerHooks } from "node:module";
import { dirname, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { defineAgent } from "../agents/index.ts";
import { InputError, messageOf } from "../kernel/index.ts";
import { type Config, defineConfig } from "./config.ts";

const INSTALLED = `${sep}node_modules${sep}`;
const NAMES = ["factotum.config.ts", "factotum.config.mts", "factotum.config.js", "factotum.config.mjs"];

/** A project's configuration, and where it is. */
export type LoadedConfig = {
  readonly config: Config;
  readonly path: string;
  /** What it is made of in its own folder, itself among them; of a second load in a process itself alone. */
  readonly files: readonly string[];
};

/**
 * Finds and loads a project's configuration.
 *
 * @param directory where to look for `factotum.config.ts` and its kin
 * @param explicit a path that goes before the search
 * @throws {InputError} `config-missing`, `config-broken`, `agent-invalid`
 */
export async function loadConfig(directory: string, explicit?: string): Promise<LoadedConfig> {
  const path = explicit === undefined ? find(directory) : resolve(directory, explicit);
  if (path === undefined || !existsSync(path)) {
    throw new InputError({
      code: "config-missing",
      message: `there is no ${path ?? `${NAMES[0]} in ${directory}`}; make one with: factotum init`,
    });
  }
  const { loaded, files } = await load(path);
  if (loaded === undefined || !Array.isArray(loaded.agents) || typeof loaded.name !== "string") {
    throw new InputError({
      code: "config-broken",
      message: `${path} must export by default what defineConfig({ name, agents }) returns`,
    });
  }
  // One that never went through defineAgent() is looked at here.
  for (const agent of loaded.agents) defineAgent(agent);
  return { config: defineConfig(loaded), path, files };
}

function find(directory: string): string | undefined {
  return NAMES.map((name) => resolve(directory, name)).find((path) => existsSync(path));
}

type Loaded = { readonly loaded: Config | undefined; readonly files: readonly string[] };

async function load(path: string): Promise<Loaded> {
  const files = new Set([path]);
  const hooks = registerHooks({
    load(url, context, next) {
      const file = url.startsWith("file:") ? fileURLToPath(url) : "";
      if (file.startsWith(`${dirname(path)}${sep}`) && !file.includes(INSTALLED)) files.add(file);
      return next(url, context);
    },
  });
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: Config };
    return { loaded: module.default, files: [...files] };
  } catch (error) {
    throw new InputError({
      code: "config-broken",
      message: `${path} cannot be loaded: ${messageOf(error)}`,
      cause: error,
    });
  } finally {
    hooks.deregister();
  }
}
