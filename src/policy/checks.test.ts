import { inspect, stage } from "../changes/index.ts";
import { attach, diff } from "../changes/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import {
  anyOf,
  BECAUSE_CHARS_MAX,
  calledAny,
  type Check,
  type CheckContext,
  FINDINGS_MAX,
  type Found,
  invariant,
  person,
  softer,
  sqlAssertion,
  ticked,
  type Verdict,
  verify,
  when,
} from "./index.ts";

type Input = { readonly least: number };
const tables = ["public.stock"];
const db = await throwawayDatabase();
afterAll(() => db.close());
await db.query("create table stock (name text primary key, n integer not null)");
await db.query("insert into stock values ('lamp', 10), ('chair', 5)");
await db.transaction((tx) => attach(tx, tables));

/** Verdicts on a change that takes `n` lamps. */
async function verdictsOn(
  n: number,
  checks: readonly Check<Input>[],
  msMax?: number,
): Promise<readonly Verdict[]> {
  const { changes } = await stage(db, { rows: [] }, { tables }, async (tx) => {
    await tx.query("update stock set n = n - $1 where name = 'lamp'", [n]);
  });
  const { result } = await inspect(db, changes, async (view) => {
    const rows = await diff(view, changes);
    const calls = [{ tool: "take", input: n, output: null }];
    const context: CheckContext<Input> = {
      ...{ input: { least: 3 }, diff: rows, calls, turns: [], view, at: new Date(0) },
    };
    await view.query("savepoint healthy");
    const heal = () => view.query("rollback to savepoint healthy");
    return await verify(checks, context, msMax === undefined ? { heal } : { heal, msMax });
  });
  return result;
}

const says = (verdicts: readonly Verdict[]) =>
  verdicts.map((one) => (one.kind === "pass" ? `${one.by} pass` : `${one.by} ${one.kind}: ${one.because}`));

const found = (...all: readonly Found[]): Check<Input> => ({ name: "found", run: async () => all });
const wrong: Found = { kind: "fail", because: "wrong" };

test("a SQL assertion sees the staged rows and takes parameters from the input", async () => {
  const enough = sqlAssertion<Input>("enough is left", "select name as because from stock where n < $1;", {
    params: ({ input }) => [input.least],
  });
  expect(says(await verdictsOn(7, [enough]))).toEqual(["sql pass"]);
  expect(says(await verdictsOn(8, [enough]))).toEqual(["sql fail: lamp"]);
});

test("a row without a sentence is its own, and a comment at the end hides nothing", async () => {
  const none = sqlAssertion<Input>("none", "select name, n from stock where name = 'chair' -- all", {
    kind: "unsure",
  });
  expect(says(await verdictsOn(1, [none]))).toEqual(['sql unsure: {"n": 5, "name": "chair"}']);
});

test("an assertion that finds a million huge rows brings few and short ones home", async () => {
  const many = "select repeat('x', 100000) as because from generate_series(1, 1000000)";
  const verdicts = await verdictsOn(1, [sqlAssertion("many", many)]);
  expect(verdicts).toHaveLength(FINDINGS_MAX + 1);
  expect(says(verdicts).every((one) => one.length < BECAUSE_CHARS_MAX + 20)).toBe(true);
  expect(says(verdicts).at(-1)).toBe("sql fail: and 1 more");
});

test("an assertion that is no query, or writes, is a clear fail, and the next check still runs", async () => {
  const verdicts = await verdictsOn(1, [
    sqlAssertion("broken", "selec 1"),
    sqlAssertion("writes", "with gone as (delete from stock returning 1) select 'x' as because from gone"),
    sqlAssertion("fine", "select 1 where false"),
  ]);
  expect(says(verdicts)[0]).toContain("syntax error");
  expect(verdicts[1]?.kind).toBe("fail");
  expect(says(verdicts).slice(2)).toEqual(["sql pass"]);
});

