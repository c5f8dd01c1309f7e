import { createHash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
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
  /** Why the folder is not the one asked for, in a line for the user. */
  readonly moved: string | undefined;
};

/** `nobody` on every common Linux: Postgres refuses to run as root, and we create no user for it. */
const UNPRIVILEGED: Identity = { uid: 65_534, gid: 65_534 };
const REPLACEMENT_PARENT = "/var/tmp";
const HASH_LENGTH = 12;

/**
 * Chooses folder and user, and makes the folder. Root's server runs unprivileged, so a folder that
 * lies behind one which only root may enter (`/root`) is replaced by one in /var/tmp, the same for
 * the same folder.
 */
export function chooseHome(asked: string): Home {
  const real = makeFolder(asked);
  const identity = identityFor(real);
  if (identity === undefined || canEnter(real, identity))
    return { directory: real, identity, moved: undefined };
  const hash = createHash("sha256").update(real).digest("hex").slice(0, HASH_LENGTH);
  const directory = join(REPLACEMENT_PARENT, `factotum-${hash}`);
  const isNew = !existsSync(directory);
  makeFolder(directory);
  checkOurs(directory);
  if (isNew) chmodSync(directory, 0o755);
  const moved = `Postgres cannot run as root or enter ${real}, so its programs and data are in ${directory}`;
  writeFileSync(join(real, "MOVED.txt"), `${moved}\nDelete that folder to delete the database.\n`);
  return { directory, identity: identityFor(directory), moved };
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

/** Root hands the server to the owner of the data or the folder, and its own to an unprivileged user. */
function identityFor(directory: string): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const path of [join(directory, "data"), directory]) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && found.uid !== 0) return { uid: found.uid, gid: found.gid };
  }
  return UNPRIVILEGED;
}

function makeFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true });
    return realpathSync(path);
  } catch (error) {
    throw folderRefused(path, error);
  }
}

/** Others can foresee the name, in a folder where all may write: use it only if it is ours. */
function checkOurs(path: string): void {
  const found = lstatSync(path);
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return;
  throw folderRefused(path, new Error("it belongs to somebody else, or others may write to it"));
}
