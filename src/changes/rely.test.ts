/** Reads that staged work relied on: checked again at the commit, rows that appeared included. */
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { messageOf, type RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  ConflictError,
  emptyChangeSet,
  inspect,
  peek,
  rely,
  stage,
} from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.flight", "public.ticket"];
const SOLD = "select count(*) as sold from public.ticket where flight = $1";
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query("create table public.flight (id int primary key, seats int not null, name text)");
  await db.query(`create table public.ticket (id int generated always as identity primary key,
    flight int not null references public.flight on delete cascade, passenger text not null)`);
  await db.transaction((tx) => attach(tx, TABLES));
});

beforeEach(async () => {
  await db.query("delete from public.flight");
  await db.query("insert into public.flight values (1, 1, 'a'), (2, 3, 'b')");
});

/** Sells a seat the way careful code does: count, compare, insert. */
const sell = async (flight: number, passenger: string, base: ChangeSet = emptyChangeSet, firm = false) =>
  await stage(db, base, { tables: TABLES }, async (tx) => {
    const [found] = await rely<{ sold: string }>(tx, SOLD, [flight], { firm });
    const { rows } = await tx.query<{ seats: number }>("select seats from public.flight where id = $1", [
      flight,
    ]);
    if (Number(found?.sold) >= (rows[0]?.seats ?? 0)) return "full";
    await tx.query("insert into public.ticket (flight, passenger) values ($1, $2)", [flight, passenger]);
    return "sold";
  });
const accept = async (set: ChangeSet) => await db.transaction((tx) => commit(tx, set, about), { retries: 5 });
const tickets = async () =>
  (await db.query<{ passenger: string }>("select passenger from public.ticket")).rows;

