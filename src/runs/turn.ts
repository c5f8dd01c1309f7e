import { InvariantError, type Json } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { FencedError } from "./errors.ts";
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
 * What one turn does: everything through `tx`, nothing outside, since after a deadlock it is done again;
 * `at` is the business time.
 */
export type TurnWork = (tx: Transaction, run: Run, at: Date) => Promise<TurnEnd>;

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
 * One turn: one transaction that locks the run's row, checks the fence, does the work, and writes how it
 * ends.
 *
 * @returns the hold with the run as committed
 * @throws {FencedError} when the run is held by another by now; whatever `work` throws, with nothing kept
 */
export async function takeTurn(db: Database, hold: Hold, turnMsMax: number, work: TurnWork): Promise<Hold> {
  return await db.transaction(
    async (tx) => {
      const opened = await open(tx, hold, turnMsMax);
      gatherSteps(tx, opened.run.id);
      const end = await work(tx, opened.run, opened.at);
      return await close(tx, hold, opened, end);
    },
    { retries: RETRIES },
  );
}

/** After a deadlock or a serialization failure; a turn has no effect outside, so it can be taken again. */
const RETRIES = 5;

type Opened = { readonly run: Run; readonly stateText: string; readonly at: Date };

/** Both statements of a turn are prepared: planning them costs more than running them. */
const opening = {
  name: "factotum.turn.open",
  text: `select ${setTurnTimeout}, factotum.now() as at,
      fence, worker, status, because, priority, wake_at, version, steps, failures,
      case when version <> $3 then state::text end as state_text
    from factotum.runs where id = $1 for no key update`,
};

async function open(tx: Transaction, hold: Hold, turnMsMax: number): Promise<Opened> {
  const runId = hold.run.id;
  const values = [runId, String(turnMsMax), String(hold.run.version)];
  const { rows } = await tx.client.query<OpenRow>({ ...opening, values });
  const row = rows[0];
  if (row === undefined) throw new FencedError(runId, "its row is gone");
  if (row.fence !== hold.fence || row.worker !== hold.worker) throw new FencedError(runId, holderOf(row));
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

function holderOf(row: OpenRow): string {
  if (row.status === "cancelled") return `it was cancelled (${row.because ?? "no reason given"})`;
  return row.worker === null ? `it is ${row.status} and free` : `worker ${row.worker} holds it`;
}

async function close(tx: Transaction, hold: Hold, { run, stateText }: Opened, end: TurnEnd): Promise<Hold> {
  const written = jsonText(end.state, "state", run.id);
  const outcome = end.kind === "done" ? end.outcome : null;
  const because = end.kind === "failed" ? becauseText(end.because) : null;
  const until = end.kind === "park" ? (end.until ?? null) : null;
  const state = written === stateText ? null : written;
  const values = [run.id, hold.fence, statusAfter(end), state, outcome, because, until];
  const steps = takePendingSteps(tx);
  const { rows } =
    steps[0].length === 0
      ? await tx.client.query<ClosedRow>({ ...closing, values })
      : await tx.client.query<ClosedRow>({ ...closingWithSteps, values: [...steps, ...values] });
  const row = rows[0];
  if (row === undefined)
    throw new FencedError(run.id, "the turn itself cancelled it; end the turn as failed");
  const closed: Run = {
    ...run,
    state: end.state,
    status: row.status,
    outcome,
    because,
    wakeAt: row.wake_at,
    version: BigInt(row.version),
    steps: BigInt(row.steps),
    failures: 0,
    updatedAt: row.updated_at,
  };
  return { ...hold, run: closed, stateText: written };
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
 * those.
 */
function closingSql(shift: number): string {
  const [id, fence, wanted, state, outcome, because, until] = [1, 2, 3, 4, 5, 6, 7].map(
    (at) => `$${at + shift}`,
  );
  const refused = `(${wanted}::text = 'waiting' and wakes > wakes_seen)`;
  const status = `case when ${refused} then 'ready' else ${wanted}::text end`;
  return `update factotum.runs set
      status = ${status},
      state = coalesce(${state}::json, state),
      outcome = ${outcome}, because = ${because},
      wake_at = ${until}::timestamptz,
      worker = case when ${status} = 'ready' then worker end,
      wakes_seen = case when ${wanted}::text = 'waiting' then wakes else wakes_seen end,
      version = version + 1${shift === 0 ? "" : ", steps = steps + cardinality($1::text[])"},
      failures = 0, retry_at = null, updated_at = factotum.now()
    where id = ${id} and fence = ${fence}
    returning id, status, wake_at, version, steps, updated_at`;
}

const closing = { name: "factotum.turn.close", text: closingSql(0) };
const closingWithSteps = {
  name: "factotum.turn.close-with-steps",
  text: `with o as (${closingSql(3)}), written as (${insertSteps("o")}) select * from o`,
};

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
