import { randomUUID } from "node:crypto";
import type { Db, Job, PgBoss } from "pg-boss";
import { InputError, must } from "../kernel/index.ts";
import type { Session, Transaction } from "./connections.ts";
import type { Database } from "./database.ts";
import { PostgresError, sqlStateOf, translated } from "./errors.ts";

/** What the queue hands to a worker: a wake-up, never the work itself. */
export type QueueJob<Data extends object> = {
  readonly id: string;
  readonly data: Data;
  /** Aborted when the job ran out of time or the queue stops. */
  readonly signal: AbortSignal;
};

/** When and how a job is handed out. */
export type SendOptions = {
  /** Not before this instant of real time, not of the business clock. */
  readonly startAfter?: Date;
  /** At most one waiting job of this key; a job that a worker already holds does not count. */
  readonly singletonKey?: string;
  /** Higher first; 0 by default. */
  readonly priority?: number;
};

/** A queue of jobs kept in Postgres, schema `factotum_queue`. */
export interface Queue {
  /**
   * Puts a job in the queue if and when the caller's transaction commits.
   *
   * @returns the job's id, or null when a job of the same `singletonKey` is waiting already
   */
  send(tx: Transaction, name: string, data: object, options?: SendOptions): Promise<string | null>;
  /**
   * Hands jobs to `handler`, `concurrency` at a time. A handler that throws gets the job again, with
   * growing delays, five times; then it is dropped, because whoever sent it sweeps for what was missed.
   */
  work<Data extends object>(
    name: string,
    options: { readonly concurrency: number },
    handler: (job: QueueJob<Data>) => Promise<void>,
  ): Promise<void>;
  /** Looks for jobs of this name now instead of at the next poll; for what this process just committed. */
  poke(name: string): void;
  /** Takes no more jobs and waits, at most 30 s, for those in hand. */
  stop(): Promise<void>;
}

/** How a queue is opened. */
export type QueueOptions = {
  /** Told of trouble that the queue gets over by itself. */
  readonly say?: (line: string) => void;
};

const SCHEMA = "factotum_queue";
/** Any number: only has to differ from other advisory locks of the same database. */
const START_LOCK = 7_316_404;
/** SQLSTATE insufficient_privilege. */
const NOT_ALLOWED = "42501";
/** pg-boss' floor. A worker asks again at once after each job, so this is paid by idle queues only. */
const POLL_SECONDS = 0.5;
const RETRIES = 5;
const STOP_MS_MAX = 30_000;
const HOUR_SECONDS = 3600;

/** Opens the queue in a database, making its schema the first time. Stop it before closing the database. */
export async function openQueue(db: Database, options: QueueOptions = {}): Promise<Queue> {
  // Loaded when needed: it takes 130 ms, and most commands want no queue.
  const library = await import("pg-boss");
  const boss = new library.PgBoss({
    db: overDatabase(db),
    schema: SCHEMA,
    schedule: false,
    registerInstance: false,
    monitorVacuum: false,
  });
  boss.on("error", (error) => options.say?.(`queue: ${error.message}`));
  await startAlone(db, boss);
  const made = new Map<string, Promise<void>>();
  const workers = new Map<string, string[]>();

  const ensure = async (name: string): Promise<void> => {
    if (!made.has(name)) made.set(name, makeQueue(boss, name));
    try {
      await made.get(name);
    } catch (error) {
      made.delete(name);
      throw error;
    }
  };
  const poke = (name: string): void => {
    for (const id of workers.get(name) ?? []) boss.notifyWorker(id);
  };

  return {
    send: async (tx, name, data, { startAfter, singletonKey, priority } = {}) => {
      await ensure(name);
      return await boss.send(name, data, {
        db: overTransaction(tx),
        singletonKey: keyOf(singletonKey, startAfter),
        ...(startAfter !== undefined && { startAfter }),
        ...(priority !== undefined && { priority }),
      });
    },
    work: async <Data extends object>(
      name: string,
      { concurrency }: { readonly concurrency: number },
      handler: (job: QueueJob<Data>) => Promise<void>,
    ) => {
      await ensure(name);
      const ids = workers.get(name) ?? [];
      workers.set(name, ids);
      for (let n = 0; n < concurrency; n += 1) ids.push(await startWorker(boss, name, handler));
    },
    poke,
    stop: async () => await boss.stop({ graceful: true, close: false, timeout: STOP_MS_MAX }),
  };
}

/** Two processes that start on a fresh database would make pg-boss' schema twice: the second one waits. */
async function startAlone(db: Database, boss: PgBoss): Promise<void> {
  const session = await db.session();
  try {
    await session.query("select pg_advisory_lock($1)", [START_LOCK]);
    await boss.start();
    await session.query("select pg_advisory_unlock($1)", [START_LOCK]);
  } catch (error) {
    throw sqlStateOf(error) === NOT_ALLOWED ? await refused(session, error) : translated(error);
  } finally {
    await session.release();
  }
}

async function refused(session: Session, cause: unknown): Promise<InputError> {
  const { rows } = await session.query<{ role: string; database: string }>(
    "select quote_ident(current_user) as role, quote_ident(current_database()) as database",
  );
  const { role, database } = must(rows[0], "the row of a select without from");
  return new InputError({
    code: "create-refused",
    message:
      `this user may not make the queue's schema ${SCHEMA}; as the database's owner run, once, ` +
      `grant create on database ${database} to ${role}`,
    cause,
  });
}

/** One worker that takes one job at a time, and the next at once: polling is for an empty queue. */
async function startWorker<Data extends object>(
  boss: PgBoss,
  name: string,
  handler: (job: QueueJob<Data>) => Promise<void>,
): Promise<string> {
  let id: string | undefined;
  const work = async (jobs: Job<Data>[]): Promise<void> => {
    try {
      for (const job of jobs) await handler({ id: job.id, data: job.data, signal: job.signal });
    } finally {
      if (id !== undefined) boss.notifyWorker(id);
    }
  };
  id = await boss.work<Data>(name, { pollingIntervalSeconds: POLL_SECONDS, batchSize: 1 }, work);
  return id;
}

async function makeQueue(boss: PgBoss, name: string): Promise<void> {
  await boss.createQueue(name, {
    policy: "short",
    retryLimit: RETRIES,
    retryDelay: 1,
    retryBackoff: true,
    expireInSeconds: HOUR_SECONDS,
    deleteAfterSeconds: HOUR_SECONDS,
  });
}

/**
 * The policy `short` keeps one waiting job for each key, and counts "no key" as one: so each job gets
 * one. A delayed job has a key of its own, or it would swallow the same key's wake-up for now.
 */
function keyOf(singletonKey: string | undefined, startAfter: Date | undefined): string {
  if (singletonKey === undefined) return randomUUID();
  return startAfter === undefined ? singletonKey : `${singletonKey}@${startAfter.toISOString()}`;
}

/** pg-boss on our pool, so that it survives a restarted server as we do; it reads the driver's codes. */
function overDatabase(db: Database): Db {
  return { executeSql: async (sql, values) => await asDriver(async () => await db.query(sql, values)) };
}

function overTransaction(tx: Transaction): Db {
  return { executeSql: async (sql, values) => await asDriver(async () => await tx.query(sql, values)) };
}

async function asDriver<R>(work: () => Promise<{ readonly rows: readonly R[] }>): Promise<{ rows: R[] }> {
  try {
    return { rows: [...(await work()).rows] };
  } catch (error) {
    throw error instanceof PostgresError && error.fault !== undefined ? error.cause : error;
  }
}
