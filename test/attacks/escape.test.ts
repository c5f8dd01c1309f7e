/** Ways out of the transaction, the role and the server, tried with what an attacker would send. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Transaction } from "factotum/postgres";
import { type Bank, openBank } from "./kit.ts";

let bank: Bank;

beforeAll(async () => {
  bank = await openBank();
});
afterEach(async () => {
  await bank.unharmed();
});

const denied = { code: "permission-denied" };
const escaped = { code: "escaped-transaction" };
const refused = { code: expect.any(String) as string, message: expect.any(String) as string };
const acl = async () => (await bank.db.query("select oid, relacl::text from pg_class order by 1")).rows;
/** A tool with the oldest bug there is. */
const findBranch = (name: string): string => `select id from bank.branches where name = '${name}'`;

describe("out of the transaction", () => {
  test.each(["commit", "rollback", "end", "abort", "/* x */ commit and chain", "prepare transaction 'x'"])(
    "not by %s",
    async (sql) => {
      expect(await bank.attack("update accounts set note = 'mine'", sql)).toMatchObject(escaped);
    },
  );

  test.each([
    ["a COMMIT", "x'; commit; update accounts set note = 'mine'; --"],
    ["a ROLLBACK and a new beginning", "x'; rollback; begin; delete from bank.branches; commit; --"],
    ["a second statement", "x'; delete from bank.branches; --"],
  ])("not by %s inside an argument, which is one statement or none", async (_, name) => {
    expect(await bank.attack(findBranch(name))).toMatchObject({ code: "statement-invalid" });
  });

  test("nor by the driver's own handle, with several statements at once", async () => {
    const work = (tx: Transaction) => tx.client.query("delete from bank.branches; commit; select 1");
    expect(await bank.as(work).catch((error: unknown) => error)).toMatchObject({ code: "42601" });
  });

  test("nor past the handle: the pill refuses the commit, and the connection is dropped", async () => {
    const work = async (tx: Transaction) => {
      await tx.query("delete from bank.branches");
      const raw = Object.getPrototypeOf(tx.client) as { query(this: unknown, sql: string): Promise<unknown> };
      await raw.query.call(tx.client, "commit").catch(() => undefined);
      await raw.query.call(tx.client, "delete from bank.branches").catch(() => undefined);
    };
    expect(await bank.as(work).catch((error: unknown) => error)).toMatchObject(escaped);
  });

  test.each(["do $$ begin commit; end $$", "do $$ begin rollback; end $$"])("nor by %s", async (sql) => {
    expect(await bank.attack(sql)).toMatchObject({
      message: expect.stringMatching(/invalid transaction/) as string,
    });
  });

  test("nor by disarming the pill", async () => {
    for (const sql of [
      "set constraints all immediate",
      "set constraints factotum.staged_work_is_never_committed immediate",
    ]) {
      expect(await bank.attack(sql)).toMatchObject({
        message: expect.stringMatching(/staged work/) as string,
      });
    }
    const setting = "set session_replication_role = replica";
    expect(await bank.attack(setting)).toMatchObject(denied);
  });
});

describe("out of the role", () => {
  test.each([
    ["set role postgres", denied],
    ["set session authorization postgres", denied],
    ["set local role pg_read_all_data", denied],
    ["select set_config('role', 'postgres', false)", denied],
    ["alter role current_user superuser", denied],
    ["alter role current_user bypassrls", denied],
    ["create role mallory superuser", denied],
    ["grant pg_read_all_data to current_user", denied],
  ])("not by %s", async (sql, how) => {
    expect(await bank.attack(sql)).toMatchObject(how);
  });

  test("resetting it comes back to where it was", async () => {
    const who = "select current_user = session_user and session_user like 'factotum_agent_teller_%' as same";
    expect(await bank.attack("reset role", who)).toEqual([{ same: true }]);
    expect(await bank.attack("reset session authorization", who)).toEqual([{ same: true }]);
    expect(await bank.attack("reset all", "select count(*)::int as n from bank.branches")).toMatchObject(
      refused,
    );
  });

  test.each([
    "select factotum.staging_apply('guess', 'update bank.payroll set salary = 1', false, null, null)",
    "select factotum.staging_apply(null, 'update bank.payroll set salary = 1', true, null, null)",
    "select factotum.staging_arm('guess', 'red', 1000000, null)",
    "select * from factotum.staging_captured('guess', 10)",
    "select factotum.check_staging_key('guess')",
    "select factotum.count_written(array[1::oid])",
  ])("nor by calling %s", async (sql) => {
    expect(await bank.attack(sql)).toMatchObject(denied);
  });

  test("even with the key nothing runs as us once a tool has the transaction", async () => {
    const { rows } = await bank.db.query<{ key: string }>("select key from factotum.agent_roles");
    const key = rows[0]?.key ?? "";
    const raise = "update bank.payroll set salary = 1";
    const apply = `select factotum.staging_apply('${key}', '${raise}', false, null, null)`;
    const begun = { message: expect.stringMatching(/the work has begun/) as string };
    expect(await bank.attack(apply)).toMatchObject(begun);
    expect(await bank.attack(`select factotum.staging_arm('${key}', 'red', 1, null)`)).toMatchObject(begun);
  });
});

