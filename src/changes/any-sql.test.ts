/** Random SQL over a schema with what makes capture hard; see `exact.test.ts` for chosen cases. */
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type About, attach, type ChangeSet, commit, emptyChangeSet, peek, stage, undo } from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const SCHEMA = `
create schema other;
create type other.mood as enum ('calm', 'cross', 'it''s "odd", no?');
create table public.owner (region int, name text, mood other.mood default 'calm', tags text[], score real,
  primary key (region, name));
create table other.thing (id bigint generated always as identity primary key, region int, owner text,
  size numeric, twice numeric generated always as (size * 2) stored, extra jsonb, pos int unique,
  made timestamptz default clock_timestamp(),
  foreign key (region, owner) references public.owner on delete cascade on update cascade);
create table public.log (id serial primary key, what text, at timestamptz default clock_timestamp());
create function public.on_thing() returns trigger language plpgsql as $$ begin
  insert into public.log (what) values (tg_op || coalesce(new.id, old.id));
  update public.owner set score = coalesce(score, 0) + 1.1
    where region = coalesce(new.region, old.region) and name = coalesce(new.owner, old.owner);
  return null; end $$;
create trigger after_thing after insert or update or delete on other.thing
  for each row execute function public.on_thing();
create function public.on_owner() returns trigger language plpgsql as $$ begin
  new.tags = new.tags || ('v' || coalesce(array_length(new.tags, 1), 0)); return new; end $$;
create trigger before_owner before update on public.owner for each row execute function public.on_owner();
insert into public.owner (region, name, tags)
  values (1, 'a', '{}'), (1, 'b, "c"', null), (2, '', '[0:1]={x,y}');
insert into other.thing (region, owner, size, pos) values (1, 'a', 1.50, 1), (1, 'a', -0.0, 2), (2, '', 7, 3);
`;
const TABLES = ["public.owner", "other.thing", "public.log"];

const REGION = fc.integer({ min: 1, max: 3 });
const NAME = fc.constantFrom("a", 'b, "c"', "", "d\\", "(é)");
const POS = fc.integer({ min: 1, max: 8 });
const MOOD = fc.constantFrom("calm", "cross", 'it\'s "odd", no?', null);
const NUMBER = fc.constantFrom("0", "-0.00", "1.10", "12345678901234567890.123", "NaN", null);
const JSONB = fc.option(fc.json({ maxDepth: 2 }).map((text) => text.replaceAll("\\u0000", "")));

type Operation = { readonly sql: string; readonly values: readonly unknown[] };
const operation = (sql: string, ...values: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<Operation> =>
  fc.tuple(...values).map((chosen) => ({ sql, values: chosen }));

const OPERATION = fc.oneof(
  operation(
    `insert into public.owner values ($1, $2, $3, array[$4, null, ''], 'NaN')
     on conflict (region, name) do update set mood = excluded.mood`,
    ...[REGION, NAME, MOOD, NAME],
  ),
  operation("update public.owner set region = $1, mood = $2 where name = $3", REGION, MOOD, NAME),
  operation(
    "update public.owner set score = -score, tags = array_remove(tags, 'v0') where region = $1",
    REGION,
  ),
  operation("delete from public.owner where region = $1 and name = $2", REGION, NAME),
  operation(
    "insert into other.thing (region, owner, size, extra, pos) values ($1, $2, $3, $4, $5)",
    ...[REGION, NAME, NUMBER, JSONB, POS],
  ),
  operation("update other.thing set size = size + 1.0, extra = $2 where pos > $1", POS, JSONB),
  operation(`update other.thing t set pos = -t.pos where pos in ($1, $2)`, ...[POS, POS]),
  operation("update other.thing t set pos = $1 + $2 + pos where pos < 0", POS, POS),
  operation("delete from other.thing where pos = $1", POS),
  operation(
    `merge into public.owner o using (values ($1::int, $2)) s(region, name)
       on o.region = s.region and o.name = s.name
     when matched then delete when not matched then insert (region, name) values (s.region, s.name)`,
    ...[REGION, NAME],
  ),
  operation("delete from public.log where id % 2 = $1", fc.integer({ min: 0, max: 1 })),
);
/** Calls of an attempt, each of several statements. */
const CALLS = fc.array(fc.array(OPERATION, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });

let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, TABLES));
});

const dump = async (tx: Pick<Transaction, "query">): Promise<readonly unknown[]> =>
  (
    await tx.query(`select 'owner' || t::text as row from public.owner t
      union all select 'thing' || t::text from other.thing t
      union all select 'log' || t::text from public.log t order by 1`)
  ).rows;

/** Runs what a random operation does; one that breaks a constraint is taken back, as a tool would do. */
async function perform(tx: Transaction, { sql, values }: Operation): Promise<void> {
  await tx.query("savepoint operation");
  try {
    await tx.query(sql, values);
  } catch {
    await tx.query("rollback to operation");
  }
}

test("what was staged is committed exactly, undone exactly, and leaves no trace when discarded", async () => {
  let rows = 0;
  await fc.assert(
    fc.asyncProperty(CALLS, fc.boolean(), async (calls, keep) => {
      const before = await dump(db);
      let set: ChangeSet = emptyChangeSet;
      let last: readonly unknown[] = before;
      for (const call of calls) {
        const staged = await stage(db, set, { tables: TABLES }, async (tx) => {
          expect(await dump(tx)).toEqual(last);
          for (const one of call) await perform(tx, one);
          return await dump(tx);
        });
        set = staged.changes;
        last = staged.result;
      }
      expect(await peek(db, set, dump)).toEqual(last);
      expect(await dump(db)).toEqual(before);
      rows += set.rows.length;
      const id = await db.transaction((tx) => commit(tx, set, about));
      expect(await dump(db)).toEqual(last);
      if (keep) return;
      await db.transaction((tx) => undo(tx, id, about));
      expect(await dump(db)).toEqual(before);
    }),
    { numRuns: 40 },
  );
  expect(rows).toBeGreaterThan(40);
}, 120_000);
