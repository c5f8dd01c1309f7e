import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { FactotumError, InputError, messageOf } from "../../kernel/index.ts";
import type { Binaries } from "./binaries.ts";
import type { Home } from "./home.ts";

/** The database superuser of an embedded server. */
export const SUPERUSER = "factotum";
const PASSWORD_BYTES = 24;
const PARTIAL = "data.partial-";

/** The folder that Postgres keeps its files in. */
export function dataOf(home: Home): string {
  return join(home.directory, "data");
}

/** The superuser's password, generated once and readable by its owner only. */
export function passwordOf(home: Home): string | undefined {
  const path = join(home.directory, "password");
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new InputError({
      code: "folder-refused",
      message:
        `cannot read ${path} (${messageOf(error)}): this embedded Postgres was made by another user; ` +
        `run as that user, or name another folder`,
      cause: error,
    });
  }
}

/** Makes the data folder with initdb unless it is there; call it under the lock. */
export async function makeCluster(
  home: Home,
  binaries: Binaries,
  say: (line: string) => void,
): Promise<void> {
  for (const name of readdirSync(home.directory)) {
    if (name.startsWith(PARTIAL)) rmSync(join(home.directory, name), { recursive: true, force: true });
  }
  if (existsSync(join(dataOf(home), "PG_VERSION")) && passwordOf(home) !== undefined) return;
  setAside(home, say);
  say(`making a Postgres database in ${home.directory}`);
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  const partial = join(home.directory, `${PARTIAL}${randomBytes(4).toString("hex")}`);
  mkdirSync(partial, { mode: 0o700 });
  const passwordFile = join(partial, "password");
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  own(partial, home);
  own(passwordFile, home);
  await initdb(home, binaries, join(partial, "data"), passwordFile);
  writeFileSync(join(home.directory, "password"), `${password}\n`, { mode: 0o600 });
  chmodSync(join(home.directory, "password"), 0o600);
  renameSync(join(partial, "data"), dataOf(home));
  rmSync(partial, { recursive: true, force: true });
}

/** Gives a path to the server's user when that is somebody else. */
export function own(path: string, home: Home): void {
  if (home.identity !== undefined) chownSync(path, home.identity.uid, home.identity.gid);
}

/** Data without its password, or a data folder that is no database, is kept beside, never deleted. */
function setAside(home: Home, say: (line: string) => void): void {
  if (!existsSync(dataOf(home))) return;
  if (readdirSync(dataOf(home)).length === 0) {
    rmSync(dataOf(home), { recursive: true });
    return;
  }
  const aside = join(home.directory, `data.aside-${randomBytes(4).toString("hex")}`);
  renameSync(dataOf(home), aside);
  say(`the data folder was not usable; it is kept as ${aside}`);
}

async function initdb(home: Home, binaries: Binaries, data: string, passwordFile: string): Promise<void> {
  const args = [
    ...[`--pgdata=${data}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`],
    ...["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"],
    ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync"],
  ];
  try {
    await promisify(execFile)(binaries.initdb, args, {
      ...home.identity,
      cwd: home.directory,
      env: serverEnv(),
    });
  } catch (error) {
    throw new FactotumError({
      code: "initdb-failed",
      retry: "never",
      message: `could not make the database in ${home.directory}: ${lastWords(error)}`,
      cause: error,
    });
  }
}

/** The server sees none of our environment: PGDATA, LD_PRELOAD or a locale could change what it does. */
export function serverEnv(): Record<string, string> {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

function lastWords(error: unknown): string {
  const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return said === "" ? messageOf(error) : said;
}
