import { type Json, must } from "../kernel/index.ts";
import { type Database, sqlStateOf, type Transaction } from "../postgres/index.ts";
import type { Closer } from "./close-together.ts";
import { type ClosedRow, closedHold, type Closing, closingOf, closingStatement } from "./closing.ts";
import { FencedError, RunMovedError } from "./errors.ts";
import type { Hold, TurnEnd } from "./hold.ts";
import type { Run, RunStatus } from "./run.ts";
import { gatherSteps } from "./steps.ts";

/**
 * What one turn does: everything through `tx`, nothing outside, since it may be done again (after a deadlock,
 * or where the run moved since it was last read). The transaction begins, with the run's row locked, at the
 * first use of `tx` or `now`; a turn that uses neither, steps apart, is a single statement.
 *
 * @param now the business time, as of the transaction's begin
 */
export type TurnWork = (tx: Transaction, run: Run, now: () => Promise<Date>) => Promise<TurnEnd>;

/** What a turn is taken with. */
export type TurnMeans = {
  readonly db: Database;
  /** For turns that end without having begun a transaction. */
  readonly closer: Closer;
  /** Longest that a turn's transaction may stand still. */
  readonly turnMsMax: number;
};

/**
 * Postgres ends a turn whose process stands still with its transaction open, so that its row lock cannot
 * keep others off.
 */
const setTurnTimeout = "set_config('idle_in_transaction_session_timeout', $2, true)";

type OpenRow = {
  readonly fence: string;
  readonly worker: string | null;
  readonly status: RunStatus;
  readonly because: string | null;
  readonly priority: number;
  readonly wake_at: Date | null;
  readonly version: string;
  readonly steps: string;
  readonly failures: number;
  readonly at: Date;
  /** Null: as the holder knows it. */
  readonly state_text: string | null;
};

/** What a turn came to. */
export type Taken = { readonly hold: Hold; readonly letGo: boolean };

/**
 * One turn: one transaction that checks the fence, does the work, and writes how it ends. It starts from the
 * run as the holder wrote it last; where the row turns out to be another version, it starts again from that.
 *
 * @param doubtful read the row before the work: an error left open what was kept last
 * @returns the hold with the run as committed, and whether the run was let go of for a provider's limits
 * @throws {FencedError} when the run is held by another by now; whatever `work` throws, with nothing kept
 */
export async function takeTurn(
  means: TurnMeans,
  hold: Hold,
  work: TurnWork,
  doubtful = false,
): Promise<Taken> {
  if (!doubtful) {
    try {
      return await attempt(means, hold, work, false);
    } catch (error) {
      if (!(error instanceof RunMovedError)) throw error;
    }
  }
  return await attempt(means, hold, work, true);
}

async function attempt(
  { db, closer, turnMsMax }: TurnMeans,
  hold: Hold,
  work: TurnWork,
  eager: boolean,
): Promise<Taken> {
  let opened: Opened | undefined;
  let closing: Closing | undefined;
  const values = [hold.run.id, String(turnMsMax), String(hold.run.version)];
  const judge = (rows: readonly OpenRow[]): void => {
    opened = judged(hold, rows[0], eager);
  };
  try {
    const rows = await db.deferred<OpenRow, ClosedRow>(
      { ...opening, values, opened: judge },
      async (tx, begin) => {
        opened = undefined;
        if (eager) await begin();
        const { run, stateText } = opened ?? { run: fresh(hold), stateText: hold.stateText };
        gatherSteps(tx, run.id);
        const now = async (): Promise<Date> => {
          await begin();
          return must(opened, "an opened turn").at;
        };
        const end = await work(tx, run, now);
        closing = closingOf(tx, { ...hold, run, stateText }, end, opened === undefined);
        return closingStatement(closing);
      },
      async () => [await closer.close(must(closing, "the turn's end"))],
    );
    const written = must(closing, "the turn's end");
    const row = must(rows[0], "the row that the turn wrote");
    return { hold: closedHold(written, row), letGo: row.let_go };
  } catch (error) {
    if (sqlStateOf(error) !== REFUSED) throw error;
    if (opened === undefined) throw new RunMovedError(hold.run.id);
    throw new FencedError(hold.run.id, "the turn itself cancelled it; end the turn as failed");
  }
}

/** What `factotum.refuse_turn` raises. */
const REFUSED = "FT001";

type Opened = { readonly run: Run; readonly stateText: string; readonly at: Date };

/** Both statements of a turn are prepared: planning them costs more than running them. */
const opening = {
  name: "factotum.turn.open",
  text: `select ${setTurnTimeout}, factotum.now() as at,
      fence, worker, status, because, priority, wake_at, version, steps, failures,
      case when version <> $3 then state::text end as state_text
    from factotum.runs where id = $1 for no key update`,
};

/** Under the row's lock: whether the turn may go on, and from what. */
function judged(hold: Hold, row: OpenRow | undefined, eager: boolean): Opened {
  const runId = hold.run.id;
  if (row === undefined) throw new FencedError(runId, "its row is gone");
  if (row.fence !== hold.fence || row.worker !== hold.worker) throw new FencedError(runId, holderOf(row));
  if (!eager && BigInt(row.version) !== hold.run.version) throw new RunMovedError(runId);
  const stateText = row.state_text ?? hold.stateText;
  const run: Run = {
    ...hold.run,
    state: JSON.parse(stateText) as Json,
    status: row.status,
    because: row.because,
    priority: row.priority,
    wakeAt: row.wake_at,
    version: BigInt(row.version),
    steps: BigInt(row.steps),
    failures: row.failures,
  };
  return { run, stateText, at: row.at };
}

/** The run as the holder knows it, with a state of its own. */
function fresh({ run, stateText }: Hold): Run {
  return { ...run, state: JSON.parse(stateText) as Json };
}

function holderOf(row: OpenRow): string {
  if (row.status === "cancelled") return `it was cancelled (${row.because ?? "no reason given"})`;
  return row.worker === null ? `it is ${row.status} and free` : `worker ${row.worker} holds it`;
}
