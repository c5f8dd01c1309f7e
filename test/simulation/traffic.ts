/** What is under way between processes and Postgres, so that a scheduler knows when all stand still. */
import type { Database } from "factotum/postgres";

/** Counts what is under way, by process. */
export type Traffic = {
  /** Something that waits for an answer from outside of the process. */
  through<T>(name: string, ask: () => Promise<T>): Promise<T>;
  /** A part of it that is the process's own again. */
  pause<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when nothing moves: what is under way waits for a lock of one who waits for the scheduler. */
  settled(): Promise<void>;
  /** Who has had something under way since this was asked last. */
  takeTouched(): ReadonlySet<string>;
};

/** Promises that follow from an answer, and from one another, are through after so many rounds. */
const QUIET_ROUNDS = 6;
/** How often Postgres is asked who waits for a lock. */
const LOOK_MS = 2;
const realTimeout = globalThis.setTimeout;

/** @param observer asks Postgres who is blocked */
export function makeTraffic(observer: Database): Traffic {
  const underWay = new Map<string, number>();
  let touched = new Set<string>();
  const count = (): number => [...underWay.values()].reduce((sum, n) => sum + n, 0);
  const add = (name: string, n: number): void => {
    touched.add(name);
    underWay.set(name, (underWay.get(name) ?? 0) + n);
  };
  const around = async <T>(name: string, n: number, work: () => Promise<T>): Promise<T> => {
    add(name, n);
    try {
      return await work();
    } finally {
      add(name, -n);
    }
  };
  const blocked = async (): Promise<number> => {
    const { rows } = await observer.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows[0]?.n ?? 0;
  };
  return {
    through: (name, ask) => around(name, 1, ask),
    pause: (name, work) => around(name, -1, work),
    settled: async () => {
      for (let quiet = 0; quiet < QUIET_ROUNDS; quiet += 1) {
        await new Promise((resolve) => setImmediate(resolve));
        if (count() === 0) continue;
        const before = count();
        await new Promise((resolve) => realTimeout(resolve, LOOK_MS));
        if (count() !== before || (await blocked()) !== before) quiet = -1;
      }
    },
    takeTouched: () => {
      const taken = touched;
      touched = new Set([...underWay].filter(([, n]) => n > 0).map(([name]) => name));
      return taken;
    },
  };
}
