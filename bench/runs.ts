/**
 * How fast runs advance, against the bare commit rate of the same server in the same minute.
 *
 *   npm run --silent bench:runs -- --json [--runs 200] [--turns 20] [--concurrency 8] [--parked 100000]
 *
 * Starts an embedded Postgres of its own with default settings (fsync on) in a temporary folder.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { appendStep, type Drive, nudge, startRun, startWorker, takeNudges } from "factotum/runs";
import { openPeer, type Peer, peerName } from "./runs-peer.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "200" },
    turns: { type: "string", default: "20" },
    concurrency: { type: "string", default: "8" },
    parked: { type: "string", default: "100000" },
  },
});
const runs = Number(given.runs);
const turns = Number(given.turns);
const concurrency = Number(given.concurrency);
const parked = Number(given.parked);
const WOKEN = 1_000;
const NUDGES = 200;
const SLICES = 9;
const TAKEOVERS = 10;

/** Turns that write one step each: the least a turn of an agent does. */
const advance: Drive = async (lease) => {
  let { run } = lease;
  while (run.status === "ready") {
    run = await lease.turn(async (tx, now) => {
      const n = Number(now.state ?? 0) + 1;
      await appendStep(tx, now.id, { kind: "turn", attempt: null, data: { n } });
      return n < turns ? { kind: "continue", state: n } : { kind: "done", state: n, outcome: "worked" };
    });
  }
};

