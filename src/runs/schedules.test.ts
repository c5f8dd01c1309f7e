import { afterEach, beforeEach, expect, test } from "vitest";
import { type Database, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  declareSchedules,
  type Duty,
  fireSchedules,
  leaveSchedules,
  listRuns,
  listSchedules,
  type Missed,
  type Overseer,
  RunError,
  type Schedule,
  scheduleDueInMs,
  startOverseer,
} from "./index.ts";

const MONDAY = new Date("2026-03-02T00:00:00Z");
const day = (n: number, hour = 0): Date => new Date(MONDAY.getTime() + (n * 24 + hour) * 3_600_000);
let opened: Promise<Database> | undefined;
let tests = 0;
beforeEach(() => void (tests += 1));
const overseers: Overseer[] = [];
afterEach(async () => void (await Promise.all(overseers.splice(0).map((one) => one.stop()))));

function daily(more: Partial<Schedule> = {}): Schedule {
  return {
    ...{ agent: `clerk${tests}`, name: "report", cron: "0 9 * * *", zone: "UTC" },
    order: (when) => ({ agentVersion: 1, input: { at: when.toISOString() } }),
    ...more,
  };
}

async function at(db: Database, when: Date): Promise<void> {
  await setClock(db, { at: when, rate: 0 });
}

async function project(schedule: Schedule): Promise<Database> {
  const db = await (opened ??= throwawayDatabase());
  await at(db, MONDAY);
  await db.transaction((tx) => declareSchedules(tx, [schedule]));
  return db;
}

function oversee(db: Database, schedule: Schedule): Overseer {
  const duty: Duty = {
    name: "schedules",
    look: () => fireSchedules(db, [schedule]),
    dueInMs: () => scheduleDueInMs(db, [schedule]),
  };
  const one = startOverseer({ db, duties: [duty] });
  overseers.push(one);
  return one;
}

async function days(db: Database): Promise<readonly number[]> {
  const runs = await listRuns(db, { order: "oldest", agent: `clerk${tests}` });
  return runs.map(
    (run) => (Date.parse((run.input as { at: string }).at) - MONDAY.getTime()) / 86_400_000 - 0.375,
  );
}

test("many processes fire one schedule through a week: every occurrence has one run", async () => {
  const schedule = daily();
  const db = await project(schedule);
  const many = Array.from({ length: 5 }, () => oversee(db, schedule));
  await Promise.all(many.map((one) => one.drained()));
  expect(await days(db)).toEqual([]);
  for (const n of [1, 2, 5, 7]) {
    await at(db, day(n));
    await Promise.all(many.map((one) => one.drained()));
  }
  // Three days at one jump are late, not missed: there was somebody to look.
  expect(await days(db)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const [line] = await listSchedules(db, [schedule]);
  expect([line?.nextAt, line?.lastAt, line?.passedOver]).toEqual([day(7, 9), day(6, 9), null]);
  expect((await listRuns(db, { agent: `clerk${tests}`, limit: 1 }))[0]?.key).toBe(
    "schedule/report/2026-03-08T09:00:00.000Z",
  );
});

test("a clock that is put back fires nothing a second time", async () => {
  const schedule = daily();
  const db = await project(schedule);
  const overseer = oversee(db, schedule);
  for (const n of [3, 1, 2, 4]) {
    await at(db, day(n));
    await overseer.drained();
  }
  expect(await days(db)).toEqual([0, 1, 2, 3]);
});

test("the overseer wakes by itself when the clock is set", async () => {
  const schedule = daily();
  const db = await project(schedule);
  const fired = Promise.withResolvers<number>();
  const look = async (): Promise<number> => {
    const did = await fireSchedules(db, [schedule]);
    if (did > 0) fired.resolve(did);
    return did;
  };
  overseers.push(startOverseer({ db, duties: [{ name: "schedules", look }], sweepMs: 600_000 }));
  await at(db, day(2));
  expect(await fired.promise).toBe(2);
});

const policies: readonly (readonly [Missed, readonly number[]])[] = [
  [{ catchUp: "one" }, [0, 5]],
  [{ catchUp: "none" }, [0]],
  [{ catchUp: "all", max: 3 }, [0, 3, 4, 5]],
];
for (const [missed, expected] of policies) {
  test(`what was missed while all were down is caught up: ${missed.catchUp}`, async () => {
    const schedule = daily({ missed });
    const db = await project(schedule);
    const before = oversee(db, schedule);
    await at(db, day(1));
    await before.drained();
    await before.stop();
    await leaveSchedules(db);
    await at(db, day(6));
    const after = oversee(db, schedule);
    await after.drained();
    expect(await days(db)).toEqual(expected);
    const [line] = await listSchedules(db, [schedule]);
    const to = expected.length > 1 ? Math.min(...expected.slice(1)) - 1 : 5;
    expect([line?.nextAt, line?.passedOver]).toEqual([day(6, 9), { from: day(1, 9), to: day(to, 9) }]);
  });
}

test("a schedule that was changed begins with the present, and its former self fires no more", async () => {
  const former = daily();
  const db = await project(former);
  const changed = daily({ cron: "0 12 * * *" });
  await at(db, day(2, 10));
  await db.transaction((tx) => declareSchedules(tx, [changed]));
  expect(await fireSchedules(db, [former])).toBe(0);
  expect(await fireSchedules(db, [changed])).toBe(0);
  await at(db, day(2, 13));
  expect([await fireSchedules(db, [former]), await fireSchedules(db, [changed])]).toEqual([0, 1]);
  // Nobody waits for it either: what stays due for ever would be looked for without a rest.
  await setClock(db, { at: day(4) });
  const waits = [await scheduleDueInMs(db, []), await scheduleDueInMs(db, [former])];
  expect([...waits, await scheduleDueInMs(db, [changed])]).toEqual([null, null, expect.any(Number)]);
});

test("trouble of the moment costs no occurrence", async () => {
  let trouble = true;
  const schedule = daily({
    order: (when) => {
      const error = { code: "start-unseen", retry: "later", message: "try again" } as const;
      if (trouble) throw new RunError(error);
      return { agentVersion: 1, input: { at: when.toISOString() } };
    },
  });
  const db = await project(schedule);
  await fireSchedules(db, [schedule]);
  await at(db, day(1));
  await expect(fireSchedules(db, [schedule])).rejects.toMatchObject({ code: "start-unseen" });
  trouble = false;
  expect([await fireSchedules(db, [schedule]), await days(db)]).toEqual([1, [0]]);
});

test("an occurrence that cannot be started is told, and holds up no other", async () => {
  const schedule = daily({
    order: (when) => {
      if (when.getTime() === day(1, 9).getTime()) throw new Error("no report on a Tuesday");
      return { agentVersion: 1, input: { at: when.toISOString() } };
    },
  });
  const db = await project(schedule);
  await fireSchedules(db, [schedule]);
  await at(db, day(2));
  expect(await fireSchedules(db, [schedule])).toBe(1);
  const [line] = await listSchedules(db, [schedule]);
  expect(line?.problem).toBe("2026-03-03T09:00:00.000Z: no report on a Tuesday");
  await at(db, day(3));
  expect(await fireSchedules(db, [schedule])).toBe(1);
  expect(await days(db)).toEqual([0, 2]);
});