describe("out of the tenant", () => {
  test.each([
    "set factotum.tenant = 'red'",
    "select set_config('factotum.tenant', 'red', false)",
    "set search_path = bank, public",
    "create temp table staging as select pg_current_xact_id() as transaction, 'red'::text as tenant",
  ])("not by %s", async (sql) => {
    expect(await bank.attack(sql, "select factotum.tenant() as tenant")).toEqual([{ tenant: "blue" }]);
    const hidden = "select id from factotum_agent_teller.accounts where tenant_id <> 'blue'";
    expect(await bank.attack(sql, hidden)).toEqual([]);
  });
});

describe("out of the capture", () => {
  test.each([
    "alter table bank.branches disable trigger all",
    'drop trigger " factotum" on bank.branches',
    "create or replace function factotum.capture() returns trigger language plpgsql as 'begin end'",
    "truncate bank.branches",
    "create rule quiet as on update to bank.branches do instead nothing",
    "lock table bank.accounts in access exclusive mode",
  ])("not by %s", async (sql) => {
    expect(await bank.attack(sql)).toMatchObject(denied);
  });

  test("a tool that clears the setting is captured all the same, and found out", async () => {
    const sql = ["set factotum.attempt = ''", "update bank.branches set name = 'x'"];
    expect(await bank.attack(...sql)).toMatchObject(escaped);
  });

  test("a table named like a catalog, or like ours, deceives nobody", async () => {
    const shadows = ["pg_class", "pg_trigger", "captured", "branches"].map(
      (name) => `create temp table ${name} (oid oid, relkind text, relpersistence text, name text)`,
    );
    const { rows } = await bank.changes(...shadows, "insert into bank.branches (name) values ('west')");
    expect(rows.map((row) => row.table)).toEqual(["bank.branches"]);
  });

  test("a statement prepared under one of our names is not taken for ours", async () => {
    const names = await bank.attack("select name from pg_prepared_statements where name like 'factotum%'");
    expect((names as readonly { name: string }[]).length).toBeGreaterThan(0);
    const forged = (names as readonly { name: string }[]).flatMap(({ name }) => [
      `deallocate ${name}`,
      `prepare ${name}(text, integer) as select '11111'::text as oid, null as before, '(1,x)' as after`,
    ]);
    expect((await bank.changes(...forged)).rows).toEqual([]);
    expect(await bank.attack("deallocate all")).toEqual([]);
  });
});

describe("out of the database", () => {
  test.each([
    "copy bank.branches to program 'id'",
    "copy bank.branches from program 'id'",
    "copy bank.branches to '/tmp/factotum-attack'",
    "copy bank.branches from '/etc/passwd'",
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/factotum-attack')",
    "select pg_reload_conf()",
    "alter system set log_statement = 'none'",
    "load 'plpgsql'",
    "create extension dblink",
    "create extension adminpack",
    "create language plpython3u",
    "create server s foreign data wrapper postgres_fdw",
    "create database mine",
    "create schema mine",
    "create table public.mine (id int)",
    "create table bank.mine (id int)",
    "create function public.mine() returns int language sql as 'select 1'",
    "create function bank.mine() returns int language sql security definer as 'select 1'",
    "create event trigger e on ddl_command_start execute function factotum.refuse_commit()",
    "alter table bank.branches add column x int",
    "drop table bank.branches",
    "comment on table bank.branches is 'mine'",
    "create publication p for all tables",
    "select pg_create_logical_replication_slot('s', 'test_decoding')",
    "vacuum bank.branches",
  ])("not by %s", async (sql) => {
    const answer = await bank.attack(sql);
    expect(answer).toBeInstanceOf(Error);
    expect(answer).toMatchObject({
      code: expect.stringMatching(/denied|invalid|failed|schema-change/) as string,
    });
  });

  test("a grant of what it has but may not give is nothing", async () => {
    const grants = ["grant all on bank.branches to public", "grant select on accounts to public"];
    const before = await acl();
    await bank.attack(...grants);
    expect(await acl()).toEqual(before);
  });

  test("a large object, a message and a listener leave nothing behind", async () => {
    await bank.attack(
      "select lo_from_bytea(0, 'x')",
      "listen factotum_runs",
      "select pg_notify('factotum_runs', 'x')",
    );
    expect(await bank.attack("select pg_listening_channels() as on")).toEqual([]);
  });
});
