/**
 * What staging and committing cost beside the same SQL run directly, how a step's cost grows in a long
 * attempt, what that leaves behind in the table, and what the capture trigger costs others. Staging is
 * measured on our own connection and on one that is logged in as an agent's role (`role`).
 *
 *   npm run --silent bench:changes -- [--json] [--slices 15] [--steps 500] [--attempts 5]
 *
 * Starts an embedded Postgres of its own with default settings (fsync on) in a temporary folder. What is
 * compared is run in turn, slice by slice, so that a busy neighbour slows both; figures are medians.
 */
import { parseArgs } from "node:util";
import {
  attach,
  type ChangeSet,
  commit,
  detach,
  emptyChangeSet,
  ensureRole,
  rely,
  stage,
  type StageOptions,
} from "factotum/changes";
import type { RunId } from "factotum/kernel";
import { type Database, migrate, openDatabase, type Transaction } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    slices: { type: "string", default: "15" },
    steps: { type: "string", default: "500" },
    attempts: { type: "string", default: "5" },
  },
});
const slices = Number(given.slices);
const steps = Number(given.steps);
const attempts = Number(given.attempts);
const SIZES = [1, 10, 100, 1_000];
const about = { runId: "1" as RunId, attempt: 1, agent: "bench", because: "a bench" };
const TABLES = ["public.account"];
/** Another table, of short attempts that are run beside the last steps of a long one. */
const BESIDE = "public.account_beside";
const OURS: StageOptions = { tables: TABLES };
const AS_ROLE: StageOptions = { tables: TABLES, as: about.agent, tenant: "bench" };
const HOT_ROWS = 20;
/** Steps around a place of the curve that its figure is the median of. */
const WINDOW = 5;
/** Last steps of a long attempt, each held against step 5 of a short one at that moment. */
const PAIRS = 50;
const FIFTH = 5;

const updateOf = (table: string): string => `update ${table} set balance = balance + 1 where id = any($1)`;
const update = updateOf("public.account");
const one = "update public.account set balance = balance + 1 where id = $1";
const ids = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at + 1);

/** How long each of several ways takes, in milliseconds, run in turn slice by slice. */
async function race<Name extends string>(
  ways: Readonly<Record<Name, () => Promise<() => Promise<unknown>>>>,
  repeats: number,
): Promise<(name: Name) => readonly number[]> {
  const took = new Map<string, number[]>();
  // One slice more than counted: the first warms up.
  for (let slice = -1; slice < slices; slice += 1) {
    for (const [name, prepare] of Object.entries<() => Promise<() => Promise<unknown>>>(ways)) {
      let sum = 0;
      for (let n = 0; n < repeats; n += 1) {
        const run = await prepare();
        const began = performance.now();
        await run();
        sum += performance.now() - began;
      }
      if (slice >= 0) took.set(name, [...(took.get(name) ?? []), sum / repeats]);
    }
  }
  return (name) => took.get(name) ?? [];
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
/** The median of one way's slices over another's of the same moment. */
const ratio = (over: readonly number[], under: readonly number[]): number =>
  middle(over.map((value, at) => value / (under[at] ?? NaN)));
const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

/** A transaction that keeps nothing: what a staged call cannot be cheaper than. */
async function rolledBack(db: Database, work: (tx: Transaction) => Promise<unknown>): Promise<void> {
  const session = await db.session();
  try {
    await session.query("begin");
    await work(session);
    await session.query("rollback");
  } finally {
    await session.release();
  }
}

async function ofSize(db: Database, rows: number) {
  const wanted = ids(rows);
  const staged = async (as = OURS): Promise<ChangeSet> =>
    (await stage(db, emptyChangeSet, as, (tx) => tx.query(update, [wanted]))).changes;
  const relying = async (): Promise<ChangeSet> => {
    const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await rely(tx, "select sum(balance) from public.account where id <= 10");
      return tx.query(update, [wanted]);
    });
    return changes;
  };
  const committing = (set: ChangeSet) => async () => await db.transaction((tx) => commit(tx, set, about));
  const repeats = rows > 100 ? 1 : rows > 10 ? 3 : 8;
  const took = await race(
    {
      staged: async () => () => staged(),
      role: async () => () => staged(AS_ROLE),
      direct: async () => () => db.transaction((tx) => tx.query(update, [wanted])),
      undone: async () => () => rolledBack(db, (tx) => tx.query(update, [wanted])),
      commit: async () => committing(await staged()),
      relying: async () => committing(await relying()),
      byRow: async () => () =>
        db.transaction(async (tx) => {
          for (const id of wanted) await tx.query(one, [id]);
        }),
    },
    repeats,
  );
  return {
    rows,
    stagedMs: round(middle(took("staged"))),
    commitMs: round(middle(took("commit"))),
    stagedToDirect: round(ratio(took("staged"), took("direct"))),
    roleToStaged: round(ratio(took("role"), took("staged"))),
    stagedToRolledBack: round(ratio(took("staged"), took("undone"))),
    commitToDirect: round(ratio(took("commit"), took("direct"))),
    commitToRowByRow: round(ratio(took("commit"), took("byRow"))),
    relyingToCommit: round(ratio(took("relying"), took("commit"))),
  };
}

/** The n-th step of an attempt on a table. */
type Step = (tx: Transaction, n: number, table: string) => Promise<unknown>;

