/**
 * Names what package-lock.json leaves out, and writes it in when started by itself:
 * `node test/journeys/lock-file.ts`.
 *
 * `npm ci` refuses a lock in which an optional package of another platform is missing, and `npm install`
 * leaves one out when the registry it asks does not have it, as a mirror may. Such an entry needs no more
 * than what its name says, because no machine but its own platform's ever installs it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

type Entry = {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

/** The part of a lock file that is looked at. */
export type LockFile = { packages: Record<string, Entry> };

/** A package that some locked package may install, and that is not locked itself. */
export type Missing = { readonly name: string; readonly version: string; readonly dev: boolean };

const LOCK = join(import.meta.dirname, "..", "..", "package-lock.json");

/** Reads the lock file of this checkout. */
export function readLock(): LockFile {
  return JSON.parse(readFileSync(LOCK, "utf8")) as LockFile;
}

/** Optional dependencies that have no entry of their own. */
export function missingFrom({ packages }: LockFile): readonly Missing[] {
  return Object.entries(packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !isLocked(packages, path, name))
      .map(([name, version]) => ({ name, version, dev: entry.dev === true })),
  );
}

/** Whether Node, looking from `path` upwards, finds the package in the lock. */
function isLocked(packages: LockFile["packages"], path: string, name: string): boolean {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf("/node_modules/")))) {
    if (`${from === "" ? "" : `${from}/`}node_modules/${name}` in packages) return true;
    if (from === "") return false;
  }
}

const PLATFORM =
  /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x)(.*)$/;

function entryOf({ name, version, dev }: Missing): Entry {
  const [, os, cpu, rest = ""] = PLATFORM.exec(name) ?? [];
  if (os === undefined || cpu === undefined || !/^\d/.test(version)) {
    throw new Error(`${name}@${version} is missing in package-lock.json, and its name tells no platform`);
  }
  const libc =
    os !== "linux" ? undefined : rest.includes("musl") ? "musl" : rest.includes("gnu") ? "glibc" : undefined;
  return {
    ...{ version, cpu: [cpu], ...(dev && { dev }) },
    ...{ ...(libc !== undefined && { libc: [libc] }), optional: true, os: [os] },
  };
}

if (import.meta.main) {
  const lock = readLock();
  const missing = missingFrom(lock);
  for (const one of missing) lock.packages[`node_modules/${one.name}`] = entryOf(one);
  // npm sorts by name as text, so the next `npm install` moves nothing.
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  writeFileSync(LOCK, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  process.stdout.write(`${missing.length} entries added\n`);
}
