/** Many attempts at once on few rows. */
import { beforeAll, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import { type Database, PostgresError } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type About, attach, type ChangeSet, commit, ConflictError, emptyChangeSet, stage } from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.seat", "public.ticket"];
const ATTEMPTS = 48;
const ROWS = 12;
const RETRIES = 5;

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query("create table public.seat (id int primary key, taken int not null default 0)");
  await db.query(`create table public.ticket (id int primary key,
    seat int not null references public.seat, by int not null)`);
  await db.query(`insert into public.seat (id) select generate_series(1, ${ROWS})`);
  await db.transaction((tx) => attach(tx, TABLES));
});

/** Attempt `n` takes three seats, spread so that any two attempts may share some, and in any order. */
const seatsOf = (n: number): number[] => [0, 5, 7].map((step) => ((n * 5 + step * (n % 3)) % ROWS) + 1);

/**
 * Commits, and goes again as a turn does after an error that says so: Postgres may end one of two that wait
 * for each other's rows, and 18.4 may now and then refuse to lock one ("more than one updating member").
 */
async function commitAsTurnsDo(set: ChangeSet, tries = RETRIES): Promise<unknown> {
  try {
    return await db.transaction((tx) => commit(tx, set, about), { retries: RETRIES });
  } catch (error) {
    const again = error instanceof PostgresError && error.retry === "later" && tries > 0;
    if (!again) throw error;
    return await commitAsTurnsDo(set, tries - 1);
  }
}

test("of attempts that meet on a row one is committed, and the others are told", async () => {
  const sets = await Promise.all(
    Array.from({ length: ATTEMPTS }, async (_, n): Promise<ChangeSet> => {
      const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
        for (const seat of new Set(seatsOf(n))) {
          await tx.query("insert into public.ticket values ($1, $2, $3)", [n * 100 + seat, seat, n + 1]);
        }
      });
      const second = await stage(db, changes, { tables: TABLES }, async (tx) => {
        await tx.query("update public.seat set taken = $2 where id = any($1)", [seatsOf(n), n + 1]);
      });
      return second.changes;
    }),
  );
  const ends = await Promise.allSettled(sets.map((set) => commitAsTurnsDo(set)));
  const lost = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  expect(lost.filter((error) => !(error instanceof ConflictError))).toEqual([]);
  const won = ends.flatMap((end, n) => (end.status === "fulfilled" ? [n] : []));
  expect(won.length).toBeGreaterThan(1);
  expect(lost.length).toBeGreaterThan(1);
  const taken = won.flatMap((n) => [...new Set(seatsOf(n))]);
  expect(new Set(taken).size).toBe(taken.length);
  const { rows } = await db.query<{ id: number; taken: number; tickets: number[] }>(
    `select s.id, s.taken, array(select t.by from public.ticket t where t.seat = s.id) as tickets
     from public.seat s order by s.id`,
  );
  for (const row of rows) {
    const owner = won.findLast((n) => seatsOf(n).includes(row.id)) ?? -1;
    const by = owner + 1;
    expect(row).toEqual({ id: row.id, taken: by, tickets: by === 0 ? [] : [by] });
  }
});
