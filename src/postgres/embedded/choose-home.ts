import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { canEnter, folderRefused, type Home, type Identity } from "./home.ts";
import { findRunning } from "./postmaster.ts";

/** `nobody` on every common Linux: Postgres refuses to run as root, and we create no user for it. */
const UNPRIVILEGED: Identity = { uid: 65_534, gid: 65_534 };
const REPLACEMENT_PARENT = "/var/tmp";
const HASH_LENGTH = 12;
const RANDOM_BYTES = 4;
const ENTER_BITS = 0o111;

/**
 * Chooses folder and user, and makes the folder. Root's server runs unprivileged, so a folder that
 * lies behind one which only root may enter (`/root`) is replaced by one in /var/tmp, the same for
 * the same folder. What was done is said in one line.
 */
export function chooseHome(asked: string, say: (line: string) => void): Home {
  const real = makeFolder(asked);
  const identity = identityFor(real);
  if (identity === undefined || letIn(real, identity)) return { directory: real, identity };
  const hash = createHash("sha256").update(real).digest("hex").slice(0, HASH_LENGTH);
  const directory = join(REPLACEMENT_PARENT, `factotum-${hash}`);
  const note = join(real, "MOVED.txt");
  if (!existsSync(note)) setAside(directory, say);
  if (!existsSync(directory)) {
    makeFolder(directory);
    chmodSync(directory, 0o755);
  }
  checkOurs(directory);
  const line = `Postgres may not run as root or enter ${real}: its data and programs are in ${directory}`;
  writeFileSync(note, `${line}\nDelete both folders to delete the database.\n`);
  say(line);
  return { directory, identity: identityFor(directory) };
}

/** The folder was given to us for the server, so we may open it; what lies above it we may not. */
function letIn(path: string, identity: Identity): boolean {
  if (canEnter(path, identity)) return true;
  if (!canEnter(dirname(path), identity)) return false;
  chmodSync(path, statSync(path).mode | ENTER_BITS);
  return true;
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

/** Who deleted the folder asked for expects an empty database, but may regret it: keep the old one. */
function setAside(directory: string, say: (line: string) => void): void {
  if (!existsSync(join(directory, "data")) || findRunning({ directory, identity: undefined }) !== undefined)
    return;
  const aside = `${directory}-old-${randomBytes(RANDOM_BYTES).toString("hex")}`;
  mkdirSync(aside, { mode: 0o700 });
  for (const name of ["data", "password"]) renameSync(join(directory, name), join(aside, name));
  say(`the database of a deleted folder is kept in ${aside}; delete it if you like`);
}

/** Others can foresee the name, in a folder where all may write: use it only if it is ours. */
function checkOurs(path: string): void {
  const found = lstatSync(path);
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return;
  throw folderRefused(path, new Error("it belongs to somebody else, or others may write to it"));
}
