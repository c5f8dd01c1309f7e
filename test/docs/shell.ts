/** The shells and node processes in which a page's blocks are run. */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { compileCache } from "../built.ts";
import { type Block, missingLine } from "./blocks.ts";

/** How long a page may wait for what it says will come. */
export const PATIENCE_MS = 30_000;

/** What a block printed, and how it ended. */
export type Printed = { readonly out: string; readonly err: string; readonly code: number | null };

/** Runs what a page holds, in its project. */
export type Shell = {
  run(script: string): Promise<Printed>;
  background(block: Block, script: string, wanted: string | undefined): Promise<void>;
  module(file: string): Promise<Printed>;
  close(): Promise<void>;
};

/** Shells that hand their exported variables on, one process for all modules, and what was left running. */
export function makeShell(folder: string): Shell {
  const exports = join(folder, "node_modules", ".exports");
  writeFileSync(exports, "");
  const env = {
    PATH: [join(folder, "node_modules", ".bin"), dirname(process.execPath), process.env["PATH"]].join(
      delimiter,
    ),
    HOME: folder,
    NODE_COMPILE_CACHE: compileCache,
  };
  const start = (script: string): ChildProcess =>
    spawn("sh", ["-e", "-c", `. '${exports}'\n${script}`], { cwd: folder, env });
  const running: { readonly block: Block; readonly child: ChildProcess }[] = [];
  let modules: ReturnType<typeof startModules> | undefined;
  return {
    run: async (script) => printedBy(start(`${script}\nexport -p > '${exports}'`)),
    async background(block, script, wanted) {
      const child = start(`exec ${script}`);
      running.push({ block, child });
      await awaitLines(block, child, wanted ?? "");
    },
    async module(file) {
      modules ??= startModules(start(`exec node '${join(import.meta.dirname, "run-modules.ts")}'`));
      return modules.run(join(folder, file));
    },
    async close() {
      modules?.child.kill("SIGKILL");
      await Promise.all(running.map(async ({ child }) => stop(child)));
      const ill = running.find(({ child }) => child.exitCode !== 0);
      if (ill !== undefined)
        throw new Error(`${ill.block.where}: stopped, it ended with ${ill.child.exitCode}`);
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await ended;
}

async function printedBy(child: ChildProcess): Promise<Printed> {
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stdin?.end();
  const read = async (stream: Readable | null): Promise<string> => (stream === null ? "" : textOf(stream));
  const [out, err] = await Promise.all([read(child.stdout), read(child.stderr)]);
  return { out, err, code: await ended };
}

function awaitLines(block: Block, child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let [out, err] = ["", ""];
    const fail = (): void => {
      const line = missingLine(wanted, out, err) ?? "";
      reject(new Error(`${block.where}: it did not print "${line}" but\n${out}${err}`));
    };
    const timer = setTimeout(fail, PATIENCE_MS);
    const look = (): void => {
      if (missingLine(wanted, out, err) !== undefined) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on("data", (chunk: Buffer) => (out += String(chunk)) && look());
    child.stderr?.on("data", (chunk: Buffer) => (err += String(chunk)) && look());
    child.once("close", fail);
  });
}

/** One process imports module after module and says where each ends. */
function startModules(child: ChildProcess): { child: ChildProcess; run(path: string): Promise<Printed> } {
  let [out, err] = ["", ""];
  let told: (printed: Printed) => void = () => {};
  const tell = (code: number | null): void => {
    told({ out: out.replace(/\0\d\n?/, ""), err, code });
    [out, err] = ["", ""];
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    out += String(chunk);
    const end = /\0(\d)/.exec(out);
    if (end !== null) tell(Number(end[1]));
  });
  child.stderr?.on("data", (chunk: Buffer) => (err += String(chunk)));
  child.once("close", (code) => tell(code ?? 1));
  return {
    child,
    run: (path) =>
      new Promise((resolve) => {
        told = resolve;
        child.stdin?.write(`${path}\n`);
      }),
  };
}
