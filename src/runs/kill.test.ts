import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { seed } from "../../test/seed.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { countRuns, type Drive, getRun, startRun, startWorker } from "./index.ts";

type Child = ChildProcessByStdio<Writable, Readable, null>;

const RUNS = 40;
const TURNS = 8;
/** About ten workers are killed or frozen in a campaign. */
const PROGRESS_MAX = 60;
const FOREVER_MS = 10 * 60_000;
const children = new Set<Child>();

function spawnWorker(
  db: Database,
  leaseMs: number,
  manner: "steadily" | "inside" | "between" | "waiting",
): Child {
  const program = join(import.meta.dirname, "crash-worker.test.child.ts");
  const child = spawn(
    process.execPath,
    ["--conditions=factotum-source", program, db.url, String(leaseMs), manner],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  children.add(child);
  return child;
}

async function kill(child: Child): Promise<void> {
  const exited = child.exitCode ?? child.signalCode ?? once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  children.delete(child);
}

async function workspace(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query("create table work (run_id bigint not null, n int not null)");
  return db;
}

async function start(db: Database) {
  const order = { agent: "worker", agentVersion: 1, input: null };
  return (await db.transaction(async (tx) => await startRun(tx, order))).run.id;
}

const finish: Drive = async (lease) => {
  await lease.turn(async (tx, run) => {
    await tx.query("insert into work (run_id, n) values ($1, 2)", [run.id]);
    return { kind: "done", state: null, outcome: "taken over" };
  });
};

/** A small seeded generator (mulberry32), so that a failing campaign can be run again. */
function seeded(from: number): () => number {
  let a = from;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Waits until `work` holds more than `enough` rows, or everything is done; returns how many it holds. */
async function progress(db: Database, enough: number): Promise<number> {
  for (;;) {
    const { rows } = await db.query<{ n: number }>("select count(*)::int as n from work");
    const n = rows[0]?.n ?? 0;
    if (n > enough || n >= RUNS * TURNS) return n;
    await delay(10);
  }
}

afterEach(async () => {
  await Promise.all([...children].map(kill));
});

test("workers killed and frozen at random lose nothing and do nothing twice", async () => {
  const db = await workspace();
  for (let n = 0; n < RUNS; n += 1) await start(db);
  const random = seeded(seed);
  const leaseMs = 600;
  const workers = [1, 2, 3].map(() => spawnWorker(db, leaseMs, "steadily"));
  let [kills, freezes] = [0, 0];
  let rows = 0;
  while ((await countRuns(db)).done < RUNS) {
    // By progress, not by time: on a slow machine, workers killed too often would never get anywhere.
    const enough = rows + PROGRESS_MAX * random();
    rows = await progress(db, enough);
    const at = Math.floor(random() * workers.length);
    const victim = workers[at] as Child;
    if (random() < 0.6) {
      await kill(victim);
      workers[at] = spawnWorker(db, leaseMs, "steadily");
      kills += 1;
    } else {
      victim.kill("SIGSTOP");
      freezes += 1;
      void delay(leaseMs * 2).then(() => victim.kill("SIGCONT"));
    }
  }
  const counted = await db.query(
    `select count(*)::int as rows, count(distinct (run_id, n))::int as different from work`,
  );
  const story = `seed ${seed}, ${kills} kills, ${freezes} freezes`;
  expect({ ...counted.rows[0], story }).toEqual({ rows: RUNS * TURNS, different: RUNS * TURNS, story });
  const steps = await db.query(
    `select run_id, array_agg(kind || data::text order by seq) as steps
     from factotum.steps group by run_id having max(seq) <> count(*)
       or array_agg(data::text order by seq) filter (where kind = 'work') <> '{1,2,3,4,5,6,7,8}'`,
  );
  expect({ wrong: steps.rows, story }).toEqual({ wrong: [], story });
  expect(kills + freezes).toBeGreaterThan(3);
});

test("a killed worker's run goes on though its lease has not run out: Postgres freed its lock", async () => {
  const db = await workspace();
  const id = await start(db);
  const child = spawnWorker(db, FOREVER_MS, "between");
  await once(createInterface(child.stdout), "line");
  await kill(child);
  const worker = startWorker({ db, drive: finish, leaseMs: FOREVER_MS, sweepMs: 20 });
  await worker.drained();
  expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "taken over" });
  const leases = await db.query("select from factotum.workers where lease_until > clock_timestamp()");
  expect(leases.rowCount).toBe(2);
  await worker.stop();
});

test("a worker killed while its turn waits for a lock is taken over before that lock is free", async () => {
  const db = await workspace();
  const id = await start(db);
  await db.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock(1)");
    const child = spawnWorker(db, FOREVER_MS, "waiting");
    await once(createInterface(child.stdout), "line");
    const waits = "select from pg_locks where locktype = 'advisory' and not granted";
    while ((await db.query(waits)).rowCount === 0);
    await kill(child);
    const worker = startWorker({ db, drive: finish, leaseMs: FOREVER_MS, sweepMs: 20 });
    await worker.drained();
    expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "taken over" });
    await worker.stop();
  });
});

for (const where of ["inside", "between"] as const) {
  test(`a worker frozen ${where === "inside" ? "in a turn" : "between turns"} commits nothing`, async () => {
    const db = await workspace();
    const id = await start(db);
    const child = spawnWorker(db, 300, where);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    expect(await lines.next()).toMatchObject({ value: "still" });
    child.kill("SIGSTOP");
    const worker = startWorker({ db, drive: finish, sweepMs: 20 });
    await worker.drained();
    child.kill("SIGCONT");
    child.stdin.write("go on\n");
    expect(await lines.next()).toMatchObject({ value: where === "inside" ? "refused" : "fenced" });
    expect(await getRun(db, id)).toMatchObject({ status: "done", outcome: "taken over" });
    expect((await db.query("select n from work")).rows).toEqual([{ n: 2 }]);
    await worker.stop();
  });
}
