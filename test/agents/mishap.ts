/** A database as seen by a process that comes to grief at its n-th act on it. */
import type { QueryConfig } from "pg";
import type { Database, DeferredWork, Opening, Session, Transaction } from "factotum/postgres";
import { withQuery } from "factotum/testing";

type Client = Transaction["client"];

/**
 * What comes to pass at the act:
 * - `process`: its connections close in the middle of what they do, and nothing it does later has an effect;
 * - `backend`: the server ends the connections that are open; the process lives and may go on;
 * - `answer`: the act is done, and then the connections end before its answer arrives;
 * - a function: whatever it does, before the act.
 */
export type Mishap = "process" | "backend" | "answer" | (() => Promise<void>);

/** The database of a process with a mishap ahead. */
export type Struck = {
  readonly db: Database;
  /** Resolves when it came to pass. */
  readonly struck: Promise<void>;
};

/** Wraps a database: each statement on any of its connections, and each commit, is an act. */
export function withMishap(real: Database, mishap: Mishap, atAct: number): Struck {
  let acts = 0;
  let dead = false;
  const struck = Promise.withResolvers<void>();
  const open = new Set<Client>();
  const strike = async (): Promise<void> => {
    struck.resolve();
    if (typeof mishap === "function") return await mishap();
    const pids = [...open].map((client) => (client as Client & { processID: number }).processID);
    if (mishap === "process") dead = true;
    await real.query("select pg_terminate_backend(pid) from unnest($1::int[]) pid", [pids]);
  };
  const act = async <T>(done: () => Promise<T>): Promise<T> => {
    if (dead) throw new Error("the process is dead");
    acts += 1;
    if (acts !== atAct) return await done();
    if (mishap === "answer") {
      const result = await done();
      await strike();
      return result;
    }
    await strike();
    if (mishap === "process") throw new Error("the process is dead");
    return await done();
  };
  const overClient = (client: Client): Client => {
    open.add(client);
    let last: Promise<unknown> = Promise.resolve();
    // One after the other, as on the wire: what was sent later must not overtake one that is struck.
    const query = (config: QueryConfig, ...rest: never[]) => {
      const send = () => act(async () => await client.query(config, ...rest));
      const sent = last.then(send, send);
      last = sent;
      return sent;
    };
    return withQuery(client, query);
  };
  const over =
    (under: Pick<Transaction, "query">): Transaction["query"] =>
    (sql, params) =>
      act(() => under.query(sql, params));
  const transaction: Database["transaction"] = (fn, options) =>
    act(async () => {
      const result = await real.transaction(async (tx) => {
        try {
          const value = await fn({ client: overClient(tx.client), query: over(tx) });
          await act(() => Promise.resolve());
          return value;
        } finally {
          open.delete(tx.client);
        }
      }, options);
      // Here the commit is kept, but its answer has not arrived.
      await act(() => Promise.resolve());
      return result;
    });
  const deferred = <O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ): Promise<readonly L[]> =>
    act(async () => {
      const rows = await real.deferred<O, L>(
        opening,
        async (tx, begin) => {
          let client: Client | undefined;
          const start = async (): Promise<void> => {
            await act(begin);
            client = tx.client;
            open.add(client);
          };
          const query: Transaction["query"] = async (sql, params) => {
            await start();
            return await over(tx)(sql, params);
          };
          const guarded = {
            get client() {
              client = tx.client;
              return overClient(tx.client);
            },
            query,
          };
          try {
            const last = await work(guarded, start);
            await act(() => Promise.resolve());
            return last;
          } finally {
            if (client !== undefined) open.delete(client);
          }
        },
        alone,
      );
      // Here the commit is kept, but its answer has not arrived.
      await act(() => Promise.resolve());
      return rows;
    });
  const statement: Database["statement"] = (prepared) =>
    act(async () => {
      const rows = await real.statement<never>(prepared);
      // Here it is kept, but its answer has not arrived.
      await act(() => Promise.resolve());
      return rows;
    });
  const openedBy = (start: () => Promise<Session>): Promise<Session> =>
    act(async () => {
      const opened = await start();
      const closed = (): void => void open.delete(opened.client);
      const wrapped: Session = {
        ...opened,
        client: overClient(opened.client),
        query: over(opened),
        release: async () => {
          closed();
          await opened.release();
        },
        destroy: () => {
          closed();
          opened.destroy();
        },
      };
      return wrapped;
    });
  const db: Database = {
    url: real.url,
    query: over(real),
    transaction,
    deferred,
    statement,
    session: () => openedBy(() => real.session()),
    sessionAs: (login) => openedBy(() => real.sessionAs(login)),
    close: async () => {},
  };
  return { db, struck: struck.promise };
}
