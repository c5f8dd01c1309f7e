import type { RunId } from "../kernel/index.ts";
import type { Run } from "./run.ts";
import { FencedError } from "./errors.ts";
import type { Hold } from "./hold.ts";
import { takeTurn, type TurnMeans, type TurnWork } from "./turn.ts";

/** A run in the hands of one worker: what a driver gets. */
export interface Lease {
  readonly runId: RunId;
  /** The run as of its last committed turn, or as it was taken up. */
  readonly run: Run;
  /** Aborted when the run is no longer this worker's: stop the call under way, and return or let it throw. */
  readonly signal: AbortSignal;
  /**
   * Aborted when a person wants the call under way stopped, because they have said something that it ought
   * to have been told: stop it, and go on with a turn. A new one for every turn.
   */
  readonly interruption: AbortSignal;
  /**
   * Whether the worker wants to stop: where nothing outside the database is under way, return instead of
   * taking another turn, and the run goes on elsewhere.
   */
  shouldYield(): boolean;
  /**
   * One transaction: `work` reads and writes through `tx` alone (no call to the outside: a transaction that
   * stands still as long as the lease is ended by Postgres), and what it returns is written with it, all or
   * nothing. Go on while the run comes back `ready`.
   *
   * @throws {FencedError} when the run was taken over or cancelled: nothing was kept; let it through
   */
  turn(work: TurnWork): Promise<Run>;
}

/** A lease, and what the worker keeps of it. */
export type HeldLease = {
  readonly lease: Lease;
  readonly hold: () => Hold;
  readonly turns: () => number;
  readonly abort: (reason: Error) => void;
  readonly interrupt: () => void;
};

/** Makes a lease on a run that was just claimed. */
export function makeLease(means: TurnMeans, claimed: Hold, shouldYield: () => boolean): HeldLease {
  const controller = new AbortController();
  let interruption = new AbortController();
  let hold = claimed;
  let turns = 0;
  let doubtful = false;
  const lease: Lease = {
    runId: claimed.run.id,
    get run() {
      return hold.run;
    },
    signal: controller.signal,
    get interruption() {
      return interruption.signal;
    },
    shouldYield,
    turn: async (work) => {
      const read = doubtful;
      doubtful = true;
      const taken = await takeTurn(means, hold, work, read);
      hold = taken.hold;
      doubtful = false;
      turns += 1;
      if (taken.letGo) controller.abort(new FencedError(hold.run.id, "its next provider has limits"));
      if (interruption.signal.aborted) interruption = new AbortController();
      return hold.run;
    },
  };
  return {
    ...{ lease, hold: () => hold, turns: () => turns },
    abort: (reason) => controller.abort(reason),
    interrupt: () => interruption.abort(),
  };
}
