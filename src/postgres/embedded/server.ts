import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FactotumError, must } from "../../kernel/index.ts";
import type { Binaries } from "./binaries.ts";
import { own, serverEnv } from "./cluster.ts";
import { dataOf, type Home } from "./home.ts";
import { endOrphans, findRunning, isAlive, removeStalePidFile, type Running } from "./postmaster.ts";

const LOG_BYTES_MAX = 16 * 1024 * 1024;
const START_TRIES = 40;
/** From this try on, children of a killed server that did not end by themselves are ended. */
const PATIENCE_TRIES = 4;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 10;
const RETRY_MS = 250;
const LOG_LINES = 6;

/**
 * On loopback only, no socket files, and no more memory than a small machine has to spare. A process that
 * works takes up to 40 connections and one for each attempt at work: with 100, the third would stand in line.
 */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "300",
  shared_buffers: "64MB",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
  tcp_keepalives_idle: "30",
};

/** Starts the server; the caller holds the lock and found none running. */
export async function startServer(
  home: Home,
  binaries: Binaries,
  settings: Readonly<Record<string, string>>,
): Promise<Running> {
  let port = await freePort(lastPort(home));
  let said = "";
  for (let tries = 1; tries <= START_TRIES; tries += 1) {
    removeStalePidFile(home);
    const started = await startOnce(home, binaries, port, settings);
    if (started.kind === "running") return started.running;
    said = started.said;
    if (/could not bind|Address already in use/i.test(said)) port = await freePort(0);
    else if (!/pre-existing shared memory block|lock file .* already exists/i.test(said)) break;
    if (tries >= PATIENCE_TRIES) endOrphans(home);
    await sleep(RETRY_MS);
  }
  throw new FactotumError({
    code: "server-start-failed",
    retry: "later",
    message:
      `the embedded Postgres in ${home.directory} did not start: ${said}; ` +
      `put that right (its log is ${logOf(home)}), or set DATABASE_URL`,
  });
}

/** Fast shutdown; false when it was not ours to stop. */
export async function stopServer(home: Home, pid: number): Promise<boolean> {
  try {
    process.kill(pid, "SIGINT");
  } catch {
    return false;
  }
  for (let waited = 0; waited < STOP_MS_MAX; waited += POLL_MS) {
    if (!isAlive(pid) || findRunning(home)?.pid !== pid) return true;
    await sleep(POLL_MS);
  }
  return false;
}

type Started =
  | { readonly kind: "running"; readonly running: Running }
  | { readonly kind: "ended"; readonly said: string };

async function startOnce(
  home: Home,
  binaries: Binaries,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<Started> {
  const flags = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const { log, from } = openLog(home);
  // A session of its own: the terminal's Ctrl-C and our end are not the server's.
  const child = spawn(binaries.postgres, ["-D", dataOf(home), "-p", String(port), ...flags], {
    ...home.identity,
    cwd: home.directory,
    env: serverEnv(),
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  let ended: string | undefined;
  child.once("error", (error) => (ended = error.message));
  child.once("exit", (code, signal) => (ended ??= `it ended with ${signal ?? code}`));
  child.unref();
  for (let waited = 0; waited < START_MS_MAX; waited += POLL_MS) {
    if (ended !== undefined) return { kind: "ended", said: `${ended}: ${logTail(home, from)}` };
    const running = findRunning(home);
    if (running?.ready === true && running.pid === child.pid) return { kind: "running", running };
    await sleep(POLL_MS);
  }
  child.kill("SIGQUIT");
  return { kind: "ended", said: `not ready after ${START_MS_MAX / 1000} s: ${logTail(home, from)}` };
}

function logOf(home: Home): string {
  return join(home.directory, "postgres.log");
}

function openLog(home: Home): { readonly log: number; readonly from: number } {
  const path = logOf(home);
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) rmSync(path);
  const log = openSync(path, "a", 0o600);
  own(path, home);
  return { log, from: statSync(path).size };
}

function logTail(home: Home, from: number): string {
  const text = readFileSync(logOf(home)).subarray(from).toString("utf8").trim();
  return text
    .split("\n")
    .slice(0 - LOG_LINES)
    .join(" / ");
}

/** The port of last time, so that an address a person noted stays good. */
function lastPort(home: Home): number {
  try {
    const options = readFileSync(join(dataOf(home), "postmaster.opts"), "utf8");
    return Number(/"-p" "(\d+)"/.exec(options)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** `wanted` if nobody listens on it, else any free port of this machine. */
async function freePort(wanted: number): Promise<number> {
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once("error", (error) => (wanted === 0 ? reject(error) : resolve(freePort(0))));
    server.listen(wanted, "127.0.0.1", () => {
      const address = must(server.address(), "the address of a listening server");
      server.close(() => resolve(typeof address === "string" ? 0 : address.port));
    });
  });
}