/** Single-statement commits a second, `concurrency` at a time. */
async function rawCommits(db: Database, count: number): Promise<number> {
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

/** Turns a second of `count` runs, from their start to their end. */
async function turnsPerSecond(db: Database, count: number): Promise<number> {
  for (let n = 0; n < count; n += 1) await start(db, "advance");
  const began = performance.now();
  const worker = startWorker({ db, drive: advance, concurrency });
  await worker.drained();
  const rate = perSecond(count * turns, began);
  await worker.stop();
  return rate;
}

type Rates = {
  readonly raw: number;
  readonly steps: number;
  readonly ratio: number;
  readonly peer: number;
  readonly ratioToPeer: number;
};

/** The rates in turn, slice by slice, so that a busy neighbour slows both; the medians. */
async function rates(db: Database, peer: Peer): Promise<Rates> {
  await rawCommits(db, 500);
  await turnsPerSecond(db, 1);
  await peer.stepsPerSecond(1, turns, 1);
  const slices: Rates[] = [];
  for (let n = 0; n < SLICES; n += 1) {
    const before = await rawCommits(db, 500);
    const steps = await turnsPerSecond(db, Math.ceil(runs / SLICES));
    const raw = (before + (await rawCommits(db, 500))) / 2;
    const other = await peer.stepsPerSecond(concurrency, turns, concurrency);
    slices.push({ raw, steps, ratio: steps / raw, peer: other, ratioToPeer: steps / other });
  }
  const median = (of: (slice: Rates) => number): number =>
    slices.map(of).toSorted((a, b) => a - b)[SLICES >> 1] ?? 0;
  return {
    raw: median((s) => s.raw),
    steps: median((s) => s.steps),
    ratio: median((s) => s.ratio),
    peer: median((s) => s.peer),
    ratioToPeer: median((s) => s.ratioToPeer),
  };
}

/**
 * Wakes 1,000 of many parked runs at one instant; how late the last of them had its turn, and an idle
 * worker's CPU.
 */
async function wakeLate(db: Database): Promise<{ wakeLateMsMax: number; idleCpuShare: number }> {
  await db.query(
    `insert into factotum.runs (agent, tenant, agent_version, input, state, status, wake_at)
     select 'parked', 'default', 1, 'null', 'null', 'waiting',
       factotum.now() + case when n <= $2 then interval '6 seconds' else interval '30 days' end
     from generate_series(1, $1) n`,
    [parked, WOKEN],
  );
  await db.query("vacuum analyze factotum.runs");
  /** Its step says, in the database's own time, when the turn was taken. */
  const woken: Drive = async (lease) => {
    await lease.turn(async (tx, run) => {
      await appendStep(tx, run.id, { kind: "woke", attempt: null, data: run.wakeAt?.toISOString() ?? null });
      return { kind: "done", state: null, outcome: "woke" };
    });
  };
  const worker = startWorker({ db, drive: woken, concurrency });
  await worker.drained();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await delay(3_000);
  const used = process.cpuUsage(cpu);
  const idleCpuShare = (used.user + used.system) / 1_000 / (performance.now() - began);
  while ((await db.query("select from factotum.runs where outcome = 'woke'")).rowCount < WOKEN) {
    await delay(50);
  }
  await worker.stop();
  const { rows } = await db.query<{ ms: number }>(
    `select max(extract(epoch from at - (data #>> '{}')::timestamptz))::float8 * 1000 as ms
     from factotum.steps where kind = 'woke'`,
  );
  return { wakeLateMsMax: rows[0]?.ms ?? Infinity, idleCpuShare };
}

/** From a nudge's call to the effect of its turn, seen by the driver, for a parked run. */
async function nudgeMs(db: Database): Promise<number[]> {
  const took: number[] = [];
  let seen = Promise.withResolvers<void>();
  const listen: Drive = async (lease) => {
    await lease.turn(async (tx, run) => {
      await takeNudges(tx, run.id);
      return { kind: "park", state: null };
    });
    seen.resolve();
  };
  const worker = startWorker({ db, drive: listen, concurrency });
  const id = await start(db, "listen");
  await seen.promise;
  for (let n = 0; n < NUDGES; n += 1) {
    seen = Promise.withResolvers<void>();
    const began = performance.now();
    await db.transaction(async (tx) => await nudge(tx, id, { body: n, by: "bench" }));
    await seen.promise;
    took.push(performance.now() - began);
  }
  await worker.stop();
  return took.toSorted((a, b) => a - b);
}

/**
 * From kill -9 of a worker in the middle of a run to the next turn of that run elsewhere, default settings.
 */
async function takeoverMs(db: Database): Promise<number[]> {
  const took: number[] = [];
  const program = join(import.meta.dirname, "../src/runs/crash-worker.test.child.ts");
  for (let n = 0; n < TAKEOVERS; n += 1) {
    await start(db, "worker");
    const args = [program, db.url, "10000", "between"];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    let taken = Infinity;
    const finish: Drive = async (lease) => {
      await lease.turn(async () => ({ kind: "done", state: null, outcome: "taken over" }));
      taken = performance.now();
    };
    const heir = startWorker({ db, drive: finish, concurrency });
    while ((await db.query("select from factotum.living_workers")).rowCount < 2);
    await delay(300 + n * 97); // Past its first look, and at no fixed distance from its next one.
    const killed = performance.now();
    child.kill("SIGKILL");
    await heir.drained();
    took.push(taken - killed);
    await heir.stop();
  }
  return took.toSorted((a, b) => a - b);
}

async function start(db: Database, agent: string) {
  const order = { agent, agentVersion: 1, input: null };
  return (await db.transaction(async (tx) => await startRun(tx, order))).run.id;
}

function perSecond(count: number, began: number): number {
  return (count / (performance.now() - began)) * 1_000;
}

const round = (value: number, digits = 0): number => Number(value.toFixed(digits));
const directory = await mkdtemp(join(tmpdir(), "factotum-bench-"));
const db = await openDatabase({ kind: "embedded", directory });
await migrate(db);
await db.query("create table raw_commit (n int, data json)");
const other = await openPeer(db.url);
const { raw, steps, ratio, peer, ratioToPeer } = await rates(db, other);
await other.close();
const nudges = await nudgeMs(db);
const takeovers = await takeoverMs(db);
const late = await wakeLate(db);
await db.close();
await rm(directory, { recursive: true, force: true });
const figures = {
  rawCommitsPerS: round(raw),
  stepsPerS: round(steps),
  ratioToRaw: round(ratio, 2),
  peer: { name: peerName, stepsPerS: round(peer) },
  ratioToPeer: round(ratioToPeer, 1),
  parked,
  woken: WOKEN,
  wakeLateMsMax: round(late.wakeLateMsMax),
  idleCpuShare: round(late.idleCpuShare, 3),
  takeoverMs: { p50: round(takeovers[TAKEOVERS / 2] ?? 0), max: round(takeovers.at(-1) ?? 0) },
  nudgeMs: { p50: round(nudges[NUDGES / 2] ?? 0, 1), p99: round(nudges[NUDGES * 0.99] ?? 0, 1) },
};
if (given.json) console.log(JSON.stringify(figures));
else console.table(figures);
