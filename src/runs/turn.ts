import { InvariantError, type Json, must } from "../kernel/index.ts";
import { type Database, type Prepared, sqlStateOf, type Transaction } from "../postgres/index.ts";
import { FencedError, RunMovedError } from "./errors.ts";
import type { Run, RunStatus } from "./run.ts";
import { gatherSteps, insertSteps, takePendingSteps } from "./steps.ts";
import { becauseText, jsonText } from "./text.ts";

/** How a turn leaves its run. */
export type TurnEnd =
  /** Another turn follows at once. */
  | { readonly kind: "continue"; readonly state: Json }
  /**
   * Wait until a business time, or, without `until`, until woken. Refused, once, when a wake-up found the
   * run awake since its last park: the run comes back `ready` and takes another turn.
   */
  | { readonly kind: "park"; readonly state: Json; readonly until?: Date }
  | { readonly kind: "done"; readonly state: Json; readonly outcome: string }
  | { readonly kind: "failed"; readonly state: Json; readonly because: string };

/**
 * What one turn does: everything through `tx`, nothing outside, since it may be done again (after a deadlock,
 * or where the run moved since it was last read). The transaction begins, with the run's row locked, at the
 * first use of `tx` or `now`; a turn that uses neither, steps apart, is a single statement.
 *
 * @param now the business time, as of the transaction's begin
 */
export type TurnWork = (tx: Transaction, run: Run, now: () => Promise<Date>) => Promise<TurnEnd>;

/** A run as one worker holds it. */
export type Hold = {
  /** Null where the run is driven from outside, between a worker's turns. */
  readonly worker: string | null;
  readonly fence: string;
  /** As this worker last saw it. */
  readonly run: Run;
  /**
   * The committed state. Kept as text, and parsed for every turn, so that an agent that changes the object
   * in its hands changes nothing; read again only when the row's version is not the one this worker wrote.
   */
  readonly stateText: string;
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

/**
 * One turn: one transaction that checks the fence, does the work, and writes how it ends. It starts from the
 * run as the holder wrote it last; where the row turns out to be another version, it starts again from that.
 *
 * @param doubtful read the row before the work: an error left open what was kept last
 * @returns the hold with the run as committed
 * @throws {FencedError} when the run is held by another by now; whatever `work` throws, with nothing kept
 */
export async function takeTurn(
  db: Database,
  hold: Hold,
  turnMsMax: number,
  work: TurnWork,
  doubtful = false,
): Promise<Hold> {
  if (!doubtful) {
    try {
      return await attempt(db, hold, turnMsMax, work, false);
    } catch (error) {
      if (!(error instanceof RunMovedError)) throw error;
    }
  }
  return await attempt(db, hold, turnMsMax, work, true);
}

async function attempt(
  db: Database,
  hold: Hold,
  turnMsMax: number,
  work: TurnWork,
  eager: boolean,
): Promise<Hold> {
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
        return closing.statement;
      },
    );
    return closedHold(must(closing, "the turn's end"), must(rows[0], "the row that the turn wrote"));
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

/** How a turn ends: its last statement, and the hold on the run once that is committed. */
type Closing = { readonly statement: Prepared; readonly hold: Hold; readonly end: TurnEnd };

/** @param unread nobody has checked the row's version yet: the statement does */
function closingOf(tx: Transaction, hold: Hold, end: TurnEnd, unread: boolean): Closing {
  const { run, stateText } = hold;
  const written = jsonText(end.state, "state", run.id);
  const outcome = end.kind === "done" ? end.outcome : null;
  const because = end.kind === "failed" ? becauseText(end.because) : null;
  const until = end.kind === "park" ? (end.until ?? null) : null;
  const state = written === stateText ? null : written;
  const version = unread ? String(run.version) : null;
  const values = [run.id, hold.fence, hold.worker, version, statusAfter(end), state, outcome, because, until];
  const steps = takePendingSteps(tx);
  const statement =
    steps[0].length === 0
      ? { ...closingAlone, values }
      : { ...closingWithSteps, values: [...steps, ...values] };
  return { statement, end, hold: { ...hold, run: { ...run, outcome, because }, stateText: written } };
}

function closedHold({ hold, end }: Closing, row: ClosedRow): Hold {
  const run: Run = {
    ...hold.run,
    state: end.state,
    status: row.status,
    wakeAt: row.wake_at,
    version: BigInt(row.version),
    steps: BigInt(row.steps),
    failures: 0,
    updatedAt: row.updated_at,
  };
  return { ...hold, run };
}

type ClosedRow = {
  readonly status: RunStatus;
  readonly wake_at: Date | null;
  readonly version: string;
  readonly steps: string;
  readonly updated_at: Date;
};

/**
 * The turn's last statement, with its parameters from $`shift` + 1 on; with steps before them it counts
 * those. It raises, so that the commit sent with it keeps nothing, where the run is not the holder's as it
 * knows it.
 */
function closingSql(shift: number): string {
  const [id, fence, worker, version, wanted, state, outcome, because, until] = Array.from(
    { length: 9 },
    (_, at) => `$${at + 1 + shift}`,
  );
  const refused = `(${wanted}::text = 'waiting' and wakes > wakes_seen)`;
  const status = `case when ${refused} then 'ready' else ${wanted}::text end`;
  const withSteps = shift > 0;
  return `with o as (update factotum.runs set
      status = ${status},
      state = coalesce(${state}::json, state),
      outcome = ${outcome}, because = ${because},
      wake_at = ${until}::timestamptz,
      worker = case when ${status} = 'ready' then worker end,
      wakes_seen = case when ${wanted}::text = 'waiting' then wakes else wakes_seen end,
      version = version + 1${withSteps ? ", steps = steps + cardinality($1::text[])" : ""},
      failures = 0, retry_at = null, updated_at = factotum.now()
    where id = ${id} and fence = ${fence} and worker is not distinct from ${worker}::bigint
      and (${version}::bigint is null or version = ${version})
    returning id, status, wake_at, version, steps, updated_at)
    ${withSteps ? `, written as (${insertSteps("o")})` : ""}
    select coalesce(o.id, factotum.refuse_turn(${id})) as id, status, wake_at, version, steps, updated_at
    from (values (1)) one left join o on true`;
}

const closingAlone = { name: "factotum.turn.close", text: closingSql(0) };
const closingWithSteps = { name: "factotum.turn.close-with-steps", text: closingSql(3) };

function statusAfter(end: TurnEnd): RunStatus {
  switch (end.kind) {
    case "continue":
      return "ready";
    case "park":
      return "waiting";
    case "done":
      return "done";
    case "failed":
      return "failed";
    default:
      throw new InvariantError(`a turn ended with ${JSON.stringify(end satisfies never)}`);
  }
}
