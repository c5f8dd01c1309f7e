import { InvariantError } from "../kernel/index.ts";
import type { Prepared, Transaction } from "../postgres/index.ts";
import type { RunStatus } from "./run.ts";
import { insertSteps, type StepColumns, takePendingSteps } from "./steps.ts";
import { becauseText, jsonText } from "./text.ts";
import type { Hold, TurnEnd } from "./hold.ts";

/** How a turn ends: what its last statement writes, and the hold on the run once that is committed. */
export type Closing = {
  readonly hold: Hold;
  readonly end: TurnEnd;
  readonly steps: StepColumns;
  /** In the order of `closingColumns`. */
  readonly values: readonly (string | Date | null)[];
};

/** What the last statement answers of its run. */
export type ClosedRow = {
  readonly id: string;
  readonly status: RunStatus;
  readonly wake_at: Date | null;
  readonly version: string;
  readonly steps: string;
  readonly updated_at: Date;
  readonly provider: string | null;
  /** Whether the run, though ready, is no longer its holder's: its next provider has limits. */
  readonly let_go: boolean;
};

/** What a turn's end says of its run, with the types of the parameters. */
export const closingColumns = {
  id: "bigint",
  fence: "bigint",
  worker: "bigint",
  /** Null where the row's version was checked under its lock. */
  version: "bigint",
  wanted: "text",
  /** Null where it is as it was. */
  state: "text",
  outcome: "text",
  because: "text",
  until: "timestamptz",
  /** Null: as before; empty: none. */
  provider: "text",
} as const;

/** @param unread nobody has checked the row's version yet: the statement does */
export function closingOf(tx: Transaction, hold: Hold, end: TurnEnd, unread: boolean): Closing {
  const { run, stateText } = hold;
  const written = jsonText(end.state, "state", run.id);
  const outcome = end.kind === "done" ? end.outcome : null;
  const because = end.kind === "failed" ? becauseText(end.because) : null;
  const until = end.kind === "park" ? (end.until ?? null) : null;
  const provider = "provider" in end && end.provider !== undefined ? (end.provider ?? "") : null;
  const state = written === stateText ? null : written;
  const version = unread ? String(run.version) : null;
  const values = [
    ...[run.id, hold.fence, hold.worker, version, statusAfter(end), state, outcome, because, until],
    provider,
  ];
  const after = { ...hold, run: { ...run, outcome, because }, stateText: written };
  return { hold: after, end, steps: takePendingSteps(tx), values };
}

/** The hold on the run as the last statement wrote it. */
export function closedHold({ hold, end }: Closing, row: ClosedRow): Hold {
  const run = {
    ...hold.run,
    state: end.state,
    status: row.status,
    provider: row.provider,
    wakeAt: row.wake_at,
    version: BigInt(row.version),
    steps: BigInt(row.steps),
    failures: 0,
    updatedAt: row.updated_at,
  };
  return { ...hold, run };
}

/** The columns of `ClosedRow` but its id, from a row of factotum.runs or of a closing. */
export function closedColumns(row: string): string {
  return ["status", "wake_at", "version", "steps", "updated_at", "provider"]
    .map((column) => `${row}.${column}`)
    .join(", ");
}

/**
 * What a closing sets in its row and asks of it, its values named by `of`: the fence, the worker, and the
 * version where nobody has checked it.
 */
export function closingTerms(of: (column: keyof typeof closingColumns) => string, stepCount: string | null) {
  const refused = `(${of("wanted")} = 'waiting' and r.wakes > r.wakes_seen)`;
  const status = `case when ${refused} then 'ready' else ${of("wanted")} end`;
  const provider = `case when ${of("provider")} is null then r.provider
      else nullif(${of("provider")}, '') end`;
  const stays = `(nullif(${of("provider")}, '') is null or ${of("provider")} = r.provider
    or not exists (select from factotum.limits where kind = 'provider'))`;
  return {
    set: `status = ${status},
      state = coalesce(${of("state")}::json, r.state),
      outcome = ${of("outcome")}, because = ${of("because")}, wake_at = ${of("until")},
      worker = case when ${status} = 'ready' and ${stays} then r.worker end, provider = ${provider},
      wakes_seen = case when ${of("wanted")} = 'waiting' then r.wakes else r.wakes_seen end,
      version = r.version + 1${stepCount === null ? "" : `, steps = r.steps + ${stepCount}`},
      failures = 0, retry_at = null, updated_at = (select factotum.now())`,
    where: `r.id = ${of("id")} and r.fence = ${of("fence")}
      and r.worker is not distinct from ${of("worker")}
      and (${of("version")} is null or r.version = ${of("version")})`,
    returning: `r.id, ${closedColumns("r")},
      r.status = 'ready' and r.worker is distinct from ${of("worker")} as let_go`,
  };
}

/**
 * The last statement of one turn. It raises, so that the commit sent with it keeps nothing, where the run is
 * not the holder's as it knows it.
 */
export function closingStatement({ steps, values }: Closing): Prepared {
  return steps[0].length === 0
    ? { ...closingAlone, values }
    : { ...closingWithSteps, values: [...steps, ...values] };
}

/** @param shift how many parameters the steps take, which come first */
function closingSql(shift: number): string {
  const columns = Object.entries(closingColumns);
  const of = (name: string): string => {
    const at = columns.findIndex(([column]) => column === name);
    return `$${at + 1 + shift}::${columns[at]?.[1]}`;
  };
  const terms = closingTerms(of, shift > 0 ? "cardinality($1::text[])" : null);
  return `with o as (update factotum.runs r set ${terms.set} where ${terms.where}
      returning ${terms.returning})
    ${shift > 0 ? `, written as (${insertSteps("o")})` : ""}
    select coalesce(o.id, factotum.refuse_turn(${of("id")})) as id, ${closedColumns("o")}, o.let_go
    from (values (1)) one left join o on true`;
}

/** Prepared, since planning them costs more than running them. */
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
