import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Database, migrate, openDatabase, PostgresError } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { countRuns, type Drive, startRun, startWorker } from "./index.ts";

const holders = `select l.pid from pg_locks l join pg_database d on d.oid = l.database
  where l.locktype = 'advisory' and d.datname = current_database()`;

async function start(db: Database): Promise<void> {
  await db.transaction(async (tx) => await startRun(tx, { agent: "worker", agentVersion: 1, input: null }));
}

const finish: Drive = async (lease) => {
  await lease.turn(async () => ({ kind: "done", state: null, outcome: "worked" }));
};

test("a worker that loses its connection tells its drivers, joins again and goes on", async () => {
  const db = await throwawayDatabase();
  const driving = Promise.withResolvers<void>();
  const told: string[] = [];
  const worker = startWorker({
    db,
    say: (line) => told.push(line),
    drive: async (lease) => {
      if (told.length > 0) return await finish(lease);
      driving.resolve();
      await new Promise((resolve) => lease.signal.addEventListener("abort", resolve));
      throw lease.signal.reason;
    },
  });
  await start(db);
  await driving.promise;
  expect((await db.query(`select pg_terminate_backend(pid) from (${holders}) h`)).rowCount).toBe(1);
  await worker.drained();
  expect(await countRuns(db)).toMatchObject({ done: 1, total: 1 });
  expect((await db.query("select failures from factotum.runs")).rows).toEqual([{ failures: 0 }]);
  expect((await db.query("select kind from factotum.steps")).rows).toEqual([{ kind: "picked up" }]);
  expect(told.join()).toContain("lost its place");
  await worker.stop();
  expect((await db.query(holders)).rowCount).toBe(0);
});

test("a turn whose connection dies before its end is taken again, and no failure of its run", async () => {
  const db = await throwawayDatabase();
  let cuts = 0;
  const worker = startWorker({
    db,
    drive: async (lease) => {
      await lease.turn(async (tx) => {
        const { rows } = await tx.query<{ pid: number }>("select pg_backend_pid() as pid");
        if ((cuts += 1) === 1) await db.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
        await tx.query("select");
        return { kind: "done", state: null, outcome: "worked" };
      });
    },
  });
  await start(db);
  await worker.drained();
  expect(cuts).toBe(2);
  expect(await countRuns(db)).toMatchObject({ done: 1, total: 1 });
  expect((await db.query("select kind from factotum.steps")).rows).toEqual([]);
  await worker.stop();
});

test("after trouble with Postgres a run goes on soon, however long other errors wait", async () => {
  const db = await throwawayDatabase();
  const lost = new PostgresError({
    code: "commit-unknown",
    retry: "later",
    message: "lost while committing",
  });
  let drives = 0;
  const worker = startWorker({
    db,
    retry: { delayMsBase: 600_000 },
    drive: async (lease) => {
      if ((drives += 1) === 1) throw lost;
      await finish(lease);
    },
  });
  await start(db);
  await worker.drained();
  expect(await countRuns(db)).toMatchObject({ done: 1, total: 1 });
  expect((await db.query("select kind from factotum.steps")).rows).toMatchObject([{ kind: "failure" }]);
  await worker.stop();
});

test("work goes on after the server itself was killed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "factotum-runs-"));
  const db = await openDatabase({ kind: "embedded", directory });
  await migrate(db);
  let turns = 0;
  const worker = startWorker({
    db,
    drive: async (lease) => {
      let { run } = lease;
      while (run.status === "ready") {
        run = await lease.turn(async (_tx, now) => {
          turns += 1;
          const n = Number(now.state ?? 0) + 1;
          return n < 5 ? { kind: "continue", state: n } : { kind: "done", state: n, outcome: "worked" };
        });
        if (turns === 7) process.kill(Number((await postmasterPid(db)).trim()), "SIGKILL");
      }
    },
  });
  for (let n = 0; n < 4; n += 1) await start(db);
  await worker.drained();
  expect(await countRuns(db)).toMatchObject({ done: 4, total: 4 });
  expect(turns).toBeGreaterThanOrEqual(20);
  await worker.stop();
  await db.close();
  await rm(directory, { recursive: true, force: true });
});

async function postmasterPid(db: Database): Promise<string> {
  const { rows } = await db.query<{ directory: string }>(
    "select current_setting('data_directory') as directory",
  );
  return (await readFile(join(rows[0]?.directory ?? "", "postmaster.pid"), "utf8")).split("\n")[0] ?? "";
}