describe("a relied-on read", () => {
  test("two agents that sell the last seat at once do not both commit, and the query is named", async () => {
    const sales = await Promise.all(["ann", "bob", "cid"].map((name) => sell(1, name)));
    expect(sales.map((sale) => sale.result)).toEqual(["sold", "sold", "sold"]);
    const ends = await Promise.allSettled(sales.map((sale) => accept(sale.changes)));
    const lost = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
    expect(lost).toHaveLength(2);
    for (const error of lost) {
      expect(error).toBeInstanceOf(ConflictError);
      expect((error as ConflictError).queries).toEqual([{ sql: SOLD, params: [1] }]);
      expect((error as ConflictError).message).toContain("select count(*) as sold from public.ticket");
    }
    expect(await tickets()).toHaveLength(1);
    expect((await sell(1, "dan")).result).toBe("full");
  });

  test("seats of another flight are no conflict", async () => {
    const [one, other] = [await sell(1, "ann"), await sell(2, "bob")];
    await accept(one.changes);
    await accept(other.changes);
    expect(await tickets()).toHaveLength(2);
  });

  test("sees the attempt's own rows, and is asked again on top of just those", async () => {
    const first = await sell(2, "ann");
    const second = await sell(2, "bob", first.changes);
    const third = await sell(2, "cid", second.changes);
    expect([third.result, (await sell(2, "dan", third.changes)).result]).toEqual(["sold", "full"]);
    const rival = await sell(2, "eve");
    await accept(third.changes);
    await expect(accept(rival.changes)).rejects.toBeInstanceOf(ConflictError);
    expect(await tickets()).toHaveLength(3);
  });

  test("depends on a join of own rows with others' rows", async () => {
    const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await tx.query("insert into public.ticket (flight, passenger) values (2, 'ann')");
      await rely(tx, "select f.name from public.flight f join public.ticket t on t.flight = f.id");
    });
    await db.query("update public.flight set name = 'elsewhere' where id = 2");
    await expect(accept(changes)).rejects.toThrow(/select f\.name/);
  });

  test("survives being stored as JSON, gives parsed rows, and takes them in any order", async () => {
    const { result, changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      const seen = await rely(tx, "select id, name, null as x from public.flight where id = any($1)", [
        [1, 2],
      ]);
      await tx.query("update public.flight set seats = 9 where id = 1");
      return seen;
    });
    expect(result).toEqual([
      { id: 1, name: "a", x: null },
      { id: 2, name: "b", x: null },
    ]);
    await db.query("update public.flight set seats = 8 where id = 2");
    await accept(JSON.parse(JSON.stringify(changes)) as ChangeSet);
    expect((await db.query("select seats from public.flight order by id")).rows).toEqual([
      { seats: 9 },
      { seats: 8 },
    ]);
  });

  test("a failed commit leaves the caller's transaction usable", async () => {
    const { changes } = await sell(1, "ann");
    await db.query("insert into public.ticket (flight, passenger) values (1, 'app')");
    await db.transaction(async (tx) => {
      await expect(commit(tx, changes, about)).rejects.toBeInstanceOf(ConflictError);
      await tx.query("update public.flight set name = 'after' where id = 1");
    });
    expect((await db.query("select name from public.flight where id = 1")).rows).toEqual([{ name: "after" }]);
  });

  test("a table that is gone at the commit is a conflict", async () => {
    await db.query("create table public.note (id int primary key)");
    const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await rely(tx, "table public.note");
      await tx.query("update public.flight set seats = 9 where id = 1");
    });
    await db.query("drop table public.note");
    await expect(accept(changes)).rejects.toThrow(/cannot be asked any more.*public\.note/);
  });

  test("reads only: writes, commands and a second statement are refused, and the work goes on", async () => {
    const { result, changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      const refusals = [
        "with x as (delete from public.ticket returning 1) select from x",
        "select nextval('public.ticket_id_seq')",
        "select 1; delete from public.flight",
        "commit",
        "rollback to savepoint factotum_rely",
        "select nonsense",
      ];
      const messages: string[] = [];
      for (const sql of refusals) {
        messages.push(await rely(tx, sql).then(() => "went through", messageOf));
      }
      await tx.query("update public.flight set seats = 7 where id = 1");
      return messages;
    });
    expect(result.filter((message) => message === "went through")).toEqual([]);
    expect(result[0]).toContain("read-only transaction");
    expect(result[3]).toContain("starts with select");
    expect(changes.rows).toHaveLength(1);
    expect(changes.relies).toBeUndefined();
  });

  test("a check of a staged change set may rely, on the attempt's own rows as well", async () => {
    const { changes } = await sell(2, "ann");
    const examine = async () =>
      await inspect(db, changes, async (view) => {
        const [row] = await rely<{ n: string }>(view, "select count(*) as n from public.ticket");
        return row?.n;
      });
    const seen = await examine();
    expect([seen.result, seen.changes.relies?.length]).toEqual(["1", 2]);
    await db.query("insert into public.ticket (flight, passenger) values (1, 'app')");
    await expect(accept(seen.changes)).rejects.toThrow(/select count\(\*\) as n from public\.ticket;/);
    await accept((await examine()).changes);
    expect(await tickets()).toHaveLength(2);
  });

  test("is refused where it would not be kept", async () => {
    await expect(peek(db, emptyChangeSet, (tx) => rely(tx, "select 1"))).rejects.toThrow(/not being staged/);
    const { changes } = await sell(1, "ann");
    const high = db.transaction((tx) => commit(tx, changes, about), { isolation: "repeatable read" });
    await expect(high).rejects.toThrow(/READ COMMITTED/);
  });
});

