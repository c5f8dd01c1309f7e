/**
 * A worker in a process of its own, for tests that kill it. Arguments: database url, lease in milliseconds,
 * and what it does. Each turn writes a row to `work`, which has no unique constraint: a turn that counts
 * twice shows.
 */
import { setTimeout as delay } from "node:timers/promises";
import { must } from "../kernel/index.ts";
import { openDatabase } from "../postgres/index.ts";
import { appendStep, type Drive, FencedError, startWorker } from "./index.ts";

const TURNS = 8;
const [url, leaseMs, manner] = process.argv.slice(2);

/** Eight turns with a moment of outside work after each, the fourth of which parks for a moment. */
const steadily: Drive = async (lease) => {
  let { run } = lease;
  while (run.status === "ready" && !lease.signal.aborted) {
    run = await lease.turn(async (tx, now, time) => {
      const n = Number(now.state ?? 0) + 1;
      await tx.query("insert into work (run_id, n) values ($1, $2)", [now.id, n]);
      await appendStep(tx, now.id, { kind: "work", attempt: null, data: n });
      if (n === TURNS) return { kind: "done", state: n, outcome: "worked" };
      if (n === TURNS / 2) return { kind: "park", state: n, until: new Date((await time()).getTime() + 20) };
      return { kind: "continue", state: n };
    });
    if (run.status === "ready") await delay(Number(run.id) % 7);
  }
};

/**
 * Says where it is, and stands still there until its input speaks or for a lock: in a turn, or between two.
 */
const halting: Drive = async (lease) => {
  if (manner === "between") {
    await lease.turn(async () => ({ kind: "continue", state: "first" }));
    await standStill();
  }
  try {
    await lease.turn(async (tx, run) => {
      await tx.query("insert into work (run_id, n) values ($1, 1)", [run.id]);
      if (manner === "inside") await standStill();
      if (manner === "waiting") {
        say("still");
        await tx.query("select pg_advisory_xact_lock(1)");
      }
      return { kind: "done", state: null, outcome: "late" };
    });
    say("committed");
  } catch (error) {
    say(error instanceof FencedError ? "fenced" : "refused");
    throw error;
  }
};

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function standStill(): Promise<void> {
  say("still");
  await new Promise((resolve) => process.stdin.once("data", resolve));
}

const db = await openDatabase({ kind: "url", url: must(url, "the database's url") });
startWorker({
  db,
  drive: manner === "steadily" ? steadily : halting,
  leaseMs: Number(leaseMs),
  concurrency: 4,
  sweepMs: 200,
});
