import { cancelRun, unstrand } from "../agents/index.ts";
import type { PriceBook } from "../ledger/index.ts";
import type { Database } from "../postgres/index.ts";
import {
  deadlineDueInMs,
  type Duty,
  fireSchedules,
  leaveSchedules,
  type Overseer,
  overdueRuns,
  RunError,
  scheduleDueInMs,
  startOverseer,
  takeEvents,
  type Worker,
} from "../runs/index.ts";
import type { Config } from "./config.ts";
import { eventStartsOf, makeFolders, schedulesOf } from "./starts.ts";

/** Overdue runs ended in one look. */
const OVERDUE_MAX = 100;
/** Rounds of starting and working after which a project whose runs start each other counts as drained. */
const ROUNDS_MAX = 1_000;

type Parts = {
  readonly config: Config;
  readonly db: Database;
  readonly directory: string;
  /** Kept up to date. */
  readonly prices: PriceBook;
  readonly say: (line: string) => void;
};

/** Starts what begins, ends and wakes runs by itself in this process. */
export function openOverseer({ config, db, directory, prices, say }: Parts): Overseer {
  const schedules = schedulesOf(config);
  const starts = eventStartsOf(config);
  const duties: Duty[] = [
    {
      name: "schedules",
      look: () => fireSchedules(db, schedules),
      dueInMs: () => scheduleDueInMs(db, schedules),
    },
    { name: "watched tables", look: () => takeEvents(db, starts) },
    { name: "watched folders", look: makeFolders(config, db, directory, say) },
    { name: "deadlines", look: () => endOverdue(config, db), dueInMs: () => deadlineDueInMs(db) },
    { name: "versions", look: () => unstrand(db, versionsOf(config)) },
    // New prices are no work: a process that has read them is not less drained.
    { name: "prices", look: () => prices.refresh().then(() => 0) },
  ];
  return startOverseer({ db, duties, say });
}

/** The agents of a project, with those that runs of earlier versions need. */
export function versionsOf({ agents, formerAgents = [] }: Config) {
  return { agents, former: formerAgents };
}

/** One that cannot be ended now keeps none of the others from its end. */
async function endOverdue(config: Config, db: Database): Promise<number> {
  const overdue = await overdueRuns(db, OVERDUE_MAX);
  const failures: unknown[] = [];
  for (const { id, deadlineAt } of overdue) {
    const because = `its deadline, ${deadlineAt.toISOString()}, has passed`;
    try {
      await cancelRun({ db, ...versionsOf(config) }, id, { by: "deadline", because, as: "overdue" });
    } catch (error) {
      // Another process was first, or the run ended just now.
      if (!(error instanceof RunError) || error.code !== "run-over") failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return overdue.length;
}

/** A worker and an overseer as one: drained means that nothing is due, and nothing started is ready. */
export function besideOverseer(worker: Worker, overseer: Overseer, db: Database): Worker {
  return {
    ended: worker.ended,
    drained: async () => {
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        await worker.drained();
        if ((await overseer.drained()) === 0) return;
      }
    },
    stop: async () => {
      await worker.stop();
      await overseer.stop();
      await leaveSchedules(db).catch(() => undefined);
    },
  };
}
