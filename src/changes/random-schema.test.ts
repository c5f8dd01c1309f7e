/**
 * Random SQL over random schemas, held against the same SQL run directly in another database: what a
 * discarded attempt leaves (nothing), what a commit makes (the same), what an undo leaves (nothing).
 */
import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FactotumError, type RunId } from "../kernel/index.ts";
import { type Database, migrate, openDatabase, sqlStateOf } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  emptyChangeSet,
  peek,
  stage,
  StageError,
  undo,
} from "./index.ts";
import { anySchema, type RandomSchema, type SchemaOptions } from "./random-schema.test.kit.ts";
import { anyInsert, anyStatement, dumpOf, perform, positionsOf, type Sql } from "./random-sql.test.kit.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TIME_MS_MAX = 10_000;
const role = `owner_${randomBytes(4).toString("hex")}`;

let admin: Database;
let direct: Database;
let plainUrl: string;

beforeAll(async () => {
  [admin, direct] = await Promise.all([throwawayDatabase(), throwawayDatabase()]);
  await admin.query(`create role ${role} login password 'secret'`);
  await admin.query(`create database ${role} owner ${role}`);
  const url = new URL(admin.url);
  Object.assign(url, { username: role, password: "secret", pathname: `/${role}` });
  plainUrl = url.href;
  const plain = await openDatabase({ kind: "url", url: plainUrl });
  await migrate(plain);
  await plain.close();
});

afterAll(async () => {
  await admin.query(`drop database ${role} with (force)`);
  await admin.query(`drop role ${role}`);
});

/** A schema, the rows that are there before, and the calls of an attempt, of some statements each. */
const sceneOf = (options: SchemaOptions) =>
  anySchema(options).chain((schema) => {
    const statement = anyStatement(schema);
    return fc.record({
      schema: fc.constant(schema),
      seed: fc.array(anyInsert(schema), { minLength: 6, maxLength: 20 }),
      calls: fc.array(fc.array(statement, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
    });
  });

type Scene = ReturnType<typeof sceneOf> extends fc.Arbitrary<infer T> ? T : never;

/** The same call in its own transaction of the other database; whether it was kept. */
async function directly(call: readonly Sql[]): Promise<boolean> {
  try {
    await direct.transaction(async (tx) => {
      for (const one of call) await perform(tx, one);
    });
    return true;
  } catch (error) {
    if (sqlStateOf(error)?.startsWith("23") !== true) throw error;
    return false;
  }
}

/** One call staged on the base; undefined where a deferred constraint refused it. */
async function staged(
  db: Database,
  schema: RandomSchema,
  base: ChangeSet,
  call: readonly Sql[],
): Promise<ChangeSet | undefined> {
  const tables = schema.tables.map((table) => table.name);
  try {
    const { changes } = await stage(db, base, { tables }, async (tx) => {
      for (const one of call) await perform(tx, one);
    });
    return changes;
  } catch (error) {
    if (error instanceof StageError && error.code === "constraint-violated") return undefined;
    throw error;
  }
}

async function prepare(db: Database, schema: RandomSchema, seed: readonly Sql[]): Promise<void> {
  for (const one of [db, direct]) {
    await one.query(schema.create);
    // In a transaction each, since a deferred constraint may refuse one at its end.
    for (const statement of seed) await one.transaction((tx) => perform(tx, statement)).catch(() => false);
  }
  const names = schema.tables.map((table) => table.name);
  await db.transaction((tx) => attach(tx, names));
}

type Seen = { runs: number; rows: number; refused: number };

/**
 * What cannot be put in with triggers on is refused, with the GRANT that is missing. A row that makes place
 * for one with an equal key of another spelling looks like one that is in the way: a conflict, too.
 */
const needsGrant = (error: unknown): boolean =>
  error instanceof FactotumError &&
  (error.message.includes("GRANT SET ON PARAMETER") ||
    (error.code === "conflict" && sqlStateOf(error.cause) === "23505"));

/** Runs scenes in the database at `url`; how much there was to see. */
async function play(url: string, options: SchemaOptions): Promise<Seen> {
  const seen = { runs: 0, rows: 0, refused: 0 };
  const scene = async ({ schema, seed, calls }: Scene): Promise<void> => {
    // What a process knows of tables is by handle; a table that is redefined meanwhile is another test.
    const db = await openDatabase({ kind: "url", url });
    await prepare(db, schema, seed);
    const before = await dumpOf(db, schema, true);
    let real = before;
    try {
      let set = emptyChangeSet;
      for (const call of calls) {
        const next = await staged(db, schema, set, call);
        expect(next !== undefined, "a call is kept where it is kept when run directly").toBe(
          await directly(call),
        );
        set = next ?? set;
      }
      expect(await dumpOf(db, schema, true)).toEqual(before);
      const view = await peek(db, set, (tx) => dumpOf(tx, schema, true));
      const id = await db.transaction((tx) => commit(tx, set, about));
      real = view;
      expect(await dumpOf(db, schema, true)).toEqual(real);
      expect(await dumpOf(db, schema, false)).toEqual(await dumpOf(direct, schema, false));
      expect(await positionsOf(db)).toEqual(await positionsOf(direct));
      await db.transaction((tx) => undo(tx, id, about));
      expect(await dumpOf(db, schema, true)).toEqual(before);
      seen.runs += 1;
      seen.rows += set.rows.length;
    } catch (error) {
      const same = JSON.stringify(await dumpOf(db, schema, true)) === JSON.stringify(real);
      if (!needsGrant(error) || !same) throw error;
      seen.refused += 1;
    } finally {
      for (const one of [db, direct]) await one.query(schema.drop);
      await db.close();
    }
  };
  let inHand = Promise.resolve();
  const property = fc.asyncProperty(sceneOf(options), async (one) => {
    inHand = scene(one);
    await inHand;
  });
  await fc.assert(property, { numRuns: 200, interruptAfterTimeLimit: TIME_MS_MAX, endOnFailure: true });
  // fast-check does not wait for the one that it interrupts.
  await inHand;
  return seen;
}

test("commit is the same SQL run directly, undo its inverse, and discard leaves no trace", async () => {
  const { runs, rows, refused } = await play(admin.url, { identity: true, triggers: true });
  expect(refused).toBe(0);
  expect(runs).toBeGreaterThan(0);
  expect(rows).toBeGreaterThan(0);
}, 120_000);

test("so it is for a role that owns its tables and may not switch triggers off", async () => {
  const { runs, rows, refused } = await play(plainUrl, { identity: true, triggers: false });
  expect(refused).toBeLessThan(runs);
  expect(runs).toBeGreaterThan(0);
  expect(rows).toBeGreaterThan(0);
}, 120_000);
