#!/usr/bin/env node
/**
 * Starts the `factotum` command on whatever Node is at hand, so it is plain JavaScript that Node 18 can
 * read. An installed package runs `dist`; a checkout runs its own sources, on a Node that strips types:
 * the one it is started with if new enough, else the one that is a dev dependency of the checkout.
 */
import { spawn } from "node:child_process";
import { accessSync, constants as fs, existsSync, mkdirSync, readFileSync } from "node:fs";
import * as module from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** From 22.18 on, Node runs TypeScript without a flag. */
const NODE_MIN = [22, 18];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "src", "cli", "main.ts");
const built = join(root, "dist", "cli", "main.js");
const FLAGS = ["--disable-warning=ExperimentalWarning", "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"];

const cache = makeCache(
  join(existsSync(source) ? join(root, "node_modules") : dirname(root), ".cache", "factotum"),
);

if (existsSync(source)) launch(["--conditions=factotum-source", ...FLAGS, source]);
else if (existsSync(built) && isNewEnough(process.versions.node)) {
  if (cache !== undefined) module.enableCompileCache(cache);
  await import(pathToFileURL(built).href);
} else if (existsSync(built)) launch([...FLAGS, built]);
else refuse(`neither ${source} nor ${built} exists; install the package again`);

function launch(script) {
  const node = isNewEnough(process.versions.node) ? process.execPath : findNode();
  if (node === undefined) {
    refuse(
      `this is Node ${process.versions.node}; factotum needs ${NODE_MIN.join(".")} or newer. ` +
        `Install a newer Node, or bring one into this project: npm install --save-dev node@24`,
    );
    return;
  }
  // The channel tells the child when this process is gone, however it ended; nothing is sent over it.
  const child = spawn(node, [...script, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...(cache !== undefined && { NODE_COMPILE_CACHE: cache }), ...process.env },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => refuse(`${node} cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

/** Compiled code is kept from one command to the next, which halves the time a command takes to start. */
function makeCache(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, fs.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

/** The Node that npm brought: beside this package, or in the project it is installed in. */
function findNode() {
  const name = process.platform === "win32" ? "node.exe" : "node";
  const brought = [root, process.cwd()].map((folder) => join(folder, "node_modules", "node"));
  const found = brought.find(
    (folder) => existsSync(join(folder, "bin", name)) && isNewEnough(versionIn(folder)),
  );
  return found === undefined ? undefined : join(found, "bin", name);
}

function versionIn(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}

function isNewEnough(version) {
  const [major = 0, minor = 0] = String(version ?? "")
    .split(".")
    .map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
}

function refuse(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exitCode = 1;
}
