import { existsSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { InputError } from "../kernel/index.ts";
import { surveyDatabase } from "../server/index.ts";
import type { Command, Setting } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { configText } from "./init-template.ts";

/** Options of `init`, as given. */
export type InitOptions = { readonly url?: string; readonly tables?: string; readonly name?: string };

/** The most table names a message lists. */
const NAMED_MAX = 20;
const CONFIG_NAME = /^factotum\.config\.[cm]?[jt]s$/;

/** Writes a configuration with one agent over tables of the user's own database. */
export function initCommand(options: InitOptions): Command {
  return async (setting) => {
    const { directory, terminal } = setting;
    const existing = readdirSync(directory).find((name) => CONFIG_NAME.test(name));
    if (existing !== undefined) throw existsAlready(join(directory, existing));
    const url = options.url ?? setting.env["DATABASE_URL"] ?? (await askUrl(setting));
    const chosen = listed(options.tables) ?? (await askTables(url, setting));
    const survey = await surveyDatabase(url, chosen);
    const project = await readProject(directory);
    const path = join(directory, project.isModule ? "factotum.config.ts" : "factotum.config.mts");
    await writeFile(path, configText(options.name ?? project.name, survey), { flag: "wx" });
    const tables = survey.tables.map((table) => table.name);
    if (terminal.json)
      terminal.result({ config: path, tables, reads: survey.referred.map((one) => one.name) });
    else terminal.out(`wrote ${relative(directory, path)}: agent "clerk" over ${tables.join(", ")}`);
    for (const line of nextSteps(setting, url)) terminal.note(line);
    return exitCodes.ok;
  };
}

function nextSteps({ directory, env }: Setting, url: string): readonly string[] {
  const installed = canResolve(directory);
  const steps = [
    ...(installed ? [] : ["npm install factotum"]),
    ...(env["DATABASE_URL"] === url
      ? []
      : ["export DATABASE_URL=...            # the address you just gave"]),
    "npx factotum doctor                # is everything there?",
    "npx factotum run --requests FILE   # one request per line; add --once to end after the table",
    "npx factotum inbox                 # what a person must decide",
  ];
  return [
    "",
    "Next, read the policy and the checks in it, and make them yours. Then:",
    ...steps.map((step) => `  ${step}`),
    "Factotum keeps its own tables in schema factotum, and a capture trigger on each table that the agent",
    "may write (off again with: factotum detach). An API key in OPENAI_API_KEY, ANTHROPIC_API_KEY or",
    "GOOGLE_GENERATIVE_AI_API_KEY lets models work; without one every request goes to a person.",
  ];
}

async function askUrl({ terminal }: Setting): Promise<string> {
  if (!terminal.interactive) {
    throw new InputError({
      code: "url-missing",
      message: "say which database: --url postgresql://..., or DATABASE_URL",
    });
  }
  const { isCancel, text: ask } = await import("@clack/prompts");
  const url = await ask({
    message: "Address of your database",
    placeholder: "postgresql://user:password@host/name",
  });
  if (isCancel(url)) throw givenUp();
  return url;
}

async function askTables(url: string, { terminal }: Setting): Promise<readonly string[]> {
  const { names } = await surveyDatabase(url, []);
  if (names.length === 0) {
    throw new InputError({
      code: "tables-missing",
      message: "this database has no table an agent could work on",
    });
  }
  if (!terminal.interactive) {
    const named = names.slice(0, NAMED_MAX).join(", ");
    const more = names.length > NAMED_MAX ? `, and ${names.length - NAMED_MAX} more` : "";
    throw new InputError({
      code: "tables-missing",
      message: `say which tables, as in --tables orders,customers; there are ${named}${more}`,
    });
  }
  const options = names.map((name) => ({ value: name, label: name }));
  const { isCancel, multiselect } = await import("@clack/prompts");
  const chosen = await multiselect({ message: "Tables the agent may change", options, required: true });
  if (isCancel(chosen)) throw givenUp();
  return chosen;
}

function listed(tables: string | undefined): readonly string[] | undefined {
  const names = tables
    ?.split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return names === undefined || names.length === 0 ? undefined : [...new Set(names)];
}

/** The project's name, and whether its package.json makes a `.ts` file an ES module. */
async function readProject(
  directory: string,
): Promise<{ readonly name: string; readonly isModule: boolean }> {
  const found = nearestPackage(directory);
  const fallback = nameOf(basename(directory)) || "project";
  if (found === undefined) return { name: fallback, isModule: false };
  const manifest = JSON.parse(await readFile(found, "utf8")) as {
    readonly name?: string;
    readonly type?: string;
  };
  return { name: nameOf(manifest.name ?? "") || fallback, isModule: manifest.type === "module" };
}

function nearestPackage(directory: string): string | undefined {
  const path = join(directory, "package.json");
  if (existsSync(path)) return path;
  return dirname(directory) === directory ? undefined : nearestPackage(dirname(directory));
}

function canResolve(directory: string): boolean {
  try {
    createRequire(join(directory, "factotum.config.ts")).resolve("factotum/package.json");
    return true;
  } catch {
    return false;
  }
}

const nameOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");

function existsAlready(path: string): InputError {
  return new InputError({ code: "config-exists", message: `${path} exists already and is left as it is` });
}

function givenUp(): InputError {
  return new InputError({ code: "cancelled", message: "nothing was written" });
}
