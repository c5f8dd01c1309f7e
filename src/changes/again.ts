import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isConnectionFault, sqlStateOf } from "../postgres/index.ts";
import { ConflictError, StageError } from "./errors.ts";

const TRIES_MAX = 5;
const WAIT_MS_BASE = 20;

/** Tables turned out to be defined otherwise than was known; another try knows them as they are. */
export class RedefinedError extends ConflictError {
  constructor(because: string) {
    super({ rows: [], because });
  }
}

/** Runs a thing again, after a random wait, when broken off for another's sake or with its connection. */
export async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run();
    } catch (error) {
      if (tries === TRIES_MAX || !mayPass(error)) throw error;
      await sleep(randomInt(WAIT_MS_BASE * 2 ** tries));
    }
  }
}

/** A serialization failure, a deadlock, a lock that others hold for too long. */
const CONTENTION = ["40001", "40P01", "55P03"];

/** Contention, a lost connection or what one of them caused; outdated knowledge. */
function mayPass(error: unknown): boolean {
  if (error instanceof RedefinedError) return true;
  // Such as a tool that ended its transaction, for which its connection was dropped.
  const tools = error instanceof StageError && error.code !== "stage-failed";
  const causes = error instanceof Error ? [error, error.cause] : [error];
  return causes.some((one) => {
    const state = sqlStateOf(one);
    return CONTENTION.includes(state ?? "") || (isConnectionFault(one) && !tools);
  });
}
