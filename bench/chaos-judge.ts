/** What came of a crash campaign's runs, counted in the tables that they wrote. */
import type { Database } from "factotum/postgres";
import type { ScriptedProvider } from "factotum/testing";
import { DESK, judgeDesk } from "./chaos-desk.ts";
import type { StandIn } from "./chaos-stand-in.ts";

/** Steps of one synthetic run. */
export const STEPS = 50;

/** What the provider stand-in served, against the rows that say so. */
export type CallReport = {
  readonly served: number;
  readonly settled: number;
  readonly unknown: number;
  /** Served, without exactly one row that is settled or unknown. */
  readonly unrecorded: number;
  /** Served although an answer to the same step was committed before. */
  readonly askedAgain: number;
};

/** The counts. */
export type Judged = {
  readonly runs: number;
  readonly finished: number;
  readonly effects: number;
  readonly lost: number;
  readonly doubled: number;
  /** Not finished, and nothing moved any more. */
  readonly stuck: number;
  /** What the synthetic runs called. */
  readonly calls: CallReport;
  readonly desk: {
    readonly runs: number;
    readonly effects: number;
    readonly calls: CallReport;
    /** Each line of the business that is missing, or there too often, or not true. */
    readonly wrong: readonly string[];
  };
};

/** What it is judged by. */
export type Witnesses = {
  readonly standIn: StandIn;
  readonly model: ScriptedProvider;
  /** What the desk's business must hold. */
  readonly expected: readonly string[];
};

/** A call as the stand-in saw it: run, step and attempt. */
export type Served = { readonly key: string; readonly at: number };

/** Counts the effects of synthetic runs (steps, and rows of every other step) and of the desk, and calls. */
export async function judge(db: Database, { standIn, model, expected }: Witnesses): Promise<Judged> {
  const [runs] = (
    await db.query<{ runs: number; synthetic: number; finished: number }>(
      `select count(*)::int as runs, count(*) filter (where status = 'done')::int as finished,
         count(*) filter (where agent <> $1)::int as synthetic
       from factotum.runs`,
      [DESK],
    )
  ).rows;
  const [effects] = (
    await db.query<{ effects: number; different: number }>(
      `select count(*)::int as effects, count(distinct (source, run_id, n))::int as different from (
         select 'row' as source, run_id, n from effect
         union all select 'step', run_id, data::text::int from factotum.steps where kind = 'effect') e`,
    )
  ).rows;
  const count = { runs: 0, synthetic: 0, finished: 0, effects: 0, different: 0, ...runs, ...effects };
  const desk = await judgeDesk(db, expected, standIn.letters);
  return {
    runs: count.runs,
    finished: count.finished,
    effects: count.effects + desk.effects,
    lost: count.synthetic * (STEPS + STEPS / 2) - count.different + desk.lost.length,
    doubled: count.effects - count.different + desk.doubled.length,
    stuck: count.runs - count.finished,
    calls: await judgeCalls(db, standIn.served),
    desk: {
      ...{ runs: desk.runs, effects: desk.effects, wrong: [...desk.lost, ...desk.doubled] },
      calls: await judgeModelCalls(db, model),
    },
  };
}

/** A call's id is its idempotency key, so a request is known by it. */
async function judgeModelCalls(db: Database, { requests }: ScriptedProvider): Promise<CallReport> {
  const { rows } = await db.query<{ id: string; state: string; again: boolean }>(
    `select id, state, exists (
       select from factotum.calls e
       where e.run_id = c.run_id and e.attempt = c.attempt and e.digest = c.digest
         and e.state = 'answered' and e.ended_at <= c.intended_at and e.id <> c.id) as again
     from factotum.calls c`,
  );
  const over = new Set(rows.filter(({ state }) => state !== "intended").map(({ id }) => id));
  const served = requests.map(({ headers }) => headers["idempotency-key"] ?? "");
  return {
    served: served.length,
    settled: rows.filter(({ state }) => state === "answered" || state === "failed").length,
    unknown: rows.filter(({ state }) => state === "unknown").length,
    unrecorded: served.filter((id) => !over.has(id)).length,
    askedAgain: rows.filter(({ again }) => again).length + served.length - new Set(served).size,
  };
}

async function judgeCalls(db: Database, served: readonly Served[]): Promise<CallReport> {
  const { rows } = await db.query<{ step: string; key: string; status: string; tries: number }>(
    `select run_id || '/' || n as step, run_id || '/' || n || '/' || attempt as key, status,
       count(*) over (partition by run_id, n, attempt)::int as tries
     from call`,
  );
  const byKey = new Map(rows.map((row) => [row.key, row]));
  const answeredBy = new Map(rows.flatMap((row) => (row.status === "settled" ? [[row.step, row.key]] : [])));
  const keys = new Set(served.map(({ key }) => key));
  const recorded = (key: string): boolean => {
    const row = byKey.get(key);
    return row !== undefined && row.tries === 1 && row.status !== "intended";
  };
  const attemptOf = (key: string): number => Number(key.slice(key.lastIndexOf("/") + 1));
  const later = (key: string): boolean => {
    const answered = answeredBy.get(key.slice(0, key.lastIndexOf("/")));
    return answered !== undefined && attemptOf(key) > attemptOf(answered);
  };
  return {
    served: served.length,
    settled: rows.filter(({ status }) => status === "settled").length,
    unknown: rows.filter(({ status }) => status === "unknown").length,
    unrecorded: [...keys].filter((key) => !recorded(key)).length,
    askedAgain: served.length - keys.size + [...keys].filter(later).length,
  };
}
