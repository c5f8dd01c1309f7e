import type { ClientBase } from "pg";
import { type Database, PostgresError, type Session, type Transaction } from "../postgres/index.ts";
import { type AgentRole, forgetRole, openRole } from "./agent-role.ts";
import { type Bounds, bounded } from "./bounds.ts";
import { StageError } from "./errors.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { pipeline, type Send, type Statement } from "./pipeline.ts";
import { transactionCommand } from "./transaction-words.ts";

/** A connection that work is staged on. */
export type StagingSession = {
  /** The role it is logged in as; undefined where it is our own. */
  readonly role: AgentRole | undefined;
  /** Sends statements past the guard, in one round trip. */
  readonly send: Send;
  /** Asks with our own rights, whoever this connection is logged in as: on another one where need be. */
  readonly ours: Send;
  /** Runs work with a guarded handle; see `StageError` `escaped-transaction`. */
  lend<T>(work: (tx: Transaction) => Promise<T>, bounds?: Bounds): Promise<T>;
  /** What the connection should have prepared: a tool that dropped one would make the next staging fail. */
  prepared(): number;
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
const WARM_MS = 10_000;
/** Warm connections held for one database; more are closed at once. */
const WARM_MAX = 4;

type Warm = {
  readonly session: Session;
  /** The tables that its work declared; and of an agent's, its role. */
  readonly declared: string;
  readonly role: AgentRole | undefined;
  readonly timer: NodeJS.Timeout;
  readonly drop: () => void;
};

const warm = new WeakMap<Database, Warm[]>();

/**
 * A warm connection, or a new one.
 *
 * @param tables what the work declares: a connection is reused for the same tables only, because Postgres'
 * counters of writes run on from one transaction to the next; reading work passes undefined and takes any
 * @param agent whose role it is logged in as; our own without
 */
export async function openStagingSession(
  db: Database,
  tables: readonly string[] | undefined,
  agent?: string,
): Promise<StagingSession> {
  const role = agent === undefined ? undefined : await openRole(db, agent);
  const held = warm.get(db) ?? [];
  const declared = tables === undefined ? undefined : [...tables].sort().join();
  const at = held.findLastIndex(
    (one) => one.role?.role === role?.role && (declared === undefined || one.declared === declared),
  );
  const [kept] = at < 0 ? [] : held.splice(at, 1);
  if (kept === undefined) {
    const session = role === undefined ? await db.session() : await logIn(db, role);
    return over(db, session, declared ?? "", role);
  }
  clearTimeout(kept.timer);
  kept.session.client.off("end", kept.drop);
  return over(db, kept.session, kept.declared, kept.role);
}

/** Logs in; once more where another process has given the role another password. */
async function logIn(db: Database, role: AgentRole): Promise<Session> {
  try {
    return await db.sessionAs({ user: role.role, password: role.password });
  } catch (error) {
    if (!(error instanceof PostgresError) || error.code !== "login-refused") throw error;
    forgetRole(db, role.agent);
    const { password } = await openRole(db, role.agent);
    if (password === role.password) throw loginRefused(role, error);
    return await db.sessionAs({ user: role.role, password });
  }
}

function loginRefused(role: AgentRole, cause: unknown): StageError {
  return new StageError({
    code: "role-missing",
    message:
      `Postgres refuses the login of role ${role.role}, as which agent ${role.agent} works; ` +
      "factotum attach makes it anew, and factotum doctor says what an administrator has to do",
    cause,
  });
}

function keepWarm(db: Database, session: Session, declared: string, role: AgentRole | undefined): void {
  const held = warm.get(db) ?? [];
  warm.set(db, held);
  const alike = held.filter((one) => one.role?.role === role?.role);
  if (alike.length >= WARM_MAX) {
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
  held.push({ session, declared, role, timer, drop });
  // The server is gone, or has closed it: found out now, and not by the next staging.
  session.client.once("end", drop);
}

function over(db: Database, session: Session, declared: string, role: AgentRole | undefined): StagingSession {
  const { client } = session;
  // The prototype's own method, so that our statements pass where a tool's are guarded.
  const forward = client.query.bind<ClientBase["query"]>(client);
  let lent = false;
  // After a tool's SQL has run, a name may stand for a statement that it prepared in place of ours.
  const send: Send = (statements) =>
    pipeline(client, lent && role !== undefined ? statements.map(unnamed) : statements, forward);
  return {
    role,
    send,
    ours: role === undefined ? send : (statements) => db.transaction((tx) => pipeline(tx.client, statements)),
    lend: async (work, bounds) => {
      lent = true;
      const stop = (): void => {
        void endBackend(db, wireOf(client).processID);
      };
      return await lend(session, forward, { work, stop, role, ...(bounds !== undefined && { bounds }) });
    },
    prepared: () => Object.keys(wireOf(client).connection.parsedStatements).length,
    keep: (clean) => {
      if (clean) keepWarm(db, session, declared, role);
      else session.destroy();
    },
    destroy: () => {
      session.destroy();
    },
  };
}

/** As a member of the role we may; where Postgres says no, the closed socket ends it when it next writes. */
async function endBackend(db: Database, processId: number): Promise<void> {
  await db.query("select pg_catalog.pg_terminate_backend($1)", [processId]).catch(() => undefined);
}

const unnamed = (statement: Statement): Statement => ({ ...statement, once: true });

/** The parts of the driver's client that its types leave out. */
type Wire = {
  readonly processID: number;
  readonly connection: {
    readonly stream: {
      destroy(): void;
      on(event: "data", listener: (chunk: Buffer) => void): void;
      off(event: "data", listener: (chunk: Buffer) => void): void;
    };
    readonly parsedStatements: object;
    prependListener(event: "readyForQuery", listener: (message: { status: string }) => void): void;
    off(event: "readyForQuery", listener: (message: { status: string }) => void): void;
  };
};

const wireOf = (client: ClientBase): Wire => client as unknown as Wire;

/** State of one lending: whether the handle may still be used, and how the tool got out, if it did. */
type Lending = { open: boolean; escaped: boolean };

type Loan<T> = {
  readonly work: (tx: Transaction) => Promise<T>;
  /** Ends the backend, whatever it is doing. */
  readonly stop: () => void;
  readonly role: AgentRole | undefined;
  readonly bounds?: Bounds;
};

async function lend<T>(
  session: Session,
  send: ClientBase["query"],
  { work, stop, role, bounds }: Loan<T>,
): Promise<T> {
  const { client } = session;
  const { connection: wire } = wireOf(client);
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
    const tx = handle(session, guarded, state, role);
    const result = await bounded(wire, bounds, stop, () => work(tx));
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
function handle(
  session: Session,
  guarded: ClientBase["query"],
  state: Lending,
  role: AgentRole | undefined,
): Transaction {
  const client = new Proxy(session.client, {
    get: (target, name) => (name === "query" ? guarded : (Reflect.get(target, name) as unknown)),
  });
  return {
    client,
    query: async (sql, params) => {
      if (!state.open) throw stageOver();
      try {
        return await session.query(sql, params);
      } catch (error) {
        throw explainRefusal(error, role);
      }
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
