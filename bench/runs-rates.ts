/** Turns a second beside bare commits and beside a peer, on one server. */
import type { Database } from "factotum/postgres";
import { appendStep, type Drive, startRun, startWorker } from "factotum/runs";
import type { Peer } from "./runs-peer.ts";

/** How much is done in each slice. */
export type Load = { readonly runs: number; readonly turns: number; readonly concurrency: number };

/** Medians over slices. */
export type Rates = {
  readonly raw: number;
  readonly steps: number;
  readonly ratio: number;
  readonly peer: number;
  readonly ratioToPeer: number;
};

const SLICES = 9;
const COMMITS = 500;

/** Turns that write one step each: the least a turn of an agent does. */
function advance(turns: number): Drive {
  return async (lease) => {
    let { run } = lease;
    while (run.status === "ready") {
      run = await lease.turn(async (tx, now) => {
        const n = Number(now.state ?? 0) + 1;
        await appendStep(tx, now.id, { kind: "turn", attempt: null, data: { n } });
        return n < turns ? { kind: "continue", state: n } : { kind: "done", state: n, outcome: "worked" };
      });
    }
  };
}

/** Single-statement commits a second, as many at a time as there are runs at once. */
async function rawCommits(db: Database, count: number, concurrency: number): Promise<number> {
  const began = performance.now();
  let left = count;
  const commit = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await db.query("insert into raw_commit (n, data) values ($1, $2)", [left, JSON.stringify({ n: left })]);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, commit));
  return perSecond(count, began);
}

/** Turns a second of `runs` runs, from their taking up to their end. */
async function turnsPerSecond(db: Database, { runs, turns, concurrency }: Load): Promise<number> {
  const order = { agent: "advance", agentVersion: 1, input: null };
  for (let n = 0; n < runs; n += 1) await db.transaction((tx) => startRun(tx, order));
  const began = performance.now();
  const worker = startWorker({ db, drive: advance(turns), concurrency });
  await worker.drained();
  const rate = perSecond(runs * turns, began);
  await worker.stop();
  return rate;
}

/** The rates in turn, slice by slice, so that a busy neighbour slows all three. */
export async function rates(db: Database, peer: Peer, load: Load): Promise<Rates> {
  const { turns, concurrency } = load;
  const slice = { ...load, runs: Math.ceil(load.runs / SLICES) };
  await db.query("create table raw_commit (n int, data json)");
  await rawCommits(db, COMMITS, concurrency);
  await turnsPerSecond(db, { ...load, runs: 1 });
  await peer.stepsPerSecond(1, turns, 1);
  const slices: Rates[] = [];
  for (let n = 0; n < SLICES; n += 1) {
    const before = await rawCommits(db, COMMITS, concurrency);
    const steps = await turnsPerSecond(db, slice);
    const raw = (before + (await rawCommits(db, COMMITS, concurrency))) / 2;
    const other = await peer.stepsPerSecond(concurrency, turns, concurrency);
    slices.push({ raw, steps, ratio: steps / raw, peer: other, ratioToPeer: steps / other });
  }
  const median = (of: (slice: Rates) => number): number =>
    slices.map(of).toSorted((a, b) => a - b)[SLICES >> 1] ?? 0;
  return {
    raw: median((one) => one.raw),
    steps: median((one) => one.steps),
    ratio: median((one) => one.ratio),
    peer: median((one) => one.peer),
    ratioToPeer: median((one) => one.ratioToPeer),
  };
}

function perSecond(count: number, began: number): number {
  return (count / (performance.now() - began)) * 1_000;
}
