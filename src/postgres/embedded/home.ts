import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { InputError, messageOf } from "../../kernel/index.ts";

/** The operating system's user that the server runs under. */
export type Identity = { readonly uid: number; readonly gid: number };

/** Where an embedded server lives and under whom it runs. */
export type Home = {
  /** The folder in use: the one asked for, or a replacement that the server's user can reach. */
  readonly directory: string;
  /** Undefined when the server runs as this process' own user. */
  readonly identity: Identity | undefined;
};

/** The folder that Postgres keeps its files in. */
export function dataOf(home: Home): string {
  return join(home.directory, "data");
}

/** Whether `identity` may enter `path`, by the mode bits of every folder on the way. */
export function canEnter(path: string, identity: Identity): boolean {
  const { uid, gid, mode } = statSync(path);
  const bit = uid === identity.uid ? 0o100 : gid === identity.gid ? 0o010 : 0o001;
  if ((mode & bit) === 0) return false;
  const parent = dirname(path);
  return parent === path || canEnter(parent, identity);
}

/** A folder that may not be read or written, as an error that says whose move it is. */
export function folderRefused(path: string, error: unknown): InputError {
  return new InputError({
    code: "folder-refused",
    message:
      `the embedded Postgres cannot use ${path} (${messageOf(error)}); ` +
      `run as the user who made it, name another folder, or set DATABASE_URL`,
    cause: error,
  });
}
