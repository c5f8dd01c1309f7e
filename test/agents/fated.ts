/** A database as a process sees it that dies at its n-th act: statements, commits and their answers. */
import type { QueryConfig } from "pg";
import type { Database, DeferredWork, Opening, Session, Transaction } from "factotum/postgres";
import { withQuery } from "factotum/testing";

/** The database of a process, and its fate. */
export type Fated = {
  readonly db: Database;
  /** Resolves when it has come to pass. */
  readonly struck: Promise<void>;
};

/** Every act from the `atAct`-th on fails, and what was open is gone, as when a process is killed. */
export function fated(real: Database, atAct: number): Fated {
  let acts = 0;
  const struck = Promise.withResolvers<void>();
  const sessions = new Set<Session>();
  const act = (): void => {
    acts += 1;
    if (acts < atAct) return;
    struck.resolve();
    for (const session of sessions) session.destroy();
    throw new Error("the process is dead");
  };
  const overClient = (client: Transaction["client"]): Transaction["client"] => {
    const query = async (config: QueryConfig) => {
      act();
      return await client.query(config);
    };
    return withQuery(client, query);
  };
  const over =
    (under: Pick<Transaction, "query">): Transaction["query"] =>
    async (sql, params) => {
      act();
      return await under.query(sql, params);
    };
  const transaction: Database["transaction"] = async (fn, options) => {
    act();
    const result = await real.transaction(async (tx) => {
      const value = await fn({ client: overClient(tx.client), query: over(tx) });
      act();
      return value;
    }, options);
    act(); // Here the commit is kept, but its answer has not arrived.
    return result;
  };
  const deferred = async <O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ): Promise<readonly L[]> => {
    act();
    const rows = await real.deferred<O, L>(
      opening,
      async (tx, begin) => {
        let begun = false;
        const start = async (): Promise<void> => {
          if (!begun) act();
          begun = true;
          await begin();
        };
        const query: Transaction["query"] = async (sql, params) => {
          await start();
          return await over(tx)(sql, params);
        };
        const last = await work(
          {
            get client() {
              return overClient(tx.client);
            },
            query,
          },
          start,
        );
        act();
        return last;
      },
      alone,
    );
    act(); // Here the commit is kept, but its answer has not arrived.
    return rows;
  };
  const statement: Database["statement"] = async (prepared) => {
    act();
    const rows = await real.statement<never>(prepared);
    act(); // Here it is kept, but its answer has not arrived.
    return rows;
  };
  const session: Database["session"] = async () => {
    act();
    const opened = await real.session();
    sessions.add(opened);
    return { ...opened, client: overClient(opened.client), query: over(opened) };
  };
  const sessionAs: Database["sessionAs"] = (login) => real.sessionAs(login);
  const db = {
    url: real.url,
    query: over(real),
    transaction,
    deferred,
    statement,
    session,
    sessionAs,
    close: async () => {},
  };
  return { db, struck: struck.promise };
}
