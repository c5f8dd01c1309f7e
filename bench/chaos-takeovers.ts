/**
 * How long runs stood still after a blow to their worker: from the blow to the first step that is committed
 * elsewhere, the note that it was picked up and notes of failures apart.
 *
 * A takeover is `disturbed` where something else befell it before that step: the worker that had picked the
 * run up was itself killed, paused or cut off, Postgres was killed, or no other worker was there to take it.
 */
import type { Database } from "factotum/postgres";

/** What was done to a worker, its runs at that moment, by the server's clock. */
export type Blow = {
  readonly kind: "kill" | "pause";
  readonly worker: string;
  readonly atMs: number;
  readonly runs: readonly string[];
  /** Other workers that were up and not paused. */
  readonly others: number;
  /** Nothing else was done to anyone until its runs had gone on. */
  readonly alone: boolean;
};

/** What else was done: to one worker, or, with null, to all; `jumpMs` where the server's clock was moved. */
export type Mishap = { readonly atMs: number; readonly worker: string | null; readonly jumpMs?: number };

/** Of so many takeovers, in milliseconds. */
export type Percentiles = { readonly p50: number; readonly p99: number; readonly count: number };

/** One run's. */
export type Takeover = {
  readonly run: string;
  readonly kind: Blow["kind"];
  readonly alone: boolean;
  readonly disturbed: boolean;
  /** Until it was picked up, first by the first of `by`. */
  readonly pickedUpMs: number;
  readonly by: readonly string[];
  readonly ms: number;
};

/** All of a campaign. */
export type TakeoverReport = {
  /** After kill -9, undisturbed, amid all else that was done. */
  readonly takeoverMs: Percentiles;
  /**
   * Of the same runs, until they were picked up: what a step itself takes is the agent's and the machine's.
   */
  readonly pickedUpMs: Percentiles;
  readonly disturbedMs: Percentiles;
  /** After kill -9, while nothing else was done to anyone. */
  readonly aloneMs: Percentiles;
  /** After SIGSTOP, in leases; the same three. */
  readonly pausedLeases: {
    readonly undisturbed: Percentiles;
    readonly disturbed: Percentiles;
    readonly alone: Percentiles;
  };
  /**
   * Picked up, and without a step to the end of the campaign: parked or finished by a turn that writes none.
   */
  readonly stepless: number;
  readonly slowest: readonly Takeover[];
};

const SLOWEST = 5;

type Row = {
  readonly run: string;
  readonly picked: number;
  readonly stepped: number | null;
  readonly by: readonly string[];
};

/** Runs of the blow that were picked up after it, and when the first step came of that; null: none yet. */
export async function pickedUp(db: Database, blow: Blow): Promise<readonly Row[]> {
  const { rows } = await db.query<Row>(
    `with picked as (
       select run_id, min(seq) as seq, min(at) as at from factotum.steps
       where run_id = any ($1::bigint[]) and kind = 'picked up' and at >= to_timestamp($2 / 1000.0)
       group by run_id)
     select p.run_id::text as run, extract(epoch from p.at)::float8 * 1000 as picked,
       extract(epoch from s.at)::float8 * 1000 as stepped,
       array(select split_part(data->>'by', ' ', 1) from factotum.steps
             where run_id = p.run_id and kind = 'picked up' and seq >= p.seq
               and seq < coalesce(s.seq, p.seq + 1) order by seq) as by
     from picked p
     left join lateral (
       select seq, at from factotum.steps
       where run_id = p.run_id and seq > p.seq and kind not in ('picked up', 'failure')
       order by seq limit 1) s on true`,
    [blow.runs, blow.atMs],
  );
  return rows;
}

/** Measures what came of all blows. */
export async function takeovers(
  db: Database,
  blows: readonly Blow[],
  mishaps: readonly Mishap[],
  leaseMs: number,
): Promise<TakeoverReport> {
  const all: Takeover[] = [];
  let stepless = 0;
  for (const blow of blows) {
    for (const row of await pickedUp(db, blow)) {
      if (row.stepped === null) stepless += 1;
      else all.push(takeover(blow, row, row.stepped, mishaps));
    }
  }
  const undisturbed = ({ alone, disturbed }: Takeover): boolean => !alone && !disturbed;
  const disturbed = (one: Takeover): boolean => !one.alone && one.disturbed;
  const alone = (one: Takeover): boolean => one.alone;
  const chosen = (kind: Blow["kind"], which: (one: Takeover) => boolean): readonly Takeover[] =>
    all.filter((one) => one.kind === kind && which(one));
  const of = (kind: Blow["kind"], which: (one: Takeover) => boolean, unit = 1): Percentiles =>
    percentiles(chosen(kind, which).map(({ ms }) => ms / unit));
  const kills = all.filter(({ kind }) => kind === "kill").toSorted((a, b) => b.ms - a.ms);
  return {
    takeoverMs: of("kill", undisturbed),
    pickedUpMs: percentiles(chosen("kill", undisturbed).map(({ pickedUpMs }) => pickedUpMs)),
    disturbedMs: of("kill", disturbed),
    aloneMs: of("kill", alone),
    pausedLeases: {
      undisturbed: of("pause", undisturbed, leaseMs),
      disturbed: of("pause", disturbed, leaseMs),
      alone: of("pause", alone, leaseMs),
    },
    stepless,
    slowest: [
      ...kills.filter((one) => !one.disturbed).slice(0, SLOWEST),
      ...kills.filter((one) => one.disturbed).slice(0, SLOWEST),
    ],
  };
}

function takeover(blow: Blow, row: Row, stepped: number, mishaps: readonly Mishap[]): Takeover {
  const between = mishaps.filter(({ atMs }) => atMs > blow.atMs && atMs <= stepped);
  const jumpedMs = (untilMs: number): number =>
    between.reduce((sum, { atMs, jumpMs = 0 }) => (atMs <= untilMs ? sum + jumpMs : sum), 0);
  const struck = between.some(
    ({ worker, jumpMs }) => jumpMs === undefined && (worker === null || row.by.includes(worker)),
  );
  return {
    ...{ run: row.run, kind: blow.kind, alone: blow.alone, by: row.by },
    disturbed: struck || blow.others === 0,
    pickedUpMs: Math.round(row.picked - blow.atMs - jumpedMs(row.picked)),
    ms: Math.round(stepped - blow.atMs - jumpedMs(stepped)),
  };
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const round = (value: number): number => Number(value.toFixed(value < 100 ? 2 : 0));
  return { p50: round(at(0.5)), p99: round(at(0.99)), count: sorted.length };
}
