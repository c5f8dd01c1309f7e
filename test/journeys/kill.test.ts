/** The example's day, with its processes killed wherever chance will have it. */
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { formatUsd, microUsd } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { afterEach, beforeAll, expect, test } from "vitest";
import { calendar, deliver, messages, openDesk } from "../desk/kit.ts";
import { seed } from "../seed.ts";
import { isRunning, killAll, start, type Started, stillDay } from "./kit.ts";

/** What a day leaves behind, whoever worked on it and however often they were killed. */
type Left = {
  readonly calendar: readonly string[];
  /** Each notice with how its run stands and what it asks. */
  readonly runs: readonly string[];
  readonly value: string;
};

const LOOK_MS = 10;
const KILLS = 4;
/** About what a turn takes, so that a kill comes anywhere in one, and not just after its commit. */
const TURN_MS = 150;

let undisturbed: Left;
/** How far `progress` counts in an undisturbed day. */
let whole = 0;
let started: Started[] = [];

beforeAll(async () => {
  const desk = await openDesk();
  const worker = desk.work();
  await deliver(desk, await messages());
  await worker.drained();
  await worker.stop();
  undisturbed = await whatIsLeft(desk.db);
  whole = await progress(desk.db);
  await desk.close();
});

afterEach(() => {
  started.forEach(killAll);
  started = [];
});

test(
  "killed again and again, the desk still ends with the day it would have had",
  { timeout: 180_000 },
  async () => {
    const point = fc.record({
      count: fc.integer({ min: 0, max: whole - 1 }),
      laterMs: fc.integer({ min: 0, max: TURN_MS }),
    });
    const plan = fc.sample(point, { seed, numRuns: KILLS }).toSorted((a, b) => a.count - b.count);
    const told = `FACTOTUM_SEED=${seed}: killed at ${plan.map((one) => one.count).join(", ")} of ${whole}`;
    const db = await throwawayDatabase();
    for (const [at, { count, laterMs }] of plan.entries()) {
      const work = begin(db);
      await reached(db, count, work);
      await delay(laterMs);
      // Every second time only the launcher dies, and what it started has to notice.
      if (at % 2 === 0) killAll(work);
      else work.child.kill("SIGKILL");
      expect((await work.ended).signal, told).toBe("SIGKILL");
    }
    const end = await begin(db, "--json").ended;
    expect(end.code, `${told}\n${end.err}`).toBe(0);
    expect(await whatIsLeft(db), told).toEqual(undisturbed);
    await noneTwice(db, told);
  },
);

test(
  "asked to stop, it ends what is in hand and says so, and the next start goes on",
  { timeout: 120_000 },
  async () => {
    const db = await throwawayDatabase();
    const work = begin(db);
    await reached(db, whole / 2, work);
    work.child.kill("SIGTERM");
    const stopped = await work.ended;
    expect([stopped.code, stopped.signal], stopped.err).toEqual([130, null]);
    expect(stopped.err).toContain("stopped before everything was worked off");
    const { rows: held } = await db.query("select 1 from factotum.workers");
    expect(held).toEqual([]);
    const end = await begin(db).ended;
    expect(end.code, end.err).toBe(0);
    expect(await whatIsLeft(db)).toEqual(undisturbed);
    await noneTwice(db, "stopped once");
    expect(await ofLedger(db)).toEqual(ofTable(end.out));
  },
);

type Figures = { readonly value: string; readonly cost: string; readonly tokens: string };

/** Figures of the table at the end of a day, as a person reads them. */
function ofTable(table: string): Figures {
  const [value, cost] = [
    /\bvalue\s+(\S+)/.exec(table)?.[1],
    /\bcost\s+(\S+) \(([\d,]+) tokens\)/.exec(table),
  ];
  return { value: value ?? "", cost: cost?.[1] ?? "", tokens: cost?.[2] ?? "" };
}

/** The same of `factotum ledger`, and every one of them of the accounts behind it. */
async function ofLedger(db: Database): Promise<Figures> {
  const ask = async (...words: readonly string[]): Promise<unknown> => {
    const work = start(["--config", stillDay, "ledger", ...words, "--json"], {
      env: { DATABASE_URL: db.url },
    });
    started.push(work);
    const { code, out, err } = await work.ended;
    expect(code, err).toBe(0);
    return JSON.parse(out);
  };
  type Summary = Record<"valueMicroUsd" | "costMicroUsd", string> & { tokens: Record<string, string> };
  const summary = (await ask("summary")) as Summary;
  const { accounts } = (await ask("accounts", "earned", "--unit", "USD")) as {
    accounts: { balance: string }[];
  };
  expect(accounts.map(({ balance }) => balance)).toEqual([String(-Number(summary.valueMicroUsd) / 1e6)]);
  const tokens = Object.values(summary.tokens).reduce((sum, count) => sum + Number(count), 0);
  return {
    value: formatUsd(microUsd(BigInt(summary.valueMicroUsd))),
    cost: formatUsd(microUsd(BigInt(summary.costMicroUsd))),
    tokens: tokens.toLocaleString("en-US"),
  };
}

function begin(db: Database, ...more: readonly string[]): Started {
  const work = start(["--config", stillDay, "run", "--once", ...more], { env: { DATABASE_URL: db.url } });
  started.push(work);
  return work;
}

/** Waits until the day is that far, or the command is over. */
async function reached(db: Database, count: number, work: Started): Promise<void> {
  while (isRunning(work) && (await progress(db)) < count) await delay(LOOK_MS);
}

/** Runs started and turns taken: how far the day is, however fast the machine is. */
async function progress(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: string }>(
    "select count(*) + coalesce(sum(version), 0) as count from factotum.runs",
  );
  return Number(rows[0]?.count);
}

async function whatIsLeft(db: Database): Promise<Left> {
  const runs = await db.query<{ line: string }>(
    `select concat_ws(' | ', r.key, r.status, r.outcome, q.card ->> 'because', q.status) as line
       from factotum.runs r left join factotum.questions q on q.run_id = r.id order by 1`,
  );
  const value = await db.query<{ sum: string }>("select sum(amount_micro_usd) as sum from factotum.entries");
  return {
    calendar: await calendar(db),
    runs: runs.rows.map((row) => row.line),
    value: value.rows[0]?.sum ?? "",
  };
}

async function noneTwice(db: Database, told: string): Promise<void> {
  const twice = await db.query(
    `select run_id from factotum.change_sets group by run_id having count(*) > 1
     union all select run_id from factotum.questions group by run_id having count(*) > 1`,
  );
  expect(twice.rows, told).toEqual([]);
}
