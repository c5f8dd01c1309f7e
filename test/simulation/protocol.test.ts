/**
 * The turn protocol under a seeded scheduler: real workers on a real Postgres, let go on act by act, with
 * crashes, lost answers, lapsed leases and cut connections at any of them, on a clock of their own.
 *
 *   npm run bench:simulation -- --seeds 200 [--seed 1]      many seeds, from one on
 *   FACTOTUM_SEED=12345 npx vitest run test/simulation      one seed again
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import type { TimerOptions } from "node:timers";
import timers from "node:timers/promises";
import { type Database, openDatabase, setClock } from "factotum/postgres";
import { startRun, startWorker, wake } from "factotum/runs";
import { throwawayDatabase } from "factotum/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { seeded } from "../../bench/seeded.ts";
import { seed } from "../seed.ts";
import { type SimulatedProcess, simulatedProcess } from "./process.ts";
import { simulate, type Trace } from "./scheduler.ts";
import { driveStory, look, type Row, type Served, setUp, TURNS, wrongCalls } from "./story.ts";
import { makeTraffic } from "./traffic.ts";

const RUNS = 2;
const PROCESSES = 3;
const ACTS_MAX = 3_000;
/** By Postgres's own clock no lease ends but those that are told to. */
const LEASE_MS = 10 * 60_000;
const seeds = Number(process.env["FACTOTUM_SEEDS"] ?? 1);
const START = Date.UTC(2026, 0, 5, 9);
/** How long something waits before it is tried again, whatever was drawn. */
const RETRY_MS = 1;
/** Of many seeds, so many are played once for each that is played twice. */
const REPLAYED_EVERY = 10;
const HALF_HOUR_MS = 1_800_000;

beforeEach(() => {
  vi.spyOn(crypto, "randomInt").mockImplementation(() => RETRY_MS);
  vi.spyOn(timers, "setTimeout").mockImplementation(pause);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  syncBuiltinESMExports();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  syncBuiltinESMExports();
});

/**
 * As `timers/promises` has it, on the clock that stands in for the global one. The wait before something is
 * tried again is over at once: nobody would let it go on, since it is a part of an act.
 */
async function pause(ms?: number, value?: unknown, options?: TimerOptions): Promise<unknown> {
  if (ms === RETRY_MS) return await new Promise((resolve) => setImmediate(() => resolve(value)));
  return await new Promise((resolve, reject) => {
    setTimeout(() => resolve(value), ms);
    options?.signal?.addEventListener("abort", () => reject(options.signal?.reason as Error));
  });
}

async function begin(db: Database): Promise<void> {
  await db.query(
    `truncate factotum.runs, factotum.steps, work, letter, call restart identity cascade;
     delete from factotum.workers`,
  );
  await setClock(db, { at: new Date(START), rate: 0 });
  for (let n = 0; n < RUNS; n += 1) {
    await db.transaction((tx) => startRun(tx, { agent: "worker", agentVersion: 1, input: null }));
  }
}

/** A letter to the next run that has none and that no turn has locked, or the clock goes on. */
async function worldGoesOn(db: Database, nth: number): Promise<string> {
  if (nth % 2 === 1) {
    await setClock(db, { at: new Date(START + nth * HALF_HOUR_MS), rate: 0 });
    return "the clock goes on";
  }
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query<Row & { id: Parameters<typeof wake>[1] }>(
      `select id from factotum.runs r where not exists (select from letter where run_id = r.id)
       order by id limit 1 for no key update skip locked`,
    );
    for (const { id } of rows) {
      await tx.query("insert into letter (run_id) values ($1)", [id]);
      await wake(tx, id);
    }
    return `a letter comes for run ${rows.map(({ id }) => id).join() || "nobody"}`;
  });
}

