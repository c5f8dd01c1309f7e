/** Work without end or measure: it is stopped, in time, and nothing of it stays. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ChangeSet, emptyChangeSet, stage } from "factotum/changes";
import { type Bank, openBank } from "./kit.ts";

let bank: Bank;

beforeAll(async () => {
  bank = await openBank();
});
afterEach(async () => {
  await bank.unharmed();
});

const cancelled = { code: "statement-cancelled" };

describe("rows", () => {
  test("an insert of a million rows is stopped at the limit, before it fills the disk", async () => {
    const size =
      "select pg_total_relation_size('bank.branches') + pg_total_relation_size('factotum.captured') as n";
    const before = (await bank.db.query<{ n: string }>(size)).rows[0]?.n;
    const sql = "insert into bank.branches (name) select 'x' from generate_series(1, 1000000)";
    expect(await bank.attack(sql)).toMatchObject({
      code: "too-many-rows",
      message: expect.stringMatching(/changed more than 10000 rows/) as string,
    });
    const grown = Number((await bank.db.query<{ n: string }>(size)).rows[0]?.n) - Number(before);
    expect(grown).toBeLessThan(8_000_000);
    // Its rows are dead now; the fingerprint counts the living.
  });

  test("an update, or a delete, of every row of a large table is stopped at the limit", async () => {
    const large = await openBank();
    await large.db.query("insert into bank.branches (name) select 'x' from generate_series(1, 100000)");
    for (const sql of ["update bank.branches set name = 'mine'", "delete from bank.branches"]) {
      expect(await large.attack(sql)).toMatchObject({ code: "too-many-rows" });
    }
    const left = await large.db.query("select from bank.branches where name <> 'mine'");
    expect(left.rowCount).toBe(100_002);
  });

  test("a tool that hides the error, or clears the setting, gets no further", async () => {
    const more = "insert into bank.branches (name) select 'x' from generate_series(1, 11000)";
    const hidden = await bank
      .as(async (tx) => {
        await tx.query("savepoint mine");
        await tx.query(more).catch(() => undefined);
        await tx.query("rollback to savepoint mine");
        await tx.query("insert into bank.branches (name) values ('one more')");
      })
      .catch((error: unknown) => error);
    expect(hidden).toMatchObject({ code: "too-many-rows" });
    expect(await bank.attack("set factotum.attempt = ''", more)).toMatchObject({ code: "too-many-rows" });
  });

  test("the limit counts one call, whatever was counted before it", async () => {
    const some = "insert into bank.branches (name) select 'x' from generate_series(1, 6000)";
    for (let n = 0; n < 3; n += 1) expect((await bank.changes(some)).rows).toHaveLength(6_000);
  });

  test("an attempt of many calls has a limit of its own", async () => {
    let base: ChangeSet = emptyChangeSet;
    const options = { ...bank.options, rowsMax: 10 };
    const call = async (): Promise<void> => {
      const some = "insert into bank.branches (name) select 'x' from generate_series(1, 8)";
      ({ changes: base } = await stage(bank.db, base, options, (tx) => tx.query(some)));
    };
    await call();
    await call();
    await expect(call()).rejects.toMatchObject({ code: "too-many-rows" });
    expect(base.rows).toHaveLength(16);
  });
});

describe("time", () => {
  test.each([
    ["a sleep", "select pg_sleep(60)"],
    ["a bomb of rows", "select count(*) from generate_series(1, 100000000000)"],
    [
      "a join of everything with everything",
      "select count(*) from pg_attribute a, pg_attribute b, pg_attribute c",
    ],
    ["a loop", "do $$ begin loop null; end loop; end $$"],
  ])("%s is cancelled", async (_, sql) => {
    const attempt = bank.as((tx) => tx.query(sql), { statementTimeoutMs: 200 });
    await expect(attempt).rejects.toMatchObject(cancelled);
  });

  test("one that switches the time-out off, and catches being cancelled, is ended from outside", async () => {
    const { rows } = await bank.db.query<{ n: number }>("select count(*)::int as n from pg_stat_activity");
    const stubborn = `do $$ begin loop
        begin perform pg_sleep(1); exception when query_canceled then null; end;
      end loop; end $$`;
    const attempt = bank.as(
      async (tx) => {
        await tx.query("set statement_timeout = 0");
        await tx.query(stubborn);
      },
      { workTimeoutMs: 300 },
    );
    await expect(attempt).rejects.toMatchObject({ code: "too-long" });
    const running = "select from pg_stat_activity where query like 'do $$ begin loop%' and state = 'active'";
    while ((await bank.db.query(running)).rowCount > 0);
    expect(rows).toHaveLength(1);
  });

  test("a row that others hold is waited for so long, and all of the work tried again", async () => {
    expect(await bank.attack("select current_setting('lock_timeout') as wait")).toEqual([{ wait: "5s" }]);
    const other = await bank.db.session();
    await other.query("begin");
    await other.query("select from bank.branches where id = 1 for update");
    let tries = 0;
    const { rows } = await bank.as(async (tx) => {
      tries += 1;
      if (tries === 2) await other.query("rollback");
      return tx.query("select name from bank.branches where id = 1 for update nowait");
    });
    await other.release();
    expect([tries, rows]).toEqual([2, [{ name: "north" }]]);
  });

  test("a tool that never ends is left alone with its handle closed", async () => {
    const attempt = bank.as(() => new Promise(() => undefined), { workTimeoutMs: 100 });
    await expect(attempt).rejects.toMatchObject({ code: "too-long" });
  });
});

describe("what it answers and holds", () => {
  test("an answer too large for us is cut off", async () => {
    const flood = "select repeat('x', 1000000) as x from generate_series(1, 1000)";
    expect(await bank.attack(flood)).toMatchObject({ code: "too-much-data" });
  });

  test("a lock on any of our keys goes with the call", async () => {
    const keys = ["select pg_advisory_lock(7316505)", "select pg_advisory_lock((70::bigint << 56) | 1)"];
    await bank.attack(...keys);
    const { rows } = await bank.db.query(
      `select from pg_locks where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database())`,
    );
    expect(rows).toEqual([]);
  });

  test("of other sessions it can end its own kind only, and what it ends is tried again", async () => {
    const { rows } = await bank.db.query<{ pid: number }>("select pg_backend_pid() as pid");
    const others = `select pg_terminate_backend(${rows[0]?.pid ?? 0})`;
    expect(await bank.attack(others)).toMatchObject({ code: "permission-denied" });
    expect(
      await bank.attack("select pg_cancel_backend(pid) from pg_stat_activity where usename = 'postgres'"),
    ).toMatchObject({ code: "permission-denied" });
  });

  test("a bounded number of sorts to disk: what a statement writes for itself is limited", async () => {
    const limit = "select current_setting('temp_file_limit') as limit";
    expect(await bank.attack(limit)).toEqual([{ limit: "256MB" }]);
    expect(await bank.attack("set temp_file_limit = -1")).toMatchObject({ code: "permission-denied" });
  });
});