test("a check that never ends is broken off and has failed", async () => {
  const never: Check<Input> = { name: "never", run: () => new Promise(() => undefined) };
  const verdicts = await verdictsOn(1, [never, found()], 1);
  expect(says(verdicts)).toEqual([
    "check fail: the check itself failed: it took longer than 1 ms; ask less of the database, or of the diff",
    "check pass",
  ]);
});

test("however many findings there are, the worst of those left out still counts", async () => {
  const kinds = fc.constantFrom("fail" as const, "unsure" as const, "ask" as const);
  await fc.assert(
    fc.asyncProperty(fc.array(kinds, { minLength: 1, maxLength: 60 }), async (given) => {
      const all = given.map((kind): Found => ({ kind, because: "x".repeat(2_000) }));
      const nothing = { input: { least: 0 }, diff: [], calls: [], turns: [], view: db, at: new Date(0) };
      const verdicts = await verify([found(...all)], nothing);
      const of = (list: readonly { readonly kind: string }[]) => new Set(list.map((one) => one.kind));
      const gravest = (set: Set<string>) => ["fail", "unsure", "ask"].find((kind) => set.has(kind));
      expect(gravest(of(verdicts))).toBe(gravest(of(all)));
      expect(verdicts.length).toBeLessThanOrEqual(FINDINGS_MAX + 1);
    }),
  );
});

test("a person is asked about everything, or for the reasons given", async () => {
  const verdicts = await verdictsOn(2, [
    person("always"),
    person("many", ({ diff: rows }) => (rows.length > 1 ? ["many rows"] : [])),
  ]);
  expect(says(verdicts)).toEqual(["person ask: a person looks at every change", "person pass"]);
});

test("checks compose: only where they apply, softer, or one of several", async () => {
  const both = await verdictsOn(1, [
    when(({ input }) => input.least > 3, found(wrong)),
    when(({ input }) => input.least === 3, found(wrong)),
    softer(found(wrong, { kind: "ask", because: "well" }), "unsure"),
    anyOf("either", [found(wrong), found()]),
    anyOf("neither", [found(wrong), found({ kind: "ask", because: "hm" })]),
  ]);
  expect(says(both)).toEqual([
    ...["check pass", "check fail: wrong", "check unsure: wrong", "check ask: well"],
    ...["check pass", "check fail: wrong", "check ask: hm"],
  ]);
});

test("a composed check is named and overruled as the one inside", () => {
  const check: Check<Input> = { ...found(), by: "sql", overrule: "person" };
  for (const one of [when(() => true, check), softer(check, "ask")]) {
    expect([one.name, one.by, one.overrule]).toEqual(["found", "sql", "person"]);
  }
});

test("what was asked for is ticked off, and the rest is asked about", async () => {
  const wishes = ticked<Input>("everything asked for is done", () => [
    { what: "lamps", doneBy: ({ diff: rows }) => rows.some((row) => row.key["name"] === "lamp") },
    { what: "a parcel", doneBy: calledAny("wrap", "send") },
    { what: "taking", doneBy: calledAny("take") },
  ]);
  expect(await verdictsOn(1, [wishes])).toEqual([
    { check: "everything asked for is done", by: "wishes", kind: "pass", wish: "lamps" },
    {
      ...{ check: "everything asked for is done", by: "wishes", kind: "ask", wish: "a parcel" },
      because: "a parcel was asked for, and nothing of it is done",
    },
    { check: "everything asked for is done", by: "wishes", kind: "pass", wish: "taking" },
  ]);
  expect(says(await verdictsOn(1, [ticked("none", () => [])]))).toEqual(["wishes pass"]);
});

test("an invariant that throws has failed", async () => {
  const throws = invariant<Input>("throws", () => {
    throw new TypeError("oops");
  });
  expect(says(await verdictsOn(1, [throws]))).toEqual(["invariant fail: the check itself failed: oops"]);
});
