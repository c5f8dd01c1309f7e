/** Attempts at once over random schemas, every read declared: the end is that of some serial order. */
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import { type Database, openDatabase, type Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  ConflictError,
  rely,
  stage,
  StageError,
} from "./index.ts";
import { anySchema, type RandomSchema } from "./random-schema.test.kit.ts";
import { anyInsert, anyStatement, dumpOf, perform, type Sql } from "./random-sql.test.kit.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TIME_MS_MAX = 8_000;
const TURN_STATEMENTS = 10;

let home: Database;
let direct: Database;

beforeAll(async () => {
  [home, direct] = await Promise.all([throwawayDatabase(), throwawayDatabase()]);
});

/** A statement that is run, or not, by how many rows a table has: what nothing but the read tells. */
type Call = Sql & { readonly ifEven: string | null };

const anyCall = (schema: RandomSchema): fc.Arbitrary<Call> =>
  fc
    .tuple(
      fc.oneof(anyStatement(schema), anyInsert(schema)),
      fc.option(fc.constantFrom(...schema.tables.map((table) => table.sql)), { freq: 4 }),
    )
    .map(([statement, ifEven]) => ({ ...statement, ifEven }));

async function decide(tx: Transaction, call: Call): Promise<void> {
  if (call.ifEven !== null) {
    const { rows } = await tx.query<{ even: boolean }>(`select count(*) % 2 = 0 as even from ${call.ifEven}`);
    if (rows[0]?.even !== true) return;
  }
  await perform(tx, call);
}

/** Calls of one statement each, with waits before them and before the commit. */
const attemptOf = (schema: RandomSchema) =>
  fc.record({
    calls: fc.array(anyCall(schema), { minLength: 1, maxLength: 2 }),
    waits: fc.tuple(fc.integer({ min: 0, max: 200 }), fc.nat(6), fc.nat(6)),
  });
// No identity: the ids that a sequence gives tell of the order of staging, which is no order of commits. No
// triggers: one that counts all writes in one row would let no two attempts through.
const scenes = anySchema({ identity: false, triggers: false }).chain((schema) =>
  fc.record({
    schema: fc.constant(schema),
    seed: fc.array(anyInsert(schema), { minLength: 6, maxLength: 14 }),
    attempts: fc.array(attemptOf(schema), { minLength: 3, maxLength: 4 }),
  }),
);
type Scene = typeof scenes extends fc.Arbitrary<infer T> ? T : never;
type Attempt = Scene["attempts"][number];

/** The queries that read all a statement on a table can depend on: what foreign keys tie together. */
async function readsOf(db: Database, schema: RandomSchema): Promise<(call: Call) => readonly string[]> {
  const names = schema.tables.map((table) => table.sql);
  const { rows } = await db.query<{ a: string; b: string }>(
    `select x.name as a, y.name as b from pg_constraint f
     join unnest($1::text[]) x(name) on f.conrelid = x.name::regclass
     join unnest($1::text[]) y(name) on f.confrelid = y.name::regclass where f.contype = 'f'`,
    [names],
  );
  const tied = new Map(names.map((name) => [name, new Set([name])]));
  // As often as there are tables, so that what is tied to what is tied is tied.
  for (const _ of names) {
    for (const { a, b } of rows) {
      const both = new Set<string>(tied.get(a)).union(new Set<string>(tied.get(b)));
      for (const name of both) tied.set(name, both);
    }
  }
  return ({ sql, ifEven }) => {
    const written = names.find((name) => sql.includes(`${name} `)) ?? "";
    const read = new Set([...(tied.get(written) ?? []), ...(ifEven === null ? [] : [ifEven])]);
    return [...read].sort().map((name) => `select t::text from ${name} t`);
  };
}

const byTurns = async (db: Database, turns: number): Promise<void> => {
  for (let n = 0; n < turns; n += 1) await db.query("select");
};

