import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { sqlStateOf } from "../postgres/index.ts";

const TRIES_MAX = 5;
const WAIT_MS_BASE = 20;

/** Runs a thing again, after a random wait, when Postgres broke it off for another's sake. */
export async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run();
    } catch (error) {
      if (tries === TRIES_MAX || !isContention(error)) throw error;
      await sleep(randomInt(WAIT_MS_BASE * 2 ** tries));
    }
  }
}

/** A deadlock or a serialization failure, or something that one of them caused. */
function isContention(error: unknown): boolean {
  const state = sqlStateOf(error) ?? (error instanceof Error ? sqlStateOf(error.cause) : undefined);
  return state === "40001" || state === "40P01";
}
