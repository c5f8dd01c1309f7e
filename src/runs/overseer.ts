import { messageOf } from "../kernel/index.ts";
import { type Database, listenTo } from "../postgres/index.ts";

/** Something that an overseer looks after: schedules, watched tables, deadlines. */
export type Duty = {
  readonly name: string;
  /** Does what is due now; answers how much that was. */
  look(): Promise<number>;
  /** Real milliseconds until something is due; null where a notification, or the next sweep, will tell. */
  dueInMs?(): Promise<number | null>;
};

/** What an overseer is made of. */
export type OverseerOptions = {
  readonly db: Database;
  readonly duties: readonly Duty[];
  readonly say?: (line: string) => void;
  /** Real milliseconds between looks that nobody asked for; 5 s unless told. */
  readonly sweepMs?: number;
};

/** Does duties beside a worker, in any number of processes, until it is stopped. */
export interface Overseer {
  /** Looks at once, until nothing more is due; answers how much was. */
  drained(): Promise<number>;
  stop(): Promise<void>;
}

/** On which Postgres tells that there may be something to do. */
const CHANNEL = "factotum_watch";
const SWEEP_MS = 5_000;
/** Node's timers hold no more. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** After trouble, of the connection or of a duty. */
const RECONNECT_MS = 1_000;

/**
 * Starts an overseer. A notification only wakes it: what is due stands in tables, so nothing is lost while
 * nobody listens, and without a connection it goes on looking at every sweep.
 */
export function startOverseer({ db, duties, say = () => {}, sweepMs = SWEEP_MS }: OverseerOptions): Overseer {
  const stopping = new AbortController();
  let bell = Promise.withResolvers<void>();
  let looking: Promise<number> = Promise.resolve(0);
  /** What a duty could not do is still due, and would be tried again at once, for ever. */
  let troubled = false;
  const ring = (): void => bell.resolve();

  /** One look at a time: a second one would only wait for the locks of the first. */
  const look = (): Promise<number> => {
    looking = looking.then(async () => {
      let did = 0;
      troubled = false;
      for (const duty of duties) {
        if (stopping.signal.aborted) break;
        did += await duty.look().catch((error: unknown) => {
          troubled = true;
          say(`${duty.name}: ${messageOf(error)}; trying again`);
          return 0;
        });
      }
      return did;
    });
    return looking;
  };
  const rest = async (): Promise<void> => {
    const dues = await Promise.all(duties.map(async (duty) => (await duty.dueInMs?.()) ?? null));
    const soonest = troubled ? RECONNECT_MS : 0;
    const untilMs = Math.min(sweepMs, ...dues.flatMap((ms) => (ms === null ? [] : [Math.max(soonest, ms)])));
    const timer = setTimeout(ring, Math.min(Math.ceil(untilMs), TIMER_MS_MAX));
    await bell.promise;
    clearTimeout(timer);
  };
  const watch = async (): Promise<void> => {
    const ears = listenTo(db, CHANNEL, ring, stopping.signal);
    while (!stopping.signal.aborted) {
      bell = Promise.withResolvers<void>();
      await look();
      if (!stopping.signal.aborted) await rest().catch(() => pause(RECONNECT_MS, bell.promise));
    }
    await ears;
  };
  const watching = watch();
  return {
    drained: async () => {
      let total = 0;
      for (;;) {
        const did = await look();
        total += did;
        if (did === 0 || stopping.signal.aborted) return total;
      }
    },
    stop: async () => {
      stopping.abort();
      ring();
      await watching;
      await looking;
    },
  };
}

async function pause(milliseconds: number, sooner: Promise<void>): Promise<void> {
  const timeUp = Promise.withResolvers<void>();
  const timer = setTimeout(() => timeUp.resolve(), milliseconds);
  await Promise.race([timeUp.promise, sooner]).finally(() => clearTimeout(timer));
}
