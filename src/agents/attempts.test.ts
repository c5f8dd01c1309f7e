/** What an attempt stages is kept row by row: exactly, and at the price of what changed. */
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { changeSetOf, type RowChange } from "../changes/index.ts";
import type { Json, RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type AttemptRecord, getAttempt, listAttempts, recordOf, saveAttempt } from "./attempts.ts";

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
});

const attemptOf = (run: number, parts: Partial<AttemptRecord>): AttemptRecord => ({
  ...{ runId: String(run) as RunId, number: 1, rung: "cheap", model: null, status: "working" },
  ...{ calls: [], changeSet: { rows: [] }, diff: [], verdicts: [], refusals: [], because: null },
  ...parts,
});

/** Names and keys that hash, sort or quote badly. */
const KEY = fc.constantFrom("(1)", "(2)", '("a b")', "(😀)", "(￿)", `(${"x".repeat(5_000)})`);
const TABLE = fc.constantFrom("public.a", "public.b (", "other.a");
const IMAGE = fc.option(fc.constantFrom("(1,x)", "(1,y)", '(1,"\\\\")'));
const ROWS = fc
  .uniqueArray(
    fc.record({ table: TABLE, key: KEY, before: IMAGE, after: IMAGE, fingerprint: fc.constant("f") }),
    {
      selector: (row) => `${row.table} ${row.key}`,
      maxLength: 8,
    },
  )
  .map((rows): readonly RowChange[] => rows.filter((row) => row.before !== row.after));
const CALLS = fc.array(
  fc.record({
    tool: fc.constant("t"),
    input: fc.json().map((text) => JSON.parse(text) as Json),
    output: fc.nat(),
  }),
  {
    maxLength: 4,
  },
);
const READ = { sql: "select 1", params: [], digest: "d", under: [] };
const STEP = fc.record({
  rows: ROWS,
  calls: CALLS,
  grows: fc.boolean(),
  relies: fc.array(fc.constant(READ), { maxLength: 2 }),
  told: fc.boolean(),
});

test("an attempt is read as it was written, whether all of it was sent or what had changed", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 6 }), async (steps) => {
      run += 1;
      let written: AttemptRecord | undefined;
      for (const { rows, calls, grows, relies, told } of steps) {
        const all = grows ? [...(written?.calls ?? []), ...calls] : calls;
        const next = attemptOf(run, { calls: all, changeSet: changeSetOf(rows, relies) });
        await db.transaction((tx) => saveAttempt(tx, next, told ? written : undefined));
        const found = await getAttempt(db, next.runId, next.number);
        expect(found && recordOf(found)).toEqual(JSON.parse(JSON.stringify(next)));
        written = next;
      }
    }),
    { numRuns: 60 },
  );
  expect(run).toBe(60);
});

test("a turn writes the rows that it changed and no other, and so does the end", async () => {
  const row = (n: number, after: string): RowChange => ({
    ...{ table: "public.a", key: `(${n})`, before: null, after, fingerprint: "f" },
  });
  const many = Array.from({ length: 50 }, (_, n) => row(n, "(old)"));
  const calls = Array.from({ length: 50 }, (_, n) => ({ tool: "t", input: n, output: n }));
  const first = attemptOf(1_000, { changeSet: changeSetOf(many), calls });
  await db.transaction((tx) => saveAttempt(tx, first));
  const versions = async () =>
    (
      await db.query<{ place: string }>(
        `select ctid::text || xmin as place from factotum.attempt_rows where run_id = 1000
         union all select ctid::text || xmin from factotum.attempt_items where run_id = 1000`,
      )
    ).rows.map(({ place }) => place);
  const before = new Set(await versions());
  expect(before.size).toBe(100);
  const rows = [...many.slice(2), row(1, "(new)"), row(50, "(new)")];
  const grown = [...calls, { tool: "t", input: 50, output: 50 }];
  const second = attemptOf(1_000, { changeSet: changeSetOf(rows), calls: grown });
  await db.transaction((tx) => saveAttempt(tx, second, first));
  const after = new Set(await versions());
  expect([before.difference(after).size, after.difference(before).size]).toEqual([2, 3]);
  await db.transaction((tx) => saveAttempt(tx, { ...second, status: "committed" }));
  expect(new Set(await versions())).toEqual(after);
  expect((await listAttempts(db, "1000" as RunId)).map((one) => one.status)).toEqual(["committed"]);
});
