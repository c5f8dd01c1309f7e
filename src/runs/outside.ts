import type { Json, RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { closeAlone } from "./close-together.ts";
import { FencedError, RunError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { runColumns, runOf, type RunRow } from "./run.ts";
import type { Hold } from "./hold.ts";
import { takeTurn, type TurnWork } from "./turn.ts";

/** A turn taken for a client outside does nothing slow: what takes time is done before it. */
const TURN_MS_MAX = 30_000;

/**
 * A lease for whoever drives a parked run from outside, such as a client of another protocol, one turn at a
 * time. It holds nothing: between two turns the run is a row, and a turn commits only where the run is still
 * as it was read here, no worker has it, and no other turn came between.
 *
 * @throws {RunError} `run-unknown`; its `turn` throws {FencedError} where another came first: read it again
 */
export async function leaseOutside(db: Database, runId: RunId): Promise<Lease> {
  let hold = await read(db, runId);
  const means = { db, closer: closeAlone(db), turnMsMax: TURN_MS_MAX };
  const never = new AbortController();
  return {
    runId,
    get run() {
      return hold.run;
    },
    signal: never.signal,
    interruption: never.signal,
    shouldYield: () => true,
    turn: async (work) => {
      const { version } = hold.run;
      const unmoved: TurnWork = (tx, run, now) => {
        if (run.version !== version) throw new FencedError(run.id, "another turn came between");
        return work(tx, run, now);
      };
      hold = (await takeTurn(means, hold, unmoved, true)).hold;
      return hold.run;
    },
  };
}

async function read(db: Database, runId: RunId): Promise<Hold> {
  const { rows } = await db.query<RunRow & { fence: string }>(
    `select ${runColumns}, r.fence from factotum.runs r where id = $1`,
    [runId],
  );
  const row = rows[0];
  if (row !== undefined) {
    const stateText = JSON.stringify(row.state satisfies Json);
    return { worker: null, fence: row.fence, run: runOf(row), stateText };
  }
  throw new RunError({
    code: "run-unknown",
    retry: "never",
    runId,
    message: `there is no run ${runId}; list the runs there are with: factotum runs`,
  });
}
