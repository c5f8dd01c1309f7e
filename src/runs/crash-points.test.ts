import type { QueryConfig } from "pg";
import { expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, DeferredWork, Opening, Session, Transaction } from "../postgres/index.ts";
import { throwawayDatabase, withQuery } from "../testing/index.ts";
import { appendStep, type Drive, getRun, listSteps, startRun, startWorker } from "./index.ts";

/** Acts of a worker that joins, drives one run of five turns and drains: statements, commits and answers. */
const ACTS_MIN = 18;
/** Short, so that a frozen worker's lease and its open turn run out soon. */
const FROZEN_LEASE_MS = 100;

/** The database as a process sees it that dies, or stands still, at its n-th act. */
type Fated = {
  readonly db: Database;
  /** Resolves when it came to pass. */
  readonly struck: Promise<void>;
  /** Lets a frozen process go on. */
  thaw(): void;
};

function fated(real: Database, fate: "dies" | "freezes", atAct: number): Fated {
  let acts = 0;
  const struck = Promise.withResolvers<void>();
  const thawed = Promise.withResolvers<void>();
  const sessions = new Set<Session>();
  const act = async (): Promise<void> => {
    acts += 1;
    if (acts < atAct) return;
    struck.resolve();
    if (fate === "freezes") return await thawed.promise;
    for (const session of sessions) session.destroy();
    throw new Error("the process is dead");
  };
  /** Prepared statements go through the client itself. */
  const overClient = (client: Transaction["client"]): Transaction["client"] => {
    const query = async (config: QueryConfig) => {
      await act();
      return await client.query(config);
    };
    return withQuery(client, query);
  };
  const over =
    (under: Pick<Transaction, "query">): Transaction["query"] =>
    async (sql, params) => {
      await act();
      return await under.query(sql, params);
    };
  const transaction: Database["transaction"] = async (fn, options) => {
    await act();
    const result = await real.transaction(async (tx) => {
      const value = await fn({ client: overClient(tx.client), query: over(tx) });
      await act();
      return value;
    }, options);
    await act(); // Here the commit is kept, but its answer has not arrived.
    return result;
  };
  const deferred = async <O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ): Promise<readonly L[]> => {
    await act();
    const rows = await real.deferred<O, L>(
      opening,
      async (tx, begin) => {
        let begun = false;
        const beginActs = async (): Promise<void> => {
          if (!begun) await act();
          begun = true;
          await begin();
        };
        const query: Transaction["query"] = async (sql, params) => {
          await beginActs();
          return await over(tx)(sql, params);
        };
        const last = await work(
          {
            get client() {
              return overClient(tx.client);
            },
            query,
          },
          beginActs,
        );
        await act();
        return last;
      },
      alone,
    );
    await act(); // Here the commit is kept, but its answer has not arrived.
    return rows;
  };
  const statement: Database["statement"] = async (prepared) => {
    await act();
    const rows = await real.statement<never>(prepared);
    await act(); // Here it is kept, but its answer has not arrived.
    return rows;
  };
  const session: Database["session"] = async () => {
    await act();
    const opened = await real.session();
    sessions.add(opened);
    return { ...opened, client: overClient(opened.client), query: over(opened) };
  };
  const db = { ...real, query: over(real), transaction, deferred, statement, session, close: async () => {} };
  return { db, struck: struck.promise, thaw: () => thawed.resolve() };
}

/** Five turns, each a step; the second and the fourth are nothing else, the third parks until now. */
const drive: Drive = async (lease) => {
  let { run } = lease;
  while (run.status === "ready") {
    run = await lease.turn(async (tx, now, time) => {
      const state = Number(now.state ?? 0) + 1;
      if (state % 2 === 1) await tx.query("insert into work (run_id, n) values ($1, $2)", [now.id, state]);
      await appendStep(tx, now.id, { kind: "work", attempt: null, data: state });
      if (state === 5) return { kind: "done", state, outcome: "worked" };
      return state === 3 ? { kind: "park", state, until: await time() } : { kind: "continue", state };
    });
  }
};

const stubborn: Drive = async (lease) => {
  await drive(lease).catch(async () => await drive(lease));
};

async function workspace(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query("create table work (run_id bigint not null, n int not null)");
  return db;
}

async function start(db: Database): Promise<RunId> {
  const order = { agent: "worker", agentVersion: 1, input: null };
  return (await db.transaction(async (tx) => await startRun(tx, order))).run.id;
}

/** Another worker does what is left. */
async function inherit(db: Database): Promise<void> {
  const heir = startWorker({ db, drive, sweepMs: 20 });
  await heir.drained();
  await heir.stop();
}

async function expectOnce(db: Database, id: RunId, story: string): Promise<void> {
  expect(await getRun(db, id), story).toMatchObject({ status: "done", state: 5 });
  const work = await db.query("select n from work where run_id = $1 order by n", [id]);
  expect(work.rows, story).toEqual([{ n: 1 }, { n: 3 }, { n: 5 }]);
  const steps = (await listSteps(db, id)).filter((step) => step.kind === "work");
  expect(
    steps.map((step) => step.data),
    story,
  ).toEqual([1, 2, 3, 4, 5]);
}

test("a worker may die before or after any statement: each turn counts once", async () => {
  const db = await workspace();
  let n = 0;
  for (let died = true; died;) {
    n += 1;
    const id = await start(db);
    const process = fated(db, "dies", n);
    const worker = startWorker({ db: process.db, drive, concurrency: 1 });
    const lived = worker.drained().then(
      () => "lived",
      () => "stopped",
    );
    died = (await Promise.race([process.struck.then(() => "died"), lived])) === "died";
    await worker.stop();
    while ((await db.query("select from factotum.living_workers")).rowCount > 0);
    await inherit(db);
    await expectOnce(db, id, `died at act ${n}`);
  }
  expect(n).toBeGreaterThan(ACTS_MIN);
}, 180_000);

test("a worker may stand still at any statement and be overtaken: each turn counts once", async () => {
  const db = await workspace();
  expect.hasAssertions();
  for (let n = 1; n < ACTS_MIN * 2; n += 2) {
    const id = await start(db);
    const process = fated(db, "freezes", n);
    const worker = startWorker({ db: process.db, drive, leaseMs: FROZEN_LEASE_MS, sweepMs: 20 });
    await process.struck;
    await inherit(db);
    process.thaw();
    await worker.drained();
    await worker.stop();
    await expectOnce(db, id, `froze at act ${n}`);
  }
}, 180_000);

test("a driver that tries again a turn whose commit was kept, but not answered, does it once", async () => {
  const db = await workspace();
  const id = await start(db);
  let lost = 0;
  const deaf = async <O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ) => {
    const rows = await db.deferred<O, L>(opening, work, alone);
    if (lost > 0) return rows;
    lost += 1;
    throw new Error("the answer was lost");
  };
  const worker = startWorker({ db: { ...db, deferred: deaf }, drive: stubborn });
  await worker.drained();
  await worker.stop();
  await expectOnce(db, id, "deaf once");
  expect(lost).toBe(1);
});
