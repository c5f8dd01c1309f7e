/** What came of a crash campaign's runs, counted in the tables that they wrote. */
import type { Database } from "factotum/postgres";

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
  readonly calls: CallReport;
};

/** A call as the stand-in saw it: run, step and attempt. */
export type Served = { readonly key: string; readonly at: number };

/** Counts effects (steps, and rows of every other step) and calls. */
export async function judge(db: Database, served: readonly Served[]): Promise<Judged> {
  const [runs] = (
    await db.query<{ runs: number; finished: number }>(
      `select count(*)::int as runs, count(*) filter (where status = 'done')::int as finished
       from factotum.runs`,
    )
  ).rows;
  const [effects] = (
    await db.query<{ effects: number; different: number }>(
      `select count(*)::int as effects, count(distinct (source, run_id, n))::int as different from (
         select 'row' as source, run_id, n from effect
         union all select 'step', run_id, data::text::int from factotum.steps where kind = 'effect') e`,
    )
  ).rows;
  const count = { runs: 0, finished: 0, effects: 0, different: 0, ...runs, ...effects };
  return {
    runs: count.runs,
    finished: count.finished,
    effects: count.effects,
    lost: count.runs * (STEPS + STEPS / 2) - count.different,
    doubled: count.effects - count.different,
    stuck: count.runs - count.finished,
    calls: await judgeCalls(db, served),
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
