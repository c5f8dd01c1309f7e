/** What simulated workers do, and what must hold of it at every moment. */
import { type Json, must } from "factotum/kernel";
import type { Database, Transaction } from "factotum/postgres";
import { appendStep, type Drive, type Run } from "factotum/runs";

/** Turns of a run that count; the second is a call to a provider. */
export const TURNS = 5;
const CALL = 2;
const HOUR_MS = 3_600_000;

/** Where a run is: the turns it has taken, and the call whose answer it waits for. */
type State = { readonly n: number; readonly intent: number | null; readonly tries: number };

/** Tables of the story, and a business clock that stands still until it is moved. */
export async function setUp(db: Database): Promise<void> {
  await db.query(
    `create table work (run_id bigint not null, n int not null);
     create table letter (run_id bigint not null);
     create table call (run_id bigint not null, attempt int not null, status text not null)`,
  );
}

/**
 * Five turns: a row, a call with its intent committed before, a park for an hour, steps alone, and a row once
 * a letter has come.
 *
 * @param ask asks the provider for the answer to a run's call
 */
export function driveStory(ask: (runId: string, attempt: number) => Promise<void>): Drive {
  return async (lease) => {
    /** The call that this drive itself has intended: another's may have been made or not. */
    let mine: number | null = null;
    while (lease.run.status === "ready" && !lease.signal.aborted) {
      const { n, intent } = stateOf(lease.run);
      if (n + 1 !== CALL) await lease.turn(work);
      else if (mine === null || intent !== mine) mine = stateOf(await lease.turn(intend)).intent;
      else {
        await ask(lease.runId, mine);
        await lease.turn(answer);
      }
    }
  };
}

type Work = Parameters<Parameters<Drive>[0]["turn"]>[0];

const work: Work = async (tx, run, now) => {
  const n = stateOf(run).n + 1;
  if (n === TURNS && (await tx.query("select from letter where run_id = $1", [run.id])).rowCount === 0) {
    return { kind: "park", state: run.state };
  }
  if (n === 1 || n === TURNS) await tx.query("insert into work (run_id, n) values ($1, $2)", [run.id, n]);
  await appendStep(tx, run.id, { kind: "work", attempt: null, data: n });
  const state = { n, intent: null, tries: 0 };
  if (n === TURNS) return { kind: "done", state, outcome: "worked" };
  if (n === 3) return { kind: "park", state, until: new Date((await now()).getTime() + HOUR_MS) };
  return { kind: "continue", state };
};

const intend: Work = async (tx, run) => {
  const state = stateOf(run);
  if (state.intent !== null) await mark(tx, run, state.intent, "unknown");
  const attempt = state.tries + 1;
  await tx.query("insert into call values ($1, $2, 'intended')", [run.id, attempt]);
  return { kind: "continue", state: { ...state, intent: attempt, tries: attempt } };
};

const answer: Work = async (tx, run) => {
  const { n, intent } = stateOf(run);
  await mark(tx, run, intent, "settled");
  await appendStep(tx, run.id, { kind: "work", attempt: null, data: n + 1 });
  return { kind: "continue", state: { n: n + 1, intent: null, tries: 0 } };
};

async function mark(tx: Transaction, run: Run, attempt: number | null, status: string): Promise<void> {
  await tx.query("update call set status = $3 where run_id = $1 and attempt = $2 and status = 'intended'", [
    ...[run.id, attempt, status],
  ]);
}

function stateOf({ state }: { readonly state: Json }): State {
  return (state as State | null) ?? { n: 0, intent: null, tries: 0 };
}

/** A run as its row says. */
export type Row = {
  readonly id: string;
  readonly status: string;
  readonly fence: number;
  readonly version: number;
  readonly state: State | null;
  readonly worker: string | null;
};

/** What a look at everything shows. */
export type Look = {
  readonly broken: readonly unknown[];
  readonly rows: readonly Row[];
  readonly names: readonly (readonly [id: string, name: string])[];
};

/** What must hold at every moment, whatever is under way; rows of it are violations. */
const VIOLATIONS = `
  with run as (select id, status, worker, steps, wake_at,
      coalesce((nullif(state::text, 'null')::json->>'n')::int, 0) as n,
      (nullif(state::text, 'null')::json->>'intent')::int as intent
    from factotum.runs)
  select 'effects are not those of the state' as broken, id from run r
    where (select coalesce(array_agg(n order by n), '{}') from work where run_id = r.id)
      <> array(select i from generate_series(1, r.n) i where i in (1, ${TURNS}))
  union all select 'steps are not those of the state', id from run r
    where (select coalesce(array_agg(data::text::int order by seq), '{}') from factotum.steps
           where run_id = r.id and kind = 'work') <> array(select generate_series(1, r.n))
  union all select 'steps have gaps', id from run r
    where (select (count(*), coalesce(max(seq), 0)) from factotum.steps where run_id = r.id)
      <> (r.steps, r.steps)
  union all select 'calls are not those of the state', id from run r
    where (select count(*) from call where run_id = r.id and status = 'settled') <> (n >= ${CALL})::int
      or (select coalesce(max(attempt), 0) from call where run_id = r.id and status = 'intended')
         <> coalesce(r.intent, 0)
      or exists (select from call where run_id = r.id group by attempt having count(*) > 1)
  union all select 'held though it waits', id from run where worker is not null and status <> 'ready'
  union all select 'waits for nothing', id from run r where status = 'waiting'
    and (wake_at is null and n <> ${TURNS - 1} or wake_at is not null and n <> 3
      or n = ${TURNS - 1} and exists (select from letter where run_id = r.id))`;

const LOOK = `select (select coalesce(json_agg(v), '[]') from (${VIOLATIONS}) v) as broken,
  (select json_agg(r order by r.id)
   from (select id::text, status, fence, version, state, worker::text from factotum.runs) r) as rows,
  (select coalesce(json_agg(json_build_array(id::text, name)), '[]') from factotum.workers) as names`;

/** Every run, what is wrong with them, and which process each worker is. */
export async function look(db: Database): Promise<Look> {
  return must((await db.query<Look>(LOOK)).rows[0], "a look at everything");
}

/** A call that the provider served. */
export type Served = { readonly runId: string; readonly attempt: number };

/** Calls served without one row that is settled or unknown, and those asked after an answer was there. */
export async function wrongCalls(db: Database, served: readonly Served[]): Promise<readonly Served[]> {
  const { rows } = await db.query<{ run_id: string; attempt: number; status: string }>("select * from call");
  return served.filter(({ runId, attempt }, at) => {
    const calls = rows.filter(({ run_id }) => run_id === runId);
    const own = calls.filter((call) => call.attempt === attempt && call.status !== "intended");
    const settled = calls.find(({ status }) => status === "settled")?.attempt ?? Infinity;
    const again = served.findIndex((one) => one.runId === runId && one.attempt === attempt) !== at;
    return own.length !== 1 || attempt > settled || again;
  });
}
