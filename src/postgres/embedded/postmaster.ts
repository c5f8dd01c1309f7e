import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { dataOf, type Home } from "./home.ts";

/** What `postmaster.pid` says about a living server. */
export type Running = { readonly pid: number; readonly port: number; readonly ready: boolean };

/** The server that this folder's pid file names, if its process lives and is that server. */
export function findRunning(home: Home): Running | undefined {
  const lines = pidFileOf(home);
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !isServer(pid, home)) return undefined;
  return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === "ready" };
}

/** Removes a pid file that names a process which is not the server: its number was given to another. */
export function removeStalePidFile(home: Home): void {
  if (findRunning(home) === undefined) rmSync(join(dataOf(home), "postmaster.pid"), { force: true });
}

/**
 * Ends the children of a server that was killed: while one lives, the next server refuses to start,
 * because both would write to the same memory. Linux only; elsewhere they end by themselves when idle.
 */
export function endOrphans(home: Home): void {
  if (process.platform !== "linux" || findRunning(home) !== undefined) return;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !runsIn(name, dataOf(home))) continue;
    try {
      process.kill(Number(name), "SIGQUIT");
    } catch {
      continue;
    }
  }
}

/** Whether a process exists; EPERM means that it does, under another user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function pidFileOf(home: Home): string[] {
  try {
    return readFileSync(join(dataOf(home), "postmaster.pid"), "utf8").split("\n");
  } catch {
    return [];
  }
}

/** Numbers are reused, after a reboot or in a new container: the command line tells a server of ours. */
function isServer(pid: number, home: Home): boolean {
  if (!isAlive(pid)) return false;
  try {
    const command =
      process.platform === "linux"
        ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
        : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return command.includes(dataOf(home));
  } catch {
    // Gone meanwhile, or nothing to ask (Windows): then its being alive decides.
    return isAlive(pid);
  }
}

/** Every Postgres process has its data folder as working directory. */
function runsIn(pid: string, data: string): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`) === data &&
      readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("postgres:")
    );
  } catch {
    return false;
  }
}
