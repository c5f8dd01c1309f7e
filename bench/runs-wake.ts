/** What parked runs cost while they wait, and how late they wake. */
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Database } from "factotum/postgres";
import { appendStep, type Drive, startWorker } from "factotum/runs";

/** Of an idle worker beside many parked runs, and of many wake-ups at one instant. */
export type WakeReport = {
  /** Runs due while the worker was up: from their time to their turn. */
  readonly dueMsMax: number;
  /** Runs due while no worker was there: from the worker's start to their turn. */
  readonly restartMsMax: number;
  readonly idleCpuShare: number;
  /** Heap that the worker's process gained by the parked runs, for each of them. */
  readonly bytesPerParked: number;
};

const IDLE_MS = 3_000;
/** Longer than a worker takes to start and to see all that is due. */
const SOON_MS = 4_000;

/** Its step says, in the database's own time, when the turn was taken. */
const woken: Drive = async (lease) => {
  await lease.turn(async (tx, run) => {
    await appendStep(tx, run.id, { kind: "woke", attempt: null, data: run.wakeAt?.toISOString() ?? null });
    return { kind: "done", state: null, outcome: "woke" };
  });
};

/** Parks `parked` runs, and wakes `count` of them at one instant, twice. */
export async function wakeReport(
  db: Database,
  { parked, count, concurrency }: { parked: number; count: number; concurrency: number },
): Promise<WakeReport> {
  const idle = startWorker({ db, drive: woken, concurrency });
  await idle.drained();
  const heap = heapBytes();
  await park(db, parked - 2 * count, "30 days");
  await db.query("vacuum analyze factotum.runs");
  await idle.drained();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await delay(IDLE_MS);
  const used = process.cpuUsage(cpu);
  const idleCpuShare = (used.user + used.system) / 1_000 / (performance.now() - began);
  const bytesPerParked = Math.max(0, heapBytes() - heap) / parked;
  await idle.stop();

  await park(db, count, "0 seconds");
  const started = new Date(((await instant(db)) ?? new Date()).getTime());
  const worker = startWorker({ db, drive: woken, concurrency });
  const restartMsMax = await latest(db, count, started);
  await park(db, count, `${SOON_MS} milliseconds`);
  const dueMsMax = await latest(db, 2 * count, null);
  await worker.stop();
  return { dueMsMax, restartMsMax, idleCpuShare, bytesPerParked };
}

async function park(db: Database, count: number, wait: string): Promise<void> {
  await db.query(
    `insert into factotum.runs (agent, tenant, agent_version, input, state, status, wake_at)
     select 'parked', 'default', 1, 'null', 'null', 'waiting', factotum.now() + $2::interval
     from generate_series(1, $1) n`,
    [count, wait],
  );
}

async function instant(db: Database): Promise<Date | undefined> {
  return (await db.query<{ at: Date }>("select factotum.now() as at")).rows[0]?.at;
}

/** Once `count` have woken in all: how long after its time, or after `since`, the last one had its turn. */
async function latest(db: Database, count: number, since: Date | null): Promise<number> {
  while ((await db.query("select from factotum.runs where outcome = 'woke'")).rowCount < count) {
    await delay(50);
  }
  const { rows } = await db.query<{ ms: number }>(
    `select max(extract(epoch from at - greatest($1, (data #>> '{}')::timestamptz)))::float8 * 1000 as ms
     from factotum.steps where kind = 'woke' and ($1::timestamptz is not null
       or (data #>> '{}')::timestamptz > (select min(at) from factotum.steps where kind = 'woke'))`,
    [since],
  );
  return rows[0]?.ms ?? Infinity;
}

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}