/** A run that went on was in the hands of one who acted, before and after; nothing goes back. */
function expectFenced(before: readonly Row[], after: readonly Row[], acted: ReadonlySet<string>): void {
  for (const [at, row] of after.entries()) {
    const former = before[at];
    if (former === undefined) continue;
    expect(row.version).toBeGreaterThanOrEqual(former.version);
    expect(row.fence).toBeGreaterThanOrEqual(former.fence);
    if (JSON.stringify(row.state) === JSON.stringify(former.state)) continue;
    expect(row.fence).toBe(former.fence);
    expect([...acted]).toContain(former.worker);
  }
}

/** @returns what happened, act by act */
async function simulation(db: Database, from: number): Promise<Trace> {
  await begin(db);
  const trace: Trace = [];
  const traffic = makeTraffic(db);
  const served: Served[] = [];
  const opened: Database[] = [];
  const stops: (() => Promise<void>)[] = [];
  const names = new Map<string, string>();
  let { rows } = await look(db);
  let outside = 0;
  const spawn = async (waits: Parameters<typeof simulatedProcess>[1]): Promise<SimulatedProcess> => {
    const own = await openDatabase({ kind: "url", url: db.url });
    const name = `p${opened.push(own)}`;
    const one = await simulatedProcess({ name, own, observer: db, traffic }, waits);
    const ask = (runId: string, attempt: number): Promise<void> =>
      one.act(`call ${runId}/${attempt}`, async () => void served.push({ runId, attempt }));
    const worker = startWorker({
      ...{ db: one.db, drive: driveStory(ask), name, concurrency: 2, stopMs: 0, leaseMs: LEASE_MS },
      retry: { delayMsBase: 0, laterFailuresMax: 1_000, unknownFailuresMax: 1_000 },
    });
    stops.push(() => worker.stop());
    return one;
  };
  const lapse = async ({ name }: SimulatedProcess): Promise<void> => {
    await db.query("update factotum.workers set lease_until = '-infinity' where name = $1", [name]);
  };
  const check = async (touched: ReadonlySet<string>): Promise<boolean> => {
    const now = await look(db);
    expect(now.broken).toEqual([]);
    for (const [id, name] of now.names) names.set(id, name);
    const acted = [...names].flatMap(([id, name]) => (touched.has(name) ? [id] : []));
    expectFenced(rows, now.rows, new Set(acted));
    ({ rows } = now);
    return rows.every(({ status }) => status === "done");
  };
  try {
    await simulate(
      {
        ...{ random: seeded(from), traffic, processes: PROCESSES, spawn, lapse, check, actsMax: ACTS_MAX },
        ...{ renewMs: LEASE_MS / 3, outside: () => worldGoesOn(db, (outside += 1)) },
      },
      trace,
    );
    expect(await wrongCalls(db, served)).toEqual([]);
    expect(rows.map(({ worker, state }) => [worker, state?.n])).toEqual(rows.map(() => [null, TURNS]));
  } catch (error) {
    throw new Error(`seed ${from}, after:\n${trace.slice(-60).join("\n")}`, { cause: error });
  } finally {
    const stopping = Promise.all(stops.map((stop) => stop()));
    await vi.advanceTimersByTimeAsync(LEASE_MS);
    await stopping;
    await Promise.all(opened.map((own) => own.close()));
  }
  return trace;
}

test(
  `turns count once, whatever befalls their workers, no wake-up is lost, and all of it again (seed ${seed})`,
  { timeout: 120_000 + seeds * 60_000 },
  async () => {
    const db = await throwawayDatabase();
    await setUp(db);
    for (let one = seed; one < seed + seeds; one += 1) {
      const trace = await simulation(db, one);
      expect(trace.length).toBeGreaterThan(0);
      process.stdout.write(`seed ${one}: ${trace.length} acts\n`);
      // What a seed has found can be looked for: played again, it does the same.
      const replayed = one % REPLAYED_EVERY === seed % REPLAYED_EVERY;
      expect(replayed ? await simulation(db, one) : trace).toEqual(trace);
    }
  },
);
