import { Client, type ClientBase, Pool, type PoolClient } from "pg";
import { PostgresError, translated } from "./errors.ts";

/** Rows as the driver parses them: int8 and numeric as string, timestamptz as Date, json as data. */
export type QueryResult<R> = { readonly rows: readonly R[]; readonly rowCount: number };

/**
 * Something that statements can be sent through: an open transaction or a session. `client` is the
 * driver's own client, so that Kysely or Drizzle can wrap it; never release or end it.
 */
export interface Transaction {
  /**
   * One statement with parameters as $1, $2, ..., or without parameters several at once, whose rows
   * come back in order; throws `PostgresError`.
   */
  query<R extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<R>>;
  readonly client: ClientBase;
}

/** A connection of one's own, for staging, advisory locks and LISTEN. */
export interface Session extends Transaction {
  /** Gives the connection back for reuse: open transaction, locks, settings and LISTENs are dropped. */
  release(): Promise<void>;
  /** Closes the connection for good; Postgres frees everything it held. */
  destroy(): void;
}

/** Connections kept for transactions and single statements; sessions come from a second pool. */
const TRANSACTION_CONNECTIONS_MAX = 10;
/** Sessions are held for long, so they may not starve transactions: they have connections of their own. */
const SESSION_CONNECTIONS_MAX = 30;
const CONNECT_MS_MAX = 15_000;
/**
 * A server has few connections (100 unless told), and each process that works takes what it needs of them.
 */
const IDLE_MS = 10_000;
const KEEPALIVE_MS = 10_000;

/**
 * What every connection starts with, so that text forms depend on no role's and no machine's settings. A
 * server that waits for a lock for a client that was killed would not notice, and keep what that client has
 * locked; where it can look (Postgres on Linux or macOS), it looks each second.
 */
const SETTINGS = [
  "set timezone to 'UTC'",
  "set datestyle to 'ISO, YMD'",
  "set intervalstyle to 'postgres'",
  "set extra_float_digits to 1",
  `select set_config('client_connection_check_interval', '1s', false)
   where version() ~ 'linux|darwin'`,
].join("; ");

/** The two pools behind one `Database`. */
export type Pools = { readonly transactions: Pool; readonly sessions: Pool; readonly url: string };

/** Opens no connection yet. */
export function makePools(url: string, applicationName: string): Pools {
  const make = (max: number): Pool => {
    const pool = new Pool({
      connectionString: url,
      application_name: applicationName,
      max,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      idleTimeoutMillis: IDLE_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_MS,
    });
    // The pool reports idle connections that died, after dropping them; the next use makes a new one.
    pool.on("error", ignore);
    // The pool's own listener is off while a client is handed over, and a server that dies may end the client
    // in the very read that says it is connected.
    pool.on("connect", (client) => void client.on("error", ignore));
    return pool;
  };
  return { transactions: make(TRANSACTION_CONNECTIONS_MAX), sessions: make(SESSION_CONNECTIONS_MAX), url };
}

/** Closes both pools, idle connections at once, those in use when they are given back. */
export async function endPools(pools: Pools): Promise<void> {
  await Promise.all([pools.transactions.end(), pools.sessions.end()]);
}

/** A client taken from a pool, with our settings. */
export async function takeClient(pool: Pool): Promise<PoolClient> {
  const client = await connect(pool);
  if (!settled.has(client)) {
    try {
      await client.query(SETTINGS);
      settled.add(client);
    } catch (error) {
      giveClient(client, error);
      throw error;
    }
  }
  return client;
}

async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    if (!(error instanceof Error) || !POOL_EXHAUSTED.test(error.message)) throw error;
    throw new PostgresError({
      code: "pool-exhausted",
      retry: "later",
      message:
        `all ${pool.options.max} connections were in use for ${CONNECT_MS_MAX / 1000} s; ` +
        `run fewer things at once, or look for a transaction or session that is held too long`,
      cause: error,
    });
  }
}

/** pg-pool 3.14 throws a plain error with this sentence. */
const POOL_EXHAUSTED = /^timeout exceeded when trying to connect/;

