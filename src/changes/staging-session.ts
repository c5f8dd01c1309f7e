import type { ClientBase } from "pg";
import type { Database, Session, Transaction } from "../postgres/index.ts";
import { StageError } from "./errors.ts";
import { pipeline, type Send } from "./pipeline.ts";
import { transactionCommand } from "./transaction-words.ts";

/** A connection that work is staged on. */
export type StagingSession = {
  /** Sends statements past the guard, in one round trip. */
  readonly send: Send;
  /** Runs work with a guarded handle; see `StageError` `escaped-transaction`. */
  lend<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Back for the next staging: only after the transaction was rolled back.
   *
   * @param clean whether the work left no statement prepared, the one thing of its own that a rollback and
   * an unlock leave behind; a connection that is not clean is closed
   */
  keep(clean: boolean): void;
  /** Closes the connection, and with it whatever was open. */
  destroy(): void;
};

/**
 * A connection stays open for this long after a staging, as long as a pool's idle one, since the next is
 * three times as cheap on one whose statements are prepared. It is held here, and not released, because
 * `Session.release` discards those statements. `Database.close()` closes it.
 */
const WARM_MS = 60_000;
/** Warm connections held for one database; more are closed at once. */
const WARM_MAX = 4;

type Warm = {
  readonly session: Session;
  readonly tables: string;
  readonly timer: NodeJS.Timeout;
  readonly drop: () => void;
};

const warm = new WeakMap<Database, Warm[]>();

/**
 * A warm connection, or a new one.
 *
 * @param tables what the work declares: a connection is reused for the same tables only, because Postgres'
 * counters of writes run on from one transaction to the next; reading work passes undefined and takes any
 */
export async function openStagingSession(
  db: Database,
  tables: readonly string[] | undefined,
): Promise<StagingSession> {
  const declared = tables === undefined ? undefined : [...tables].sort().join();
  const held = warm.get(db) ?? [];
  const at = declared === undefined ? held.length - 1 : held.findLastIndex((one) => one.tables === declared);
  const [kept] = at < 0 ? [] : held.splice(at, 1);
  if (kept === undefined) return over(db, await db.session(), declared ?? "");
  clearTimeout(kept.timer);
  kept.session.client.off("end", kept.drop);
  return over(db, kept.session, kept.tables);
}

function keepWarm(db: Database, session: Session, tables: string): void {
  const held = warm.get(db) ?? [];
  warm.set(db, held);
  if (held.length >= WARM_MAX) {
    session.destroy();
    return;
  }
  const timer = setTimeout(() => {
    drop();
  }, WARM_MS);
  // A process that has nothing else to do may end.
  timer.unref();
  const drop = (): void => {
    clearTimeout(timer);
    const at = held.findIndex((one) => one.session === session);
    if (at >= 0) held.splice(at, 1);
    session.destroy();
  };
  held.push({ session, tables, timer, drop });
  // The server is gone, or has closed it: found out now, and not by the next staging.
  session.client.once("end", drop);
}

function over(db: Database, session: Session, tables: string): StagingSession {
  const { client } = session;
  // The prototype's own method, so that our statements pass where a tool's are guarded.
  const send = client.query.bind<ClientBase["query"]>(client);
  return {
    send: (statements) => pipeline(client, statements, send),
    lend: (work) => lend(session, send, work),
    keep: (clean) => {
      if (clean) keepWarm(db, session, tables);
      else session.destroy();
    },
    destroy: () => {
      session.destroy();
    },
  };
}

/** The part of the driver's connection that the guard needs; its types leave it out. */
type Wire = {
  readonly stream: { destroy(): void };
  prependListener(event: "readyForQuery", listener: (message: { status: string }) => void): void;
  off(event: "readyForQuery", listener: (message: { status: string }) => void): void;
};

/** State of one lending: whether the handle may still be used, and how the tool got out, if it did. */
type Lending = { open: boolean; escaped: boolean };

async function lend<T>(
  session: Session,
  send: ClientBase["query"],
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { client } = session;
  const wire = (client as unknown as { readonly connection: Wire }).connection;
  const state: Lending = { open: true, escaped: false };
  // "I" is the server saying that no transaction is open. Ours goes first, so that the driver cannot send
  // the tool's next statement, which would be committed at once.
  const watch = (message: { readonly status: string }): void => {
    if (message.status !== "I") return;
    state.escaped = true;
    wire.stream.destroy();
  };
  const guarded = guard(send, state);
  wire.prependListener("readyForQuery", watch);
  client.query = guarded;
  try {
    const result = await work(handle(session, guarded, state));
    if (state.escaped) throw escaped("ended its transaction");
    return result;
  } catch (error) {
    if (!state.escaped || error instanceof StageError) throw error;
    throw escaped("ended its transaction", error);
  } finally {
    state.open = false;
    wire.off("readyForQuery", watch);
    Reflect.deleteProperty(client, "query");
    if (state.escaped) session.destroy();
  }
}

/** What a tool gets: the session's errors, the guarded client, and nothing after its work is over. */
function handle(session: Session, guarded: ClientBase["query"], state: Lending): Transaction {
  const client = new Proxy(session.client, {
    get: (target, name) => (name === "query" ? guarded : (Reflect.get(target, name) as unknown)),
  });
  return {
    client,
    query: async (sql, params) => {
      if (!state.open) throw stageOver();
      return await session.query(sql, params);
    },
  };
}

/** `client.query` as a tool gets it: one statement at a time, and never one that ends the transaction. */
function guard(send: ClientBase["query"], state: Lending): ClientBase["query"] {
  const forward = send as (...parts: readonly unknown[]) => unknown;
  const guarded = (config: unknown, ...rest: readonly unknown[]): unknown => {
    const callback = rest.find((part) => typeof part === "function");
    const text = typeof config === "string" ? config : textOf(config);
    const command = transactionCommand(text);
    if (state.open && command === undefined) {
      // Anything else is a stream or cursor, which brings its own text and speaks the extended protocol.
      if (typeof config === "string") return forward({ text, queryMode: "extended" }, ...rest);
      return forward(isConfig(config) ? { ...config, queryMode: "extended" } : config, ...rest);
    }
    const refusal = state.open ? escaped(`sent ${command}`) : stageOver();
    if (callback === undefined) return Promise.reject(refusal);
    (callback as (error: Error) => void)(refusal);
    return undefined;
  };
  return guarded as ClientBase["query"];
}

function isConfig(config: unknown): config is { readonly text: string } {
  return typeof config === "object" && config !== null && !("submit" in config);
}

function textOf(config: unknown): string {
  if (typeof config !== "object" || config === null || !("text" in config)) return "";
  return typeof config.text === "string" ? config.text : "";
}

function escaped(how: string, cause?: unknown): StageError {
  return new StageError({
    code: "escaped-transaction",
    message:
      `a tool ${how}; staged work lives in a transaction that is not its own to end, so the statement ` +
      "was refused or the connection dropped, and nothing was kept: use savepoints instead",
    cause,
  });
}

function stageOver(): StageError {
  return new StageError({
    code: "stage-over",
    message:
      "a tool used its database handle after its work had ended; await every statement inside the tool",
  });
}
