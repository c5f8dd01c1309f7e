/** Folders of benches, which leave nothing behind, however a bench ends. */
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a shell answers for a process that a signal ended. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** A server that is told to stop at once is given so long. */
const STOP_MS_MAX = 2_000;
const POLL_MS = 10;

const folders: string[] = [];

/**
 * A new folder, to which the user of an embedded Postgres may get, too. It is deleted as this process ends,
 * also by a signal, and a Postgres that runs in it is stopped before.
 */
export function benchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "factotum-bench-"));
  chmodSync(folder, 0o755);
  if (folders.push(folder) === 1) {
    process.once("exit", () => folders.forEach(clear));
    for (const [signal, code] of Object.entries(CODES)) process.once(signal, () => process.exit(code));
  }
  return folder;
}

function clear(folder: string): void {
  for (const file of globSync("**/postmaster.pid", { cwd: folder })) {
    stop(Number(readFileSync(join(folder, file), "utf8").split("\n")[0]));
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Nothing of what it holds is needed any more. */
function stop(pid: number): void {
  try {
    process.kill(pid, "SIGQUIT");
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; waited < STOP_MS_MAX; waited += POLL_MS) {
      process.kill(pid, 0);
      Atomics.wait(sleeper, 0, 0, POLL_MS);
    }
  } catch {
    // It is gone.
  }
}
