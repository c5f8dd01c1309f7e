import type { QueryConfig } from "pg";
import { expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Session, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { appendStep, type Drive, getRun, listSteps, startRun, startWorker } from "./index.ts";

const STATEMENTS_MIN = 20;

/** A database as a process sees it that dies at its n-th act: nothing it sends after that arrives. */
type Mortal = { readonly db: Database; readonly dead: Promise<void>; acts(): number };

function mortal(real: Database, diesAt: number): Mortal {
  let acts = 0;
  const death = Promise.withResolvers<void>();
  const sessions = new Set<Session>();
  const act = (): void => {
    acts += 1;
    if (acts < diesAt) return;
    for (const session of sessions) session.destroy();
    death.resolve();
    throw new Error("the process is dead");
  };
  const query: Database["query"] = async (sql, params) => {
    act();
    return await real.query(sql, params);
  };
  /** Prepared statements go through the client itself. */
  const overClient = (client: Transaction["client"]): Transaction["client"] =>
    Object.create(client, {
      query: {
        value: async (config: QueryConfig) => {
          act();
          return await client.query(config);
        },
      },
    }) as Transaction["client"];
  const over = (tx: Transaction): Transaction => ({
    client: overClient(tx.client),
    query: async (sql, params) => {
      act();
      return await tx.query(sql, params);
    },
  });
  const transaction: Database["transaction"] = async (fn, options) => {
    act();
    const result = await real.transaction(async (tx) => {
      const value = await fn(over(tx));
      act();
      return value;
    }, options);
    act(); // Dying here: the commit was kept, its answer never arrived.
    return result;
  };
  const session: Database["session"] = async () => {
    act();
    const opened = await real.session();
    sessions.add(opened);
    return {
      ...opened,
      query: async (sql, params) => {
        act();
        return await opened.query(sql, params);
      },
    };
  };
  return {
    db: { url: real.url, query, transaction, session, close: async () => {} },
    dead: death.promise,
    acts: () => acts,
  };
}

/** Three turns: work, work and park until now, work and end. */
const drive: Drive = async (lease) => {
  let { run } = lease;
  while (run.status === "ready") {
    run = await lease.turn(async (tx, now, at) => {
      const state = Number(now.state ?? 0) + 1;
      await tx.query("insert into work (run_id, n) values ($1, $2)", [now.id, state]);
      await appendStep(tx, now.id, { kind: "work", attempt: null, data: state });
      if (state === 3) return { kind: "done", state, outcome: "worked" };
      return state === 2 ? { kind: "park", state, until: at } : { kind: "continue", state };
    });
  }
};

const stubborn: Drive = async (lease) => {
  await drive(lease).catch(async () => await drive(lease));
};

async function lifeOver(db: Database): Promise<void> {
  while ((await db.query("select from factotum.living_workers")).rowCount > 0);
}

/** Lets a worker die at its n-th act, another finish, and returns whether the first one lived that long. */
async function dieAt(db: Database, id: RunId, n: number): Promise<{ died: boolean; acts: number }> {
  const process = mortal(db, n);
  const doomed = startWorker({ db: process.db, drive, concurrency: 1 });
  const over = doomed.drained().then(
    () => "drained",
    () => "stopped",
  );
  const died = (await Promise.race([process.dead.then(() => "died"), over])) === "died";
  await doomed.stop();
  await lifeOver(db);
  const heir = startWorker({ db, drive, sweepMs: 50 });
  await heir.drained();
  await heir.stop();
  expect(await getRun(db, id), `died at act ${n}`).toMatchObject({ status: "done", state: 3, steps: 3n });
  return { died, acts: process.acts() };
}

test("a worker may die before or after any statement: each turn counts once", async () => {
  const db = await throwawayDatabase();
  await db.query("create table work (run_id bigint not null, n int not null)");
  let n = 1;
  for (let died = true; died; n += 1) {
    const order = { agent: "worker", agentVersion: 1, input: null };
    const { run } = await db.transaction(async (tx) => await startRun(tx, order));
    ({ died } = await dieAt(db, run.id, n));
    const work = await db.query("select n from work where run_id = $1 order by n", [run.id]);
    expect(work.rows, `died at act ${n}`).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect((await listSteps(db, run.id)).map((step) => step.data)).toEqual([1, 2, 3]);
  }
  expect(n).toBeGreaterThan(STATEMENTS_MIN);
});

test("a driver that tries again a turn whose commit was kept, but not answered, does it once", async () => {
  const db = await throwawayDatabase();
  await db.query("create table work (run_id bigint not null, n int not null)");
  const order = { agent: "worker", agentVersion: 1, input: null };
  const { run } = await db.transaction(async (tx) => await startRun(tx, order));
  let lost = 0;
  const deaf: Database["transaction"] = async (fn, options) => {
    const result = await db.transaction(fn, options);
    if (lost > 0) return result;
    lost += 1;
    throw new Error("the answer was lost");
  };
  const worker = startWorker({ db: { ...db, transaction: deaf }, drive: stubborn });
  await worker.drained();
  await worker.stop();
  const work = await db.query("select n from work where run_id = $1 order by n", [run.id]);
  expect({ lost, rows: work.rows }).toEqual({ lost: 1, rows: [{ n: 1 }, { n: 2 }, { n: 3 }] });
});