/** Gives a client back; with an error the connection is closed instead of reused. */
export function giveClient(client: PoolClient, error?: unknown): void {
  // A text may hold its own `begin` and fail before its `commit`: the next user must not inherit that.
  if (error === undefined && client.getTransactionStatus() !== "I") client.release(true);
  else if (error === undefined) client.release();
  else client.release(error instanceof Error ? error : true);
}

const settled = new WeakSet<PoolClient>();
const ignore = (): void => {};

/** The driver's client as a `Transaction`, until `end` is called: a late query may not hit another's. */
export function overClient(client: ClientBase): { readonly tx: Transaction; readonly end: () => void } {
  let open = true;
  return {
    tx: {
      client,
      query: async <R extends object>(sql: string, params?: readonly unknown[]) => {
        if (!open) throw transactionEnded();
        return await send<R>(client, sql, params);
      },
    },
    end: () => {
      open = false;
    },
  };
}

async function send<R extends object>(
  client: ClientBase,
  sql: string,
  params: readonly unknown[] | undefined,
): Promise<QueryResult<R>> {
  try {
    const result =
      params === undefined ? await client.query<R>(sql) : await client.query<R>(sql, [...params]);
    // The driver answers a text of several statements with an array that its types do not mention.
    const all: readonly (typeof result)[] = Array.isArray(result) ? result : [result];
    return {
      rows: all.flatMap(({ rows }) => rows),
      rowCount: all.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0),
    };
  } catch (error) {
    throw translated(error);
  }
}

/** Turns a pool's client into a session; `onEnd` is told when it is over. */
export function overSession(client: PoolClient, onEnd: () => void): Session {
  const { tx, end } = overClient(client);
  let open = true;
  const finish = (error?: unknown): void => {
    giveClient(client, error);
    onEnd();
  };
  return {
    ...tx,
    release: async () => {
      if (!open) return;
      open = false;
      end();
      try {
        if (client.getTransactionStatus() !== "I") await client.query("rollback");
        await client.query("discard all");
        await client.query(SETTINGS);
        client.removeAllListeners("notification");
        finish();
      } catch (error) {
        finish(error);
      }
    },
    destroy: () => {
      if (!open) return;
      open = false;
      end();
      finish(new Error("session destroyed"));
    },
  };
}

/** Another role to log in as, on the same server. */
export type Login = { readonly user: string; readonly password: string };

/**
 * A connection outside of the pools that is logged in as another role; releasing it closes it. The rest of
 * the address stays, encryption and all.
 *
 * @param onEnd told when it is over
 */
export async function loginSession(
  url: string,
  applicationName: string,
  login: Login,
  onEnd: () => void,
): Promise<Session> {
  const client = new Client({
    connectionString: addressFor(url, login),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
  });
  client.on("error", ignore);
  const { tx, end } = overClient(client);
  let open = true;
  const close = (): void => {
    open = false;
    end();
    streamOf(client).destroy();
    void client.end().catch(ignore);
  };
  const destroy = (): void => {
    if (!open) return;
    close();
    onEnd();
  };
  try {
    await client.connect();
    await client.query(SETTINGS);
  } catch (error) {
    // Nobody has it yet, so that there is no end to tell of.
    close();
    throw error;
  }
  return {
    ...tx,
    release: () => {
      destroy();
      return Promise.resolve();
    },
    destroy,
  };
}

/** User and password go in as parameters, which hold for addresses without a host, too. */
function addressFor(url: string, { user, password }: Login): string {
  const address = new URL(url);
  address.username = "";
  address.password = "";
  address.searchParams.set("user", user);
  address.searchParams.set("password", password);
  return address.href;
}

/** The driver's socket, which its types leave out. */
function streamOf(client: Client): { destroy(): void } {
  return (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection
    .stream;
}

/** Says that a transaction or session was used after its end. */
export function transactionEnded(): PostgresError {
  return new PostgresError({
    code: "transaction-ended",
    retry: "never",
    message: "this transaction or session is over; was a query not awaited, or its object kept for later?",
  });
}
