import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { FactotumError, InputError, messageOf } from "../../kernel/index.ts";
import { systemCodeOf } from "../errors.ts";
import { type Binaries, unsupported } from "./binaries.ts";
import { dataOf, folderRefused, type Home } from "./home.ts";

/** The superuser of an embedded server. Not `factotum`: a role finds the schema of its own name first. */
export const SUPERUSER = "postgres";
const PASSWORD_BYTES = 24;
const PARTIAL = "data.partial-";
const RANDOM_BYTES = 4;

/** The superuser's password, generated once and readable by its owner only; undefined before that. */
export function passwordOf(home: Home): string | undefined {
  const path = join(home.directory, "password");
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw folderRefused(path, error);
  }
}

/**
 * Makes the data folder with initdb unless it is there; call it under the lock. It is made beside and
 * renamed when whole, so that a kill in the middle leaves nothing that looks like a database.
 */
export async function makeCluster(
  home: Home,
  binaries: Binaries,
  say: (line: string) => void,
): Promise<void> {
  removePartials(home);
  if (existsSync(dataOf(home))) {
    checkData(home);
    return;
  }
  say(`making a Postgres database in ${home.directory}`);
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  const partial = join(home.directory, `${PARTIAL}${randomBytes(RANDOM_BYTES).toString("hex")}`);
  try {
    mkdirSync(partial, { mode: 0o700 });
    const passwordFile = join(partial, "password");
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    for (const path of [partial, passwordFile]) own(path, home);
    await initdb(home, binaries, join(partial, "data"), passwordFile);
    keepPassword(home, passwordFile);
    renameSync(join(partial, "data"), dataOf(home));
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Gives a path to the server's user when that is somebody else. */
export function own(path: string, home: Home): void {
  if (home.identity !== undefined) chownSync(path, home.identity.uid, home.identity.gid);
}

/** Readable by the folder's owner only, who need not be the server's user. */
function keepPassword(home: Home, passwordFile: string): void {
  const { uid, gid } = statSync(home.directory);
  if (process.getuid?.() === 0) chownSync(passwordFile, uid, gid);
  renameSync(passwordFile, join(home.directory, "password"));
}

/** The server sees none of our environment: PGDATA, LD_PRELOAD or a locale could change what it does. */
export function serverEnv(): Record<string, string> {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

/** What killed processes left; a running initdb of one may still write, so trying is enough. */
function removePartials(home: Home): void {
  for (const name of readdirSync(home.directory)) {
    if (!name.startsWith(PARTIAL)) continue;
    try {
      rmSync(join(home.directory, name), { recursive: true, force: true });
    } catch {
      continue;
    }
  }
}

/** A data folder that we cannot use is the user's to decide about: nothing is deleted or replaced. */
function checkData(home: Home): void {
  const version = join(dataOf(home), "PG_VERSION");
  const trouble = !existsSync(version)
    ? `${dataOf(home)} is there but holds no Postgres database`
    : passwordOf(home) === undefined
      ? `the file ${join(home.directory, "password")} is gone`
      : undefined;
  if (trouble === undefined) return;
  throw new InputError({
    code: "folder-unusable",
    message: `${trouble}; put it back, or delete ${home.directory} to start with an empty database`,
  });
}

async function initdb(home: Home, binaries: Binaries, data: string, passwordFile: string): Promise<void> {
  const args = [
    ...[`--pgdata=${data}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`],
    ...["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"],
    ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"],
  ];
  try {
    await promisify(execFile)(binaries.initdb, args, {
      ...home.identity,
      cwd: home.directory,
      env: serverEnv(),
    });
  } catch (error) {
    // The file is there, but the loader that it names is not: a Linux without glibc.
    if (systemCodeOf(error) === "ENOENT" && existsSync(binaries.initdb)) {
      throw unsupported("the installed programs need glibc, which this Linux does not have", error);
    }
    throw new FactotumError({
      code: "initdb-failed",
      retry: "never",
      message:
        `could not make a database in ${home.directory}: ${lastWords(error)}; ` +
        `put that right, name another folder, or set DATABASE_URL`,
      cause: error,
    });
  }
}

function lastWords(error: unknown): string {
  const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return said === "" ? messageOf(error) : said.replaceAll(/\s*\n\s*/g, " / ");
}
