/** A worker that dies at its n-th act, and the heir that goes on where it left off. */
import type { Database } from "factotum/postgres";
import type { Worker } from "factotum/runs";
import { fated } from "./fated.ts";

/** The two of them, one after the other. */
export type Succession = {
  /**
   * Until nothing is left to be done for now. The mortal may be struck while it idles between two calls, too:
   * its heir comes when it is waited for.
   */
  readonly settle: () => Promise<void>;
  /** Stops whoever works; whether the mortal died. */
  readonly stop: () => Promise<"died" | "lived">;
};

/** The heir looks often for what was left behind. */
const HEIR_SWEEP_MS = 20;

/**
 * @param work starts a worker that looks so often for what nobody told it of
 * @param mortalSweepMs the mortal looks seldom, since that counts as acts
 */
export function succession(
  db: Database,
  atAct: number,
  work: (db: Database, sweepMs: number) => Worker,
  mortalSweepMs = 60_000,
): Succession {
  const mortal = fated(db, atAct);
  const died = mortal.struck.then(() => "died" as const);
  let end: "died" | "lived" = "lived";
  let worker = work(mortal.db, mortalSweepMs);
  return {
    settle: async () => {
      if (end === "lived") {
        const idle = worker.drained().then(() => "lived" as const);
        end = await Promise.race([died, idle.catch(() => died)]);
        if (end === "lived") return;
        await worker.stop();
        while ((await db.query("select from factotum.living_workers")).rowCount > 0);
        worker = work(db, HEIR_SWEEP_MS);
      }
      await worker.drained();
    },
    stop: async () => {
      await worker.stop();
      return end;
    },
  };
}
