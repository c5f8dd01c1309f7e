import { readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { FactotumError } from "../../kernel/index.ts";
import { systemCodeOf } from "../errors.ts";
import { folderRefused } from "./home.ts";
import { isAlive } from "./postmaster.ts";

/** A lock not touched for so long belongs to nobody, when its holder cannot be asked for. */
const STALE_MS = 10_000;
const TRIES = 2400;
const RETRY_MS = 25;

/** One process at a time makes, starts or stops the server of a folder. */
export async function withFolderLock<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const release = await take(directory);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function take(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, "server.lock");
  const owner = join(directory, "server.lock.owner");
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      const release = await lock(directory, { lockfilePath: path, stale: STALE_MS, onCompromised: () => {} });
      writeFileSync(owner, ownLine());
      return async () => {
        rmSync(owner, { force: true });
        await release().catch(() => {});
      };
    } catch (error) {
      if (systemCodeOf(error) !== "ELOCKED") throw folderRefused(directory, error);
      if (!breakIfDead(path, owner)) await sleep(RETRY_MS);
    }
  }
  throw new FactotumError({
    code: "server-busy",
    retry: "later",
    message: `another process is starting or stopping the embedded Postgres in ${directory}; try again`,
  });
}

function ownLine(): string {
  return `${hostname()}\n${process.pid}\n`;
}

/**
 * Removes the lock of a killed process at once instead of waiting until it is stale. The owner's
 * note counts only if it is younger than the lock, and only on the machine where it was written.
 */
function breakIfDead(path: string, owner: string): boolean {
  try {
    const [host, pid] = readFileSync(owner, "utf8").split("\n");
    const lockedAt = statSync(path).birthtimeMs;
    if (host !== hostname() || lockedAt === 0 || statSync(owner).mtimeMs < lockedAt) return false;
    if (isAlive(Number(pid))) return false;
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
