/** A page at work: an empty project in which its blocks are run, and the databases it names. */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "factotum/postgres";
import { builtCommand } from "../built.ts";
import { type Block, missingLine } from "./blocks.ts";
import { makeDatabases } from "./databases.ts";
import { makeShell, PATIENCE_MS, type Printed } from "./shell.ts";

const root = join(import.meta.dirname, "..", "..");
const AGAIN_MS = 100;

/** The README is about the checkout itself: the example, installed and started. */
const README = {
  page: "README.md",
  config: `export { default } from ${JSON.stringify(join(root, "factotum.config.ts"))};\n`,
  address: "postgresql://postgres:secret@localhost:5432/readme",
  start: "npm ci && npm start",
  started: "npx factotum run --once",
};

/** The project of a page. */
export type Page = {
  readonly folder: string;
  /** Runs a block; `expected` is the text that follows it. @throws when it does not do what the page says */
  run(block: Block, expected: string | undefined): Promise<void>;
  close(): Promise<void>;
};

/** A folder for the projects of all pages. */
export function makeProjects(): string {
  const folder = mkdtempSync(join(tmpdir(), "factotum-docs-"));
  // The embedded server of a page runs as another user where the test is root.
  chmodSync(folder, 0o755);
  return folder;
}

/** Opens a page: an empty project with `factotum` installed, and an empty database for each it names. */
export async function openPage(
  projects: string,
  name: string,
  blocks: readonly Block[],
  serverUrl: string,
): Promise<Page> {
  const folder = join(projects, name.replaceAll(/\W+/g, "-").toLowerCase());
  installFactotum(folder);
  const isReadme = name === README.page;
  if (isReadme) writeFileSync(join(folder, "factotum.config.ts"), README.config);
  const text = [...blocks.map((block) => block.text), ...(isReadme ? [README.address] : [])].join("\n");
  const databases = await makeDatabases(text, serverUrl);
  const server = new URL(serverUrl);
  const port = String(await freePort());
  const real = (written: string): string =>
    written
      .replaceAll("postgres:secret@localhost:5432", `${server.username}:${server.password}@${server.host}`)
      .replaceAll("localhost:5432", server.host)
      .replaceAll("7717", port)
      .replaceAll(README.start, README.started);
  const shell = makeShell(folder);
  if (isReadme) await shell.run(real(`export DATABASE_URL=${README.address}`));
  const own = databases.first;
  const run = async (block: Block, expected: string | undefined): Promise<void> => {
    const title = block.options.get("title");
    const script = real(block.text);
    const wanted = expected === undefined ? undefined : real(expected);
    if (title !== undefined) return writeFile(folder, title, script);
    if (block.language === "sql") {
      const query = async (): Promise<Printed> => runSql(block, own, script);
      return block.options.has("eventually")
        ? again(block, query, wanted)
        : check(block, await query(), wanted);
    }
    if (block.language === "ts") {
      const file = `line-${block.line}.ts`;
      writeFile(folder, file, script);
      return check(block, await shell.module(file), wanted);
    }
    if (block.language !== "sh") throw new Error(`${block.where}: nobody knows how to run ${block.language}`);
    if (block.options.has("background")) return shell.background(block, script, wanted);
    if (block.options.has("eventually")) return again(block, () => shell.run(script), wanted);
    check(block, await shell.run(script), wanted);
  };
  const close = async (): Promise<void> => {
    try {
      await shell.close();
    } finally {
      await databases.drop();
    }
  };
  return { folder, run, close };
}

/** What a page may use besides: what tools are written with, and the clients that pages show. */
const PACKAGES = ["drizzle-orm", "kysely", "@modelcontextprotocol", "openai"];

function installFactotum(folder: string): void {
  const bin = join(folder, "node_modules", ".bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(root, join(folder, "node_modules", "factotum"));
  for (const name of PACKAGES)
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  const node = process.execPath;
  writeFileSync(join(bin, "factotum"), `#!/bin/sh\nexec "${node}" "${builtCommand}" "$@"\n`, { mode: 0o755 });
  // npx would find the same program, half a second later.
  writeFileSync(join(bin, "npx"), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  if (!onPath("curl")) {
    const curl = join(import.meta.dirname, "curl.ts");
    writeFileSync(join(bin, "curl"), `#!/bin/sh\nexec "${process.execPath}" "${curl}" "$@"\n`, {
      mode: 0o755,
    });
  }
  const manifest = { name: basename(folder), private: true, type: "module" };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest)}\n`);
}

const onPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** A file written twice is kept in both forms, so that both are checked by the compiler. */
function writeFile(folder: string, title: string, text: string): void {
  const path = join(folder, title);
  if (existsSync(path) && title.endsWith(".ts")) cpSync(path, path.replace(/\.ts$/, ".before.ts"));
  writeFileSync(path, `${text}\n`);
}

function check(block: Block, printed: Printed, wanted: string | undefined): void {
  const code = Number(block.options.get("exit") ?? 0);
  const said = `${printed.out}${printed.err}`;
  if (printed.code !== code)
    throw new Error(`${block.where}: ended with ${printed.code}, not with ${code}:\n${said}`);
  const missing = wanted === undefined ? undefined : missingLine(wanted, printed.out, printed.err);
  if (missing !== undefined) throw new Error(`${block.where}: it did not print "${missing}" but\n${said}`);
}

async function again(block: Block, run: () => Promise<Printed>, wanted: string | undefined): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const printed = await run();
    try {
      return check(block, printed, wanted);
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await delay(AGAIN_MS);
  }
}

async function runSql(block: Block, db: Database | undefined, sql: string): Promise<Printed> {
  if (db === undefined) throw new Error(`${block.where}: no address on this page names a database`);
  const { rows } = await db.query(sql);
  const lines = rows.map((row) => Object.values(row).join(" | "));
  const count = `(${rows.length} row${rows.length === 1 ? "" : "s"})`;
  return { out: [Object.keys(rows[0] ?? {}).join(" | "), ...lines, count].join("\n"), err: "", code: 0 };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
