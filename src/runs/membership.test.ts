import { type QueryConfig } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database, Session } from "../postgres/index.ts";
import { throwawayDatabase, withQuery } from "../testing/index.ts";
import { startRun, startWorker } from "./index.ts";

const warnings: string[] = [];
const note = (warning: Error): void => void warnings.push(warning.message);
beforeAll(() => void process.on("warning", note));
afterAll(() => void process.off("warning", note));

/** A database whose sessions report each statement, told how many others are under way beside it. */
function watched(real: Database, seen: (sql: string, beside: number) => Promise<void>): Database {
  const session = async (): Promise<Session> => {
    const opened = await real.session();
    let underWay = 0;
    const watching = async <T>(sql: string, send: () => Promise<T>): Promise<T> => {
      underWay += 1;
      try {
        await seen(sql, underWay - 1);
        return await send();
      } finally {
        underWay -= 1;
      }
    };
    const { client } = opened;
    return {
      ...opened,
      query: (sql, params) => watching(sql, () => opened.query(sql, params)),
      client: withQuery(client, (config: QueryConfig) => watching(config.text, () => client.query(config))),
    };
  };
  return Object.defineProperties({} as Database, {
    ...Object.getOwnPropertyDescriptors(real),
    session: { value: session },
  });
}

test("a renewal that falls into a claim waits for it, and the driver has nothing to warn of", async () => {
  const real = await throwawayDatabase();
  const renewed = Promise.withResolvers<void>();
  let besideMax = 0;
  let claims = 0;
  const db = watched(real, async (sql, beside) => {
    besideMax = Math.max(besideMax, beside);
    if (sql.includes("set lease_until")) renewed.resolve();
    // The first claim takes longer than the time between two renewals.
    else if (sql.includes("fence + 1") && (claims += 1) === 1) await real.query("select pg_sleep(0.4)");
  });
  await real.transaction((tx) => startRun(tx, { agent: "worker", agentVersion: 1, input: null }));
  const worker = startWorker({
    ...{ db, leaseMs: 1_000 },
    drive: async (lease) => {
      await renewed.promise;
      await lease.turn(async () => ({ kind: "done", state: null, outcome: "worked" }));
    },
  });
  await worker.drained();
  await worker.stop();
  expect({ besideMax, warnings }).toEqual({ besideMax: 0, warnings: [] });
  expect(claims).toBeGreaterThan(0);
});
