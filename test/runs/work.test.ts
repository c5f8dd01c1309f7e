/** Workers as processes of their own on one database: they share, they drain, and they die. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "factotum/postgres";
import { startRun } from "factotum/runs";
import { throwawayDatabase } from "factotum/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Ended, isRunning, killAll, run, start, type Started } from "../journeys/kit.ts";

const config = join(import.meta.dirname, "work-project", "factotum.config.ts");
const LOOK_MS = 20;
const MS_MAX = 120_000;

let db: Database;
let workers: Started[] = [];
let pieces = 0;
beforeAll(async () => {
  db = await throwawayDatabase();
});
afterEach(() => {
  workers.forEach(killAll);
  workers = [];
});
afterAll(() => db.close());

function work(...options: readonly string[]): Started {
  const worker = start(["--config", config, "work", ...options], { env: { DATABASE_URL: db.url } });
  workers.push(worker);
  return worker;
}

const command = (...args: readonly string[]): Promise<Ended> =>
  run(["--config", config, ...args], { env: { DATABASE_URL: db.url } });

type Standing = {
  /** How many runs each worker has in hand. */
  readonly held: Readonly<Record<string, number>>;
  readonly done: number;
  readonly workers: number;
};

async function standing(): Promise<Standing> {
  const { rows } = await db.query<{ worker: string | null; status: string; count: number }>(
    "select worker, status, count(*)::integer as count from factotum.runs group by worker, status",
  );
  const of = (status: string): number =>
    rows.filter((row) => row.status === status).reduce((sum, row) => sum + row.count, 0);
  const held = rows.flatMap(({ worker, count }) => (worker === null ? [] : [[worker, count] as const]));
  const living = await db.query("select from factotum.living_workers");
  return { held: Object.fromEntries(held), done: of("done"), workers: living.rows.length };
}

/** Looks until it stands as wanted; `worker` must be there. */
async function until(wanted: (now: Standing) => boolean, worker: Started): Promise<Standing> {
  for (;;) {
    const now = await standing();
    if (wanted(now)) return now;
    if (!isRunning(worker)) throw new Error((await worker.ended).err);
    await delay(LOOK_MS);
  }
}

async function begin(agent: string, count: number): Promise<void> {
  await db.transaction(async (tx) => {
    for (let n = 0; n < count; n += 1) {
      pieces += 1;
      await startRun(tx, { agent, agentVersion: 1, input: { name: `piece ${pieces}` } });
    }
  });
}

/** Nothing of what is called meanwhile is finished. */
async function withGateShut<T>(meanwhile: (open: () => Promise<void>) => Promise<T>): Promise<T> {
  const session = await db.session();
  await session.query("select pg_advisory_lock(4711)");
  const open = async (): Promise<void> => void (await session.query("select pg_advisory_unlock(4711)"));
  try {
    return await meanwhile(open);
  } finally {
    session.destroy();
  }
}

async function eachOnce(): Promise<void> {
  const { rows } = await db.query<{ name: string }>("select name from mill.pieces order by id");
  expect(rows.map((row) => row.name).toSorted()).toEqual(
    Array.from({ length: pieces }, (_, at) => `piece ${at + 1}`).toSorted(),
  );
}

test(
  "workers share the work, drain on SIGTERM, leave others' agents alone, and go on for one that is killed",
  { timeout: MS_MAX },
  async () => {
    const [all, saws] = [work("--concurrency", "1"), work("--concurrency", "1", "--agents", "saw")];
    await withGateShut(async (open) => {
      await until((now) => now.workers === 2, all);
      await begin("saw", 5);
      const { held } = await until((now) => Object.keys(now.held).length === 2, all);
      expect(Object.values(held)).toEqual([1, 1]);
      const listed = JSON.parse((await command("workers", "--json")).out) as { workers: readonly object[] };
      const line = { living: true, concurrency: 1, held: 1, runs: [expect.stringMatching(/^\d+$/)] };
      expect(listed.workers).toMatchObject([line, line]);
      expect(listed.workers).toContainEqual(expect.objectContaining({ agents: ["saw"] }));
      all.child.kill("SIGTERM");
      await open();
    });
    const drained = await all.ended;
    expect([drained.code, drained.signal], drained.err).toEqual([0, null]);
    expect(drained.err).toMatch(/worker \S+:\d+ works for saw, plane, on 1 at once/);
    expect(drained.err).toContain("stopping: it takes no more");
    expect(Object.keys((await standing()).held).length).toBeLessThan(2);
    await until((now) => now.done === 5, saws);
    await eachOnce();

    const heir = await withGateShut(async (open) => {
      await begin("plane", 1);
      await begin("saw", 1);
      await until((now) => Object.keys(now.held).length === 1, saws);
      const plane = await db.query("select worker from factotum.runs where agent = 'plane'");
      expect(plane.rows).toEqual([{ worker: null }]);
      const other = work("--concurrency", "4");
      await until((now) => Object.keys(now.held).length === 2, other);
      killAll(saws);
      await until((now) => Object.values(now.held)[0] === 2, other);
      await open();
      return other;
    });
    await until((now) => now.done === 7, heir);
    await eachOnce();

    await withGateShut(async () => {
      await begin("saw", 1);
      await until((now) => Object.keys(now.held).length === 1, heir);
      // In hand is what cannot be finished now: a second signal does not wait for it.
      while (isRunning(heir)) {
        heir.child.kill("SIGTERM");
        await delay(LOOK_MS);
      }
      // Null where the last of the signals met a launcher that was ending already.
      expect([130, null]).toContain((await heir.ended).code);
      expect((await standing()).done).toBe(7);
    });
  },
);
