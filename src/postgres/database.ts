import { randomBytes, randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient } from "pg";
import {
  endPools,
  giveClient,
  type Login,
  loginSession,
  makePools,
  overClient,
  overSession,
  type Pools,
  type QueryResult,
  type Session,
  takeClient,
  type Transaction,
} from "./connections.ts";
import { makeEmbedded } from "./embedded/open.ts";
import { isConnectionFault, isFull, PostgresError, sqlStateOf } from "./errors.ts";
import { checkReachable, explainConnect } from "./reach.ts";
import {
  DeadConnection,
  type DeferredWork,
  type Opening,
  type Prepared,
  runAlone,
  runDeferred,
  runInside,
} from "./transaction.ts";

/** How a transaction is run. */
export type TransactionOptions = {
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
  /**
   * How often `fn` may be run again after a serialization failure or a deadlock; 0 by default,
   * because only the caller knows that `fn` has no effect outside the database.
   */
  readonly retries?: number;
};

/** A Postgres database, ours to write schema `factotum` in. Reconnects by itself after a lost server. */
export interface Database {
  /** Where it listens now, password included; an embedded server may move to another port. */
  readonly url: string;
  /** One statement on its own, committed when it returns. */
  query<R extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<R>>;
  /**
   * Runs `fn` in a transaction: commits what it did, or rolls back and throws what it threw.
   *
   * @throws {PostgresError} `connection-lost` (nothing was kept), `commit-unknown` (the connection died
   * while committing: look before doing it again), `transaction-aborted` when `fn` hid a failed statement
   */
  transaction<T>(fn: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * A transaction that begins with the first use of its `tx`, in the round trip of its opening statement,
   * and ends with the statement that `work` returns, in the round trip of the commit. That last statement
   * must itself raise where the work may not be kept. Where nothing was begun it is a transaction of its
   * own, sent by `alone` where that is given. `work` is run again, five times at most, after a
   * deadlock or a serialization failure, or when the connection was lost before the last statement was sent,
   * so it may have no effect outside `tx`.
   *
   * @returns the rows of the last statement
   * @throws {PostgresError} as `transaction`
   */
  deferred<O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ): Promise<readonly L[]>;
  /**
   * One prepared statement, a transaction of its own.
   *
   * @throws {PostgresError} `commit-unknown` where the connection was lost before it answered
   */
  statement<L extends object>(statement: Prepared): Promise<readonly L[]>;
  /** A connection of one's own; give it back with `release()` or drop it with `destroy()`. */
  session(): Promise<Session>;
  /** A connection of one's own that is logged in as another role of the same server; see `login-refused`. */
  sessionAs(login: Login): Promise<Session>;
  /**
   * Ends sessions, waits for transactions in hand, closes all connections; the last user of an embedded
   * server stops it.
   */
  close(): Promise<void>;
}

/** Where the database is: a server of the user's, or one of our own in a folder. */
export type DatabaseOptions =
  | { readonly kind: "url"; readonly url: string }
  | {
      readonly kind: "embedded";
      /** The folder that holds server, data, log and password; deleting it deletes the database. */
      readonly directory: string;
      /** Name of the database in the server, created when missing; `factotum` by default. */
      readonly database?: string;
      /** Extra server settings, used when this call starts the server. */
      readonly settings?: Readonly<Record<string, string>>;
      /** Told in one line what takes time, or where things were put. */
      readonly say?: (line: string) => void;
    };

/** What keeps a database reachable: the present address, a repair, and what to do at the end. */
type Source = {
  /** The address now; for an embedded server, found, started or restarted as needed. */
  ensure(): Promise<string>;
  /** After the pools were closed. */
  close(): Promise<void>;
};

const CONNECT_TRIES = 5;
/** About 15 s, as long as one waits for a full pool: others of its clients may be few moments from done. */
const FULL_TRIES = 22;
const DEFERRED_RETRIES = 5;
const RETRY_MS = 50;
const RETRY_DOUBLINGS = 5;
/** Finds out that a kept connection died, while it can still be replaced unseen. */
const PROBE = "select 1";