/** Milliseconds of each step of several attempts, every step a staging on top of all before it. */
async function curve(db: Database, as: StageOptions, step: Step) {
  const took: number[][] = [];
  let pages = 0;
  for (let n = 0; n < attempts; n += 1) {
    await db.query("vacuum (full) public.account");
    const before = await pagesOf(db);
    took.push(await longAttempt(db, as, step));
    pages = (await pagesOf(db)) - before;
  }
  const at = (place: number): number => {
    const from = Math.max(0, Math.min(place - 1 - (WINDOW >> 1), steps - WINDOW));
    return middle(took.flatMap((times) => times.slice(from, from + WINDOW)));
  };
  const places = [5, 50, 100, 200, 300, 400, 500].filter((place) => place <= steps);
  // Steps of the same moment: minutes apart, a busy neighbour changed this by a factor of two. In attempts of
  // their own, since whoever is measured beside another finds the caches full of the other's.
  const beside: number[] = [];
  const late: number[] = [];
  for (let n = 0; n < attempts; n += 1) {
    await db.query("vacuum (full) public.account");
    const times = await longAttempt(db, as, step, async () => beside.push(await fifthBeside(db, as, step)));
    late.push(...times.slice(-PAIRS));
  }
  return {
    ms: Object.fromEntries(places.map((place) => [place, round(at(place))])),
    lastToFifth: round(middle(late) / middle(beside)),
    // Whatever autovacuum, which runs as by default, has not made free again by then.
    tablePagesGrown: pages,
  };
}

/** @param between what to do after each of the last steps */
async function longAttempt(db: Database, as: StageOptions, step: Step, between?: () => Promise<unknown>) {
  const times: number[] = [];
  let base = emptyChangeSet;
  for (let at = 1; at <= steps; at += 1) {
    const began = performance.now();
    base = (await stage(db, base, as, (tx) => step(tx, at, "public.account"))).changes;
    times.push(performance.now() - began);
    if (at > steps - PAIRS) await between?.();
  }
  return times;
}

/** Step 5 of an attempt that does the same in a table where little was done. */
async function fifthBeside(db: Database, as: StageOptions, step: Step): Promise<number> {
  await db.query(`vacuum ${BESIDE}`);
  let base = emptyChangeSet;
  let ms = 0;
  for (let at = 1; at <= FIFTH; at += 1) {
    const began = performance.now();
    base = (await stage(db, base, { ...as, tables: [BESIDE] }, (tx) => step(tx, at, BESIDE))).changes;
    ms = performance.now() - began;
  }
  return ms;
}

async function pagesOf(db: Database): Promise<number> {
  const { rows } = await db.query<{ pages: string }>(
    "select pg_relation_size('public.account') / current_setting('block_size')::int as pages",
  );
  return Number(rows[0]?.pages);
}

/** What writers that are no agents pay for the capture trigger on their table. */
async function dormant(db: Database, rows: number) {
  const write = () => db.transaction((tx) => tx.query(update, [ids(rows)]));
  const took = await race(
    {
      without: async () => {
        await db.transaction((tx) => detach(tx, TABLES));
        await write();
        return write;
      },
      with: async () => {
        await db.transaction((tx) => attach(tx, TABLES));
        await write();
        return write;
      },
    },
    rows > 100 ? 2 : 8,
  );
  return { rows, withToWithout: round(ratio(took("with"), took("without"))) };
}

const directory = benchFolder();
const db = await openDatabase({ kind: "embedded", directory });
await migrate(db);
await db.query(`create table public.account (id bigint generated always as identity primary key,
  owner text not null, balance bigint not null, note text, opened_at timestamptz not null default now())`);
await db.query(
  `insert into public.account (owner, balance, note)
     select 'o' || n, n, 'note ' || n from generate_series(1, 5000) n`,
);
await db.query(`create table ${BESIDE} (like public.account including all)`);
await db.query(`insert into ${BESIDE} (owner, balance, note)
  select owner, balance, note from public.account order by id`);
await db.query("vacuum analyze");
await db.transaction((tx) => attach(tx, [...TABLES, BESIDE]));
await ensureRole(db, { name: about.agent, tables: { "public.account": "write", [BESIDE]: "write" } });
const others = [];
for (const rows of [1, 1_000]) others.push(await dormant(db, rows));
const sizes = [];
for (const rows of SIZES) sizes.push(await ofSize(db, rows));
const rewrite: Step = (tx, _, table) => tx.query(updateOf(table), [ids(HOT_ROWS)]);
const add: Step = (tx, n, table) =>
  tx.query(`insert into ${table} (owner, balance) values ($1, 1)`, [`owner ${n}`]);
const curves = {
  hotRows: await curve(db, OURS, rewrite),
  hotRowsAsRole: await curve(db, AS_ROLE, rewrite),
  inserts: await curve(db, OURS, add),
  insertsAsRole: await curve(db, AS_ROLE, add),
};
await db.close();
if (given.json) console.log(JSON.stringify({ sizes, ...curves, others }));
else {
  console.table(sizes);
  console.log(
    `milliseconds of step n: ${HOT_ROWS} rows rewritten each step, or one inserted; pages the table grew by`,
  );
  console.table(
    Object.fromEntries(
      Object.entries(curves).map(([name, { ms, lastToFifth, tablePagesGrown }]) => [
        name,
        { ...ms, "last / 5th": lastToFifth, pages: tablePagesGrown },
      ]),
    ),
  );
  console.log("what others pay for the trigger on their table: time with it over time without");
  console.table(others);
}