/** Stages and commits one attempt among others; whether it got through. */
async function run(
  db: Database,
  schema: RandomSchema,
  reads: (call: Call) => readonly string[],
  { calls, waits }: Attempt,
): Promise<boolean> {
  const tables = schema.tables.map((table) => table.name);
  let set: ChangeSet = { rows: [] };
  try {
    for (const [at, call] of calls.entries()) {
      await byTurns(db, waits[at] ?? 0);
      const { changes } = await stage(db, set, { tables }, async (tx) => {
        for (const sql of reads(call)) await rely(tx, sql);
        await decide(tx, call);
      });
      set = changes;
    }
    await byTurns(db, waits[2] ?? 0);
    if (set.rows.length === 0) return false;
    // A turn writes more than its change set: the transaction stays open for a while.
    const turn = async (tx: Transaction): Promise<void> => {
      await commit(tx, set, about);
      for (let n = 0; n < TURN_STATEMENTS; n += 1) await tx.query("select");
    };
    await db.transaction(turn, { retries: 10 });
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    if (error instanceof StageError && error.code === "constraint-violated") return false;
    throw error;
  }
}

function* orders<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [at, item] of items.entries()) {
    for (const rest of orders(items.toSpliced(at, 1))) yield [item, ...rest];
  }
}

/** Where the attempts end when they are run directly, one after the other. */
async function endOf(schema: RandomSchema, order: readonly Attempt[]): Promise<string> {
  const session = await direct.session();
  const { rows } = await session.query<{ name: string }>(
    `select format('%I.%I', n.nspname, f.conname) as name from pg_constraint f
     join pg_namespace n on n.oid = f.connamespace where f.condeferred and n.nspname <> 'factotum'`,
  );
  const late = rows.map(({ name }) => name).join(", ");
  try {
    await session.query("begin");
    for (const { calls } of order) {
      for (const call of calls) await decide(session, call);
      await session.query("set constraints all immediate");
      if (late !== "") await session.query(`set constraints ${late} deferred`);
    }
    return JSON.stringify(await dumpOf(session, schema, true));
  } catch (error) {
    return String(error);
  } finally {
    await session.query("rollback");
    await session.release();
  }
}

async function put(db: Database, schema: RandomSchema, seed: readonly Sql[]): Promise<void> {
  await db.query(schema.create);
  for (const statement of seed) await db.transaction((tx) => perform(tx, statement)).catch(() => false);
}

test("over any schema the committed state equals some serial order of the committed attempts", async () => {
  const counted = { committed: 0, refused: 0 };
  const play = async ({ schema, seed, attempts }: Scene): Promise<void> => {
    const db = await openDatabase({ kind: "url", url: home.url });
    try {
      for (const one of [db, direct]) await put(one, schema, seed);
      const names = schema.tables.map((table) => table.name);
      await db.transaction((tx) => attach(tx, names));
      const reads = await readsOf(db, schema);
      const ends = await Promise.all(attempts.map((one) => run(db, schema, reads, one)));
      const won = attempts.filter((_, at) => ends[at]);
      counted.committed += won.length;
      counted.refused += attempts.length - won.length;
      const real = JSON.stringify(await dumpOf(db, schema, true));
      const tried: string[] = [];
      for (const order of orders(won)) {
        tried.push(await endOf(schema, order));
        if (tried.at(-1) === real) break;
      }
      expect(tried, `an order of ${won.length} attempts that gives what is there`).toContain(real);
    } finally {
      for (const one of [db, direct]) await one.query(schema.drop);
      await db.close();
    }
  };
  let inHand = Promise.resolve();
  const property = fc.asyncProperty(scenes, async (one) => {
    inHand = play(one);
    await inHand;
  });
  await fc.assert(property, { numRuns: 100, interruptAfterTimeLimit: TIME_MS_MAX, endOnFailure: true });
  // fast-check does not wait for the one that it interrupts.
  await inHand;

  expect(counted.committed).toBeGreaterThan(3);
  expect(counted.refused).toBeGreaterThan(0);
}, 120_000);
