/** With every read declared, attempts at once end where some order of the committed ones ends. */
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type About, attach, type ChangeSet, commit, ConflictError, rely, stage } from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.a", "public.b"];
type Name = "a" | "b";
/** Reads a sum over a range of keys, and writes what it read, somewhere: all an attempt can be to another. */
type Step = {
  readonly from: Name;
  readonly low: number;
  readonly high: number;
  readonly into: Name;
  readonly key: number;
  readonly write: "put" | "add" | "drop";
};
type State = Readonly<Record<Name, ReadonlyMap<number, number>>>;

const KEYS = 4;
const TURN_STATEMENTS = 15;
const name = fc.constantFrom<Name>("a", "b");
const key = fc.integer({ min: 1, max: KEYS });
const anyStep: fc.Arbitrary<Step> = fc.record({
  ...{ from: name, low: key, high: key, into: name, key },
  write: fc.constantFrom("put" as const, "add" as const, "drop" as const),
});
const attempt = fc.record({
  steps: fc.array(anyStep, { minLength: 1, maxLength: 3 }),
  /** When it stages each step, and when it commits, as turns of the others it lets by. */
  waits: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }),
});
type Attempt = typeof attempt extends fc.Arbitrary<infer T> ? T : never;

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  for (const table of TABLES) {
    await db.query(`create table ${table} (id int primary key, value int not null)`);
  }
  await db.transaction((tx) => attach(tx, TABLES));
});

const start = async (): Promise<void> => {
  await db.query("delete from public.a; delete from public.b");
  await db.query("insert into public.a values (1, 1), (2, 2); insert into public.b values (2, 3), (3, 5)");
};
const startState: State = {
  a: new Map([
    [1, 1],
    [2, 2],
  ]),
  b: new Map([
    [2, 3],
    [3, 5],
  ]),
};
const read = async (): Promise<unknown> =>
  (
    await db.query(
      "select 'a' as t, id, value from public.a union all select 'b', id, value from public.b order by 1, 2",
    )
  ).rows;

/** One step in the model: what a serial execution does. */
function play(state: State, step: Step): State {
  const seen = [...state[step.from]].filter(([id]) => id >= step.low && id <= step.high);
  const sum = seen.reduce((total, [, value]) => total + value, 0) + seen.length;
  const rows = new Map(state[step.into]);
  const old = rows.get(step.key);
  if (step.write === "put") rows.set(step.key, sum % 1_000);
  else if (old === undefined) return state;
  else if (step.write === "add") rows.set(step.key, (old + sum) % 1_000);
  else if (sum % 2 === 0) rows.delete(step.key);
  return { ...state, [step.into]: rows };
}

/** The same step in the database, with its read declared. */
async function work(base: ChangeSet, { from, low, high, into, key: id, write }: Step): Promise<ChangeSet> {
  const { changes } = await stage(db, base, { tables: TABLES }, async (tx) => {
    const sql = `select coalesce(sum(value), 0) + count(*) as sum from public.${from}
      where id between $1 and $2`;
    const [found] = await rely<{ sum: string }>(tx, sql, [low, high]);
    const sum = Number(found?.sum);
    // Whether a row is there is a read as well, where nothing is written to it.
    await rely(tx, `select id from public.${into} where id = $1`, [id]);
    const table = `public.${into}`;
    if (write === "put") {
      const upsert = `insert into ${table} values ($1, $2) on conflict (id) do update set value = $2`;
      await tx.query(upsert, [id, sum % 1_000]);
    } else if (write === "add") {
      await tx.query(`update ${table} set value = (value + $2) % 1000 where id = $1`, [id, sum]);
    } else if (sum % 2 === 0) await tx.query(`delete from ${table} where id = $1`, [id]);
  });
  return changes;
}

const byTurns = async (turns: number): Promise<void> => {
  for (let n = 0; n < turns; n += 1) await db.query("select");
};

/** Stages and commits one attempt among others; whether it got through. */
async function run({ steps, waits }: Attempt): Promise<boolean> {
  let set: ChangeSet = { rows: [] };
  try {
    for (const [at, one] of steps.entries()) {
      await byTurns(waits[at] ?? 0);
      set = await work(set, one);
    }
    await byTurns(waits[3] ?? 0);
    // A turn writes more than its change set: the transaction stays open for a while.
    const turn = async (tx: Transaction): Promise<void> => {
      await commit(tx, set, about);
      for (let n = 0; n < TURN_STATEMENTS; n += 1) await tx.query("select");
    };
    await db.transaction(turn, { retries: 10 });
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

function* orders<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [at, item] of items.entries()) {
    for (const rest of orders(items.toSpliced(at, 1))) yield [item, ...rest];
  }
}

const listed = (state: State): unknown =>
  (["a", "b"] as const).flatMap((t) =>
    [...state[t]].sort(([x], [y]) => x - y).map(([id, value]) => ({ t, id, value })),
  );

test("the committed state equals some serial order of the committed attempts", async () => {
  const counted = { committed: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(attempt, { minLength: 2, maxLength: 5 }), async (attempts) => {
      await start();
      const settled = await Promise.allSettled(attempts.map(run));
      const broken = settled.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
      expect(broken).toEqual([]);
      const ends = settled.map((end) => end.status === "fulfilled" && end.value);
      const won = attempts.filter((_, at) => ends[at]);
      counted.committed += won.length;
      counted.refused += attempts.length - won.length;
      const real = JSON.stringify(await read());
      const serial = [...orders(won)].some((order) => {
        const end = order.flatMap((one) => one.steps).reduce(play, startState);
        return JSON.stringify(listed(end)) === real;
      });
      expect(serial, `no order of ${won.length} attempts gives ${real}`).toBe(true);
    }),
    { numRuns: 30 },
  );
  // Schedules in which nobody met anybody would prove nothing.
  expect(counted.committed).toBeGreaterThan(30);
  expect(counted.refused).toBeGreaterThan(10);
}, 120_000);
