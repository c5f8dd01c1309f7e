import type { RunId } from "../kernel/index.ts";
import type { Reader } from "./run.ts";

/** A worker, and what it has in hand. */
export type WorkerLine = {
  readonly id: string;
  /** Host and process, for instance. */
  readonly name: string;
  /** False: it died or hangs, and its runs are about to be taken over. */
  readonly living: boolean;
  readonly startedAt: Date;
  /** Whose runs it takes up; null: every agent's. */
  readonly agents: readonly string[] | null;
  /** Runs it drives at once; null: it does not say. */
  readonly concurrency: number | null;
  /** How many runs it has in hand, those included that it has yet to begin. */
  readonly held: number;
  /** The first of them. */
  readonly runs: readonly RunId[];
};

/** Runs named of each worker. */
const RUNS_MAX = 10;

/** The workers that live, oldest first, and those that do not but still have runs in hand. */
export async function listWorkers(tx: Reader): Promise<readonly WorkerLine[]> {
  const { rows } = await tx.query<WorkerLine>(
    `select w.id, w.name, l.id is not null as living, w.started_at as "startedAt", w.agents, w.concurrency,
       coalesce(h.held, 0)::integer as held, coalesce(h.runs, '{}')::text[] as runs
     from factotum.workers w
     left join factotum.living_workers l on l.id = w.id
     left join (
       select worker, count(*) as held, (array_agg(id order by id))[:$1] as runs
       from factotum.runs where worker is not null group by worker) h on h.worker = w.id
     where l.id is not null or h.held > 0
     order by w.id`,
    [RUNS_MAX],
  );
  return rows;
}
