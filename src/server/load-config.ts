import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { defineAgent } from "../agents/index.ts";
import { InputError, messageOf } from "../kernel/index.ts";
import { type Config, defineConfig } from "./config.ts";

const NAMES = ["factotum.config.ts", "factotum.config.mts", "factotum.config.js", "factotum.config.mjs"];

/**
 * Finds and loads a project's configuration.
 *
 * @param directory where to look for `factotum.config.ts` and its kin
 * @param explicit a path that goes before the search
 * @throws {InputError} `config-missing`, `config-broken`, `agent-invalid`
 */
export async function loadConfig(
  directory: string,
  explicit?: string,
): Promise<{ config: Config; path: string }> {
  const path = explicit === undefined ? find(directory) : resolve(directory, explicit);
  if (path === undefined || !existsSync(path)) {
    throw new InputError({
      code: "config-missing",
      message: `there is no ${path ?? `${NAMES[0]} in ${directory}`}; make one with: factotum init`,
    });
  }
  const loaded = await load(path);
  if (loaded === undefined || !Array.isArray(loaded.agents) || typeof loaded.name !== "string") {
    throw new InputError({
      code: "config-broken",
      message: `${path} must export by default what defineConfig({ name, agents }) returns`,
    });
  }
  // One that never went through defineAgent() is looked at here.
  for (const agent of loaded.agents) defineAgent(agent);
  return { config: defineConfig(loaded), path };
}

function find(directory: string): string | undefined {
  return NAMES.map((name) => resolve(directory, name)).find((path) => existsSync(path));
}

async function load(path: string): Promise<Config | undefined> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: Config };
    return module.default;
  } catch (error) {
    throw new InputError({
      code: "config-broken",
      message: `${path} cannot be loaded: ${messageOf(error)}`,
      cause: error,
    });
  }
}
