import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { InputError, messageOf } from "../../kernel/index.ts";

/** The operating system's user that the server runs under. */
export type Identity = { readonly uid: number; readonly gid: number };

/** Where an embedded server lives and under whom it runs. */
export type Home = {
  /** The folder that the caller asked for. */
  readonly asked: string;
  /** The folder in use: the same, or a replacement that the server's user can reach. */
  readonly directory: string;
  /** Undefined when the server runs as this process' own user. */
  readonly identity: Identity | undefined;
};

/** `nobody` on every common Linux: Postgres refuses to run as root, and we create no user for it. */
const UNPRIVILEGED: Identity = { uid: 65_534, gid: 65_534 };
const REPLACEMENT_PARENT = "/var/tmp";
const HASH_LENGTH = 12;

/** Chooses folder and user; makes the folder. */
export function chooseHome(asked: string): Home {
  makeFolder(asked, 0o755);
  const real = realpathSync(asked);
  const identity = identityFor(join(real, "data"));
  if (identity === undefined || canTraverse(real, identity)) return { asked, directory: real, identity };
  const hash = createHash("sha256").update(real).digest("hex").slice(0, HASH_LENGTH);
  const directory = join(REPLACEMENT_PARENT, `factotum-${hash}`);
  makeFolder(directory, 0o755);
  checkOurs(directory);
  return { asked, directory, identity: identityFor(join(directory, "data")) };
}

/** Whether `identity` may enter `path`, by the mode bits of every folder on the way. */
export function canTraverse(path: string, identity: Identity): boolean {
  const { uid, gid, mode } = statSync(path);
  const bit = uid === identity.uid ? 0o100 : gid === identity.gid ? 0o010 : 0o001;
  if ((mode & bit) === 0) return false;
  const parent = dirname(path);
  return parent === path || canTraverse(parent, identity);
}

/** Root hands the server to the data's owner, or for new data to an unprivileged user. */
function identityFor(data: string): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const found = statSync(data, { throwIfNoEntry: false });
  if (found === undefined || found.uid === 0) return UNPRIVILEGED;
  return { uid: found.uid, gid: found.gid };
}

function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw new InputError({
      code: "folder-refused",
      message: `cannot make the folder ${path} for the embedded Postgres (${messageOf(error)}); free it or name another`,
      cause: error,
    });
  }
}

/** A name that others can foresee in a folder where all may write: use it only if it is ours. */
function checkOurs(path: string): void {
  const { uid, mode } = lstatSync(path);
  if (lstatSync(path).isDirectory() && uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new InputError({
    code: "folder-refused",
    message: `${path} belongs to somebody else or is writable by others; remove it and start again`,
  });
}