/**
 * Opens a database and proves that it answers.
 *
 * @throws {PostgresError} or {InputError} saying what is wrong with the address, the login or the folder
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const name = `factotum ${randomBytes(6).toString("hex")}`;
  const source = options.kind === "url" ? await urlSource(options.url) : makeEmbedded(options, name);
  return makeDatabase(source, await source.ensure(), name);
}

async function urlSource(url: string): Promise<Source> {
  await checkReachable(url);
  return { ensure: () => Promise.resolve(url), close: () => Promise.resolve() };
}

function makeDatabase(source: Source, url: string, name: string): Database {
  let pools = makePools(url, name);
  const sessions = new Set<Session>();
  let closing: Promise<void> | undefined;

  const repair = async (failed: Pools): Promise<void> => {
    const found = await source.ensure();
    if (pools !== failed || found === pools.url) return;
    pools = makePools(found, name);
    void endPools(failed);
  };

  /** Nothing of the caller's was sent yet: safe to try again on another connection. */
  const connecting = async <T>(connect: (used: Pools) => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      if (closing !== undefined) throw closedError();
      const used = pools;
      try {
        return await connect(used);
      } catch (error) {
        const waitMs = retryMs(error, tries);
        if (waitMs === undefined) throw explainConnect(error, used.url);
        await sleep(waitMs);
        if (!isFull(error)) await repair(used);
      }
    }
  };
  const take = (kind: "transactions" | "sessions", first?: string): Promise<PoolClient> =>
    connecting(async (used) => {
      const client = await takeClient(used[kind]);
      if (first !== undefined) await sendFirst(client, first);
      return client;
    });
  const taken = () => take("transactions");
  const close = async (): Promise<void> => {
    for (const session of sessions) session.destroy();
    await endPools(pools);
    await source.close();
  };

  return {
    get url() {
      return pools.url;
    },
    query: async (sql, params) => await runOne(await take("transactions"), sql, params),
    transaction: async (fn, options = {}) => {
      for (let tries = 0; ; tries += 1) {
        try {
          return await runInside(await take("transactions", beginSql(options)), fn);
        } catch (error) {
          if (tries >= (options.retries ?? 0) || !isContention(error)) throw error;
          await sleep(backoff(tries));
        }
      }
    },
    statement: async (prepared) => await runAlone(await taken(), prepared),
    deferred: makeDeferred({ take: taken, used: () => pools, repair }),
    session: async () => {
      const session = overSession(await take("sessions", PROBE), () => sessions.delete(session));
      sessions.add(session);
      return session;
    },
    sessionAs: async (login) => {
      const logIn = ({ url: at }: Pools) => loginSession(at, name, login, () => sessions.delete(session));
      const session = await connecting(logIn);
      sessions.add(session);
      return session;
    },
    close: async () => {
      closing ??= close();
      await closing;
    },
  };
}

/** `Database.deferred` over what a database has: a client, the pools it came from, and their repair. */
function makeDeferred(of: {
  readonly take: () => Promise<PoolClient>;
  readonly used: () => Pools;
  readonly repair: (failed: Pools) => Promise<void>;
}): Database["deferred"] {
  return async <O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ) => {
    for (let tries = 0; ; tries += 1) {
      const used = of.used();
      const client = await of.take();
      try {
        const done = await runDeferred<O, L>(client, opening, work);
        if (done.kind === "kept") return done.rows;
        return await (alone === undefined ? runAlone<L>(await of.take(), done.last) : alone());
      } catch (error) {
        // Where it was lost before the last statement was sent, nothing was kept.
        const dead = error instanceof DeadConnection || isConnectionFault(error);
        if (tries >= DEFERRED_RETRIES || !(dead || isContention(error))) {
          throw error instanceof DeadConnection ? explainConnect(error.cause, used.url) : error;
        }
        await sleep(backoff(tries));
        if (dead) await of.repair(used);
      }
    }
  };
}

async function sendFirst(client: PoolClient, first: string): Promise<void> {
  try {
    await client.query(first);
  } catch (error) {
    giveClient(client, error);
    throw error;
  }
}

async function runOne<R extends object>(
  client: PoolClient,
  sql: string,
  params: readonly unknown[] | undefined,
): Promise<QueryResult<R>> {
  let doubt: unknown;
  try {
    return await overClient(client).tx.query<R>(sql, params);
  } catch (error) {
    if (isConnectionFault(error)) doubt = error;
    throw error;
  } finally {
    giveClient(client, doubt);
  }
}

/** Whether to connect is worth another try: soon where that failed, for long where the server is full. */
function retryMs(error: unknown, tries: number): number | undefined {
  if (isFull(error)) return tries < FULL_TRIES ? backoff(tries) : undefined;
  return isConnectionFault(error) && tries < CONNECT_TRIES ? RETRY_MS * tries : undefined;
}

function backoff(tries: number): number {
  return randomInt(1, RETRY_MS * 2 ** Math.min(tries, RETRY_DOUBLINGS));
}

function isContention(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === "40001" || state === "40P01";
}

function beginSql(options: TransactionOptions): string {
  const mode = options.readOnly === true ? " read only" : "";
  return `begin isolation level ${options.isolation ?? "read committed"}${mode}`;
}

function closedError(): PostgresError {
  return new PostgresError({
    code: "database-closed",
    retry: "never",
    message: "this database was closed; open it again with openDatabase()",
  });
}
