/** A worker's process whose every act on the outside waits for a scheduler, and may be its last. */
import type { QueryConfig } from "pg";
import {
  type Database,
  type DeferredWork,
  type Opening,
  PostgresError,
  type Session,
  type Transaction,
} from "factotum/postgres";
import { withQuery } from "factotum/testing";
import type { Traffic } from "./traffic.ts";

/** What becomes of an act: it is done; it is not, and the process dies; it is, and its answer is lost. */
export type Fate = "done" | "crash" | "lost";

/** An act that waits: a statement, a commit, a call outside, or the arrival of a commit's answer. */
export type Act = {
  readonly process: SimulatedProcess;
  readonly label: string;
  /** Where it comes among the process's doings: all acts of a transaction have the place of its beginning. */
  readonly place: number;
  /** Lets it happen; resolves once it has. */
  happen(fate: Fate): Promise<void>;
};

/** A process: its database, and how it ends. */
export type SimulatedProcess = {
  readonly name: string;
  readonly db: Database;
  /** Not let go on for so many acts of the others. */
  frozenFor: number;
  readonly dead: boolean;
  /** Any act on the outside but a statement. */
  act<T>(label: string, done: () => Promise<T>): Promise<T>;
  /** Tells its worker that something may be ready: messages come at any moment, or never. */
  ring(): void;
  /** Ends what Postgres would end where the process stands still: turns whose transaction is open. */
  endTurns(): Promise<void>;
  /** Its connections are cut. */
  cut(): Promise<void>;
  crash(): Promise<void>;
};

type Client = Transaction["client"];
type Heard = (message: { payload: string }) => void;
const nothing = (): Promise<void> => Promise.resolve();
const labelOf = (sql: string): string => sql.replaceAll(/\s+/g, " ").trim().slice(0, 40);

/**
 * @param of.own a database of the process's own, so that its death closes its connections
 * @param of.observer by whom they are ended
 * @param waits told of each act
 */
export async function simulatedProcess(
  of: { name: string; own: Database; observer: Database; traffic: Traffic },
  waits: (act: Act) => void,
): Promise<SimulatedProcess> {
  const { name, own, observer, traffic } = of;
  const named = await own.query<{ name: string }>("select current_setting('application_name') as name");
  const application = named.rows[0]?.name;
  const open = new Set<Client>();
  const sessions = new Map<Session, Client>();
  const heard = new Set<Heard>();
  let dead = false;
  let places = 0;
  const act = async <T>(label: string, done: () => Promise<T>, place = (places += 1)): Promise<T> => {
    if (dead) throw new Error("the process is dead");
    const result = Promise.withResolvers<T>();
    const happen = async (fate: Fate): Promise<void> => {
      if (dead || fate === "crash") return result.reject(new Error("the process is dead"));
      await traffic
        .through(name, done)
        .then((value) => (fate === "lost" ? result.reject(lost()) : result.resolve(value)), result.reject);
    };
    waits({ process, label, place, happen });
    return await result.promise;
  };
  const over = (under: Pick<Transaction, "query">, place?: number): Transaction["query"] => {
    return (sql, params) => act(labelOf(sql), () => under.query(sql, params), place);
  };
  const overClient = (client: Client, place?: number): Client =>
    withQuery(client, (config: QueryConfig) =>
      act(config.name ?? labelOf(config.text), () => client.query(config), place),
    );
  /** Real messages would come at moments of their own: the scheduler rings instead. */
  const deaf = (client: Client): Client => {
    const on = (event: string, listener: (...args: never[]) => void): unknown =>
      event === "notification" ? heard.add(listener as Heard) : client.on(event as never, listener as never);
    return Object.defineProperty(overClient(client), "on", { value: on });
  };
  const transaction: Database["transaction"] = async (fn, options) => {
    const place = (places += 1);
    const result = await traffic.through(name, () =>
      own.transaction(
        (tx) =>
          traffic.pause(name, async () => {
            open.add(tx.client);
            try {
              const value = await fn({ client: overClient(tx.client, place), query: over(tx, place) });
              await act("commit", nothing, place);
              return value;
            } finally {
              open.delete(tx.client);
            }
          }),
        options,
      ),
    );
    await act("committed", nothing, place);
    return result;
  };
  const deferred = async <O extends object, L extends object>(
    opening: Opening<O>,
    work: DeferredWork,
    alone?: () => Promise<readonly L[]>,
  ): Promise<readonly L[]> => {
    const place = (places += 1);
    let used: Client | undefined;
    const watched: DeferredWork = async (tx, begin) => {
      const start = async (): Promise<void> => {
        if (used !== undefined) return;
        await act("begin", begin, place);
        open.add((used = tx.client));
      };
      const query: Transaction["query"] = async (sql, params) => {
        await start();
        return await over(tx, place)(sql, params);
      };
      try {
        const late: Transaction = {
          // To ask for it is to begin.
          get client() {
            return overClient(tx.client, place);
          },
          query,
        };
        const last = await work(late, start);
        await act("end", nothing, place);
        return last;
      } finally {
        if (used !== undefined) open.delete(used);
        used = undefined;
      }
    };
    const rows = await traffic.through(name, () =>
      own.deferred<O, L>(
        opening,
        (tx, begin) => traffic.pause(name, () => watched(tx, begin)),
        alone && (() => traffic.pause(name, alone)),
      ),
    );
    await act("ended", nothing, place);
    return rows;
  };
  const process: SimulatedProcess = {
    ...{ name, frozenFor: 0, act },
    get dead() {
      return dead;
    },
    ring: () => {
      for (const hear of heard) hear({ payload: "ready" });
    },
    endTurns: () => ended(observer, [...open]),
    cut: () => ended(observer, [...open, ...sessions.values()]),
    crash: async () => {
      dead = true;
      heard.clear();
      for (const session of sessions.keys()) session.destroy();
      await observer.query(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1",
        [application],
      );
    },
    db: {
      url: own.url,
      query: over(own),
      transaction,
      deferred,
      statement: (prepared) => act(prepared.name, () => own.statement(prepared)),
      session: async () => {
        const opened = await act("session", () => own.session());
        sessions.set(opened, opened.client);
        const destroy = (): void => {
          if (!sessions.delete(opened)) return;
          opened.destroy();
          // Postgres learns of it at some moment: that moment is now.
          void traffic.through(name, () => terminated(observer, [opened.client]));
        };
        return { ...opened, destroy, client: deaf(opened.client), query: over(opened) };
      },
      sessionAs: (login) => own.sessionAs(login),
      close: nothing,
    },
  };
  return process;
}

const gone = new WeakSet<Client>();

/** Ends the backends behind clients, and waits until both sides know. */
async function ended(observer: Database, clients: readonly Client[]): Promise<void> {
  const living = clients.filter((client) => !gone.has(client));
  for (const client of living) gone.add(client);
  const told = living.map((client) => new Promise((resolve) => client.once("end", resolve)));
  await terminated(observer, living);
  await Promise.all(told);
}

async function terminated(observer: Database, clients: readonly Client[]): Promise<void> {
  const pids = clients.map((client) => (client as Client & { processID: number }).processID);
  await observer.query("select pg_terminate_backend(pid, 5000) from unnest($1::int[]) pid", [pids]);
}

function lost(): PostgresError {
  return new PostgresError({ code: "commit-unknown", retry: "later", message: "the answer was lost" });
}
