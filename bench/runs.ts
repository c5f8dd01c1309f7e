/**
 * How fast runs advance, against the bare commit rate of the same server in the same minute and against a
 * peer; what parked runs cost, and how late they wake.
 *
 *   npm run --silent bench:runs -- [--json] [--runs 900] [--turns 20] [--concurrency 8] [--parked 100000]
 *
 * Starts an embedded Postgres of its own with default settings (fsync on) in a temporary folder. Without
 * --json it also prints an idle worker's costs, takeovers and nudges.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { type Drive, nudge, startRun, startWorker, takeNudges } from "factotum/runs";
import { benchFolder } from "./bench-folder.ts";
import { openPeer, peerName } from "./runs-peer.ts";
import { rates } from "./runs-rates.ts";
import { wakeReport } from "./runs-wake.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "900" },
    turns: { type: "string", default: "20" },
    concurrency: { type: "string", default: "8" },
    parked: { type: "string", default: "100000" },
  },
});
const concurrency = Number(given.concurrency);
const parked = Number(given.parked);
const WOKEN = 1_000;
const NUDGES = 200;
const TAKEOVERS = 10;

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

const round = (value: number, digits = 0): number => Number(value.toFixed(digits));
const directory = benchFolder();
const db = await openDatabase({ kind: "embedded", directory });
await migrate(db);
const peer = await openPeer(db.url);
const rate = await rates(db, peer, { runs: Number(given.runs), turns: Number(given.turns), concurrency });
await peer.close();
const late = await wakeReport(db, { parked, count: WOKEN, concurrency });
const figures = {
  rawCommitsPerS: round(rate.raw),
  stepsPerS: round(rate.steps),
  ratioToRaw: round(rate.ratio, 2),
  peer: { name: peerName, stepsPerS: round(rate.peer) },
  ratioToPeer: round(rate.ratioToPeer, 1),
  parked,
  wakeLateMsMax: round(Math.max(late.dueMsMax, late.restartMsMax)),
};
if (given.json) console.log(JSON.stringify(figures));
else {
  const nudges = await nudgeMs(db);
  const takeovers = await takeoverMs(db);
  console.dir({
    ...figures,
    woken: WOKEN,
    wakeLateMs: { due: round(late.dueMsMax), afterRestart: round(late.restartMsMax) },
    idleCpuShare: round(late.idleCpuShare, 4),
    bytesPerParked: round(late.bytesPerParked, 1),
    takeoverMs: { p50: round(takeovers[TAKEOVERS / 2] ?? 0), max: round(takeovers.at(-1) ?? 0) },
    nudgeMs: { p50: round(nudges[NUDGES / 2] ?? 0, 1), p99: round(nudges[NUDGES * 0.99] ?? 0, 1) },
  });
}
await db.close();