describe("a writer that is no commit of ours", () => {
  const meanwhile = async (set: ChangeSet, outside: string): Promise<void> => {
    await db.transaction(async (tx) => {
      await commit(tx, set, about);
      await db.query(outside);
    });
  };

  test("is seen when it committed before the commit asks, and not when it does after that", async () => {
    const add = "insert into public.ticket (flight, passenger) values (1, 'walk-in')";
    await meanwhile((await sell(1, "ann")).changes, add);
    expect(await tickets()).toHaveLength(2);
    const late = await sell(2, "bob");
    await db.query("insert into public.ticket (flight, passenger) values (2, 'walk-in')");
    await expect(accept(late.changes)).rejects.toBeInstanceOf(ConflictError);
  });

  test("is held off to the end where it writes a row that the change set writes, too", async () => {
    const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await rely(tx, SOLD, [1]);
      await tx.query("update public.flight set seats = seats - 1 where id = 1");
    });
    const taken = "update public.flight set seats = seats - 1 where id = 1 and seats > 0";
    const lock = "select from public.flight where id = 1 for no key update nowait";
    await expect(meanwhile(changes, lock)).rejects.toThrow(/could not obtain lock/);
    await accept(changes);
    expect((await db.query(taken)).rowCount).toBe(0);
  });
});

describe("a firmly relied-on read", () => {
  const firmly = async (name: string): Promise<ChangeSet> =>
    (await sell(1, name, emptyChangeSet, true)).changes;

  test("holds the application off from the check to the end, and not its readers", async () => {
    const set = await firmly("ann");
    const walkIn = await db.session();
    await walkIn.query("set lock_timeout = '1ms'");
    const add = "insert into public.ticket (flight, passenger) values (1, 'walk-in')";
    await db.transaction(async (tx) => {
      await commit(tx, set, about);
      await expect(walkIn.query(add)).rejects.toThrow(/lock timeout/);
      expect((await walkIn.query("select from public.ticket")).rowCount).toBe(0);
    });
    await walkIn.query(add);
    walkIn.destroy();
  });

  test("waits for a writer who was there first, and sees what they wrote", async () => {
    const set = await firmly("ann");
    const walkIn = await db.session();
    await walkIn.query("begin");
    await walkIn.query("insert into public.ticket (flight, passenger) values (1, 'walk-in')");
    const outcome = accept(set).catch((error: unknown) => error);
    const waiting = `select from pg_locks where not granted and mode = 'ShareLock'
      and relation = 'public.ticket'::regclass`;
    while ((await db.query(waiting)).rowCount === 0);
    await walkIn.query("commit");
    await walkIn.release();
    expect(await outcome).toBeInstanceOf(ConflictError);
    expect(await tickets()).toEqual([{ passenger: "walk-in" }]);
  });

  test("lets one of several commits through, each of which writes what the others hold", async () => {
    const sets = await Promise.all(["ann", "bob", "cid"].map(firmly));
    const ends = await Promise.allSettled(sets.map(accept));
    expect(ends.map((end) => end.status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await tickets()).toHaveLength(1);
  });

  test("of what cannot be held is refused, and the caller's transaction goes on", async () => {
    await db.query("create materialized view public.crowd as select count(*) as n from public.ticket");
    const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
      await rely(tx, "select n from public.crowd", [], { firm: true });
      await tx.query("update public.flight set name = 'c' where id = 1");
    });
    await db.transaction(async (tx) => {
      await expect(commit(tx, changes, about)).rejects.toMatchObject({ code: "not-holdable" });
      await tx.query("select 1");
    });
    await db.query("drop materialized view public.crowd");
  });
});

describe("stagings that lock each other out", () => {
  test("a deadlock between two of them is tried again, and both end", async () => {
    const met = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    let tries = 0;
    const cross = async (mine: 0 | 1) =>
      await stage(db, emptyChangeSet, { tables: TABLES }, async (tx) => {
        tries += 1;
        const own = mine + 1;
        await tx.query("update public.flight set name = 'x' where id = $1", [own]);
        met[mine].resolve();
        await met[(1 - mine) as 0 | 1].promise;
        await tx.query("update public.flight set name = 'y' where id = $1", [3 - own]);
      });
    const ends = await Promise.all([cross(0), cross(1)]);
    expect(ends.map((end) => end.changes.rows.length)).toEqual([2, 2]);
    expect(tries).toBeGreaterThan(2);
  });
});
