/** A login that may make no roles: the SQL that it is refused with, run by an administrator, is enough. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { attach, emptyChangeSet, ensureRole, missingForRole, rotatePassword, stage } from "factotum/changes";
import { must } from "factotum/kernel";
import { migrate, openDatabase, type Transaction } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";

test("what the refusal says, run as it stands, makes the role, and nothing of it is secret", async () => {
  const admin = await throwawayDatabase();
  const us = `plain_${randomBytes(4).toString("hex")}`;
  await admin.query(`create role ${us} login password 'secret'`);
  await admin.query(`create database ${us} owner ${us}`);
  const at = (user?: string): string => {
    const url = new URL(admin.url);
    if (user !== undefined) [url.username, url.password] = [user, "secret"];
    url.pathname = `/${us}`;
    return url.href;
  };
  const db = await openDatabase({ kind: "url", url: at(us) });
  const boss = await openDatabase({ kind: "url", url: at() });
  try {
    await migrate(db);
    await db.query("create table public.thing (id serial primary key, tenant text, name text)");
    await db.transaction((tx) => attach(tx, ["public.thing"]));
    const rows = "tenant = factotum.tenant()";
    const clerk = { name: "clerk", tables: { "public.thing": { access: "write", rows } } } as const;
    const refusal = await ensureRole(db, clerk).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "role-refused" });
    const sql = await missingForRole(db, clerk);
    expect(sql.length).toBeGreaterThan(0);
    const { rows: secrets } = await db.query<{ password: string }>(
      "select password from factotum.agent_roles",
    );
    expect(sql.join() + String(refusal)).not.toContain(secrets[0]?.password);
    for (const statement of sql) await boss.query(statement);
    expect(await missingForRole(db, clerk)).toEqual([]);
    await ensureRole(db, clerk);
    const options = { tables: ["public.thing"], as: "clerk", tenant: "blue" };
    const { changes } = await stage(db, emptyChangeSet, options, (tx) =>
      tx.query("insert into thing (tenant, name) values ('blue', 'x')"),
    );
    expect(changes.rows).toHaveLength(1);
    // Only who made the role changes its password, and what was refused has changed nothing.
    await expect(rotatePassword(db, "clerk")).rejects.toMatchObject({ code: "role-refused" });
    await ensureRole(db, clerk);
  } finally {
    await db.close();
    await boss.close();
    await admin.query(`drop database ${us} with (force)`);
    await admin.query(`drop role ${us}`);
  }
});

test("a role gets a new password, the old one is of no use, and work goes on", async () => {
  const db = await throwawayDatabase();
  await db.query("create table public.thing (id serial primary key)");
  await ensureRole(db, { name: "clerk", tables: { "public.thing": "read" } });
  const login = async () => {
    const { rows } = await db.query<{ user: string; password: string }>(
      'select role as "user", password from factotum.agent_roles',
    );
    return must(rows[0], "a login");
  };
  const old = await login();
  const other = await openDatabase({ kind: "url", url: db.url });
  const pid = async () => {
    const work = (tx: Transaction) => tx.query<{ pid: number }>("select pg_backend_pid() as pid");
    return (await stage(other, emptyChangeSet, { tables: [], as: "clerk" }, work)).result.rows[0]?.pid;
  };
  await pid();
  await rotatePassword(db, "clerk");
  expect((await login()).password).not.toBe(old.password);
  await expect(db.sessionAs(old)).rejects.toMatchObject({ code: "login-refused" });
  const seen = await stage(db, emptyChangeSet, { tables: [], as: "clerk" }, (tx) =>
    tx.query("select from public.thing"),
  );
  expect(seen.result.rowCount).toBe(0);
  // Another process has the old one in mind, and needs a second connection now.
  const pids = await Promise.all([pid(), pid()]);
  expect(new Set(pids).size).toBe(2);
  await other.close();
});
