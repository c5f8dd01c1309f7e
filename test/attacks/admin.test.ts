/** A login that may make no roles: the SQL that it is refused with, run by an administrator, is enough. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { attach, emptyChangeSet, ensureRole, missingForRole, stage } from "factotum/changes";
import { migrate, openDatabase } from "factotum/postgres";
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
  } finally {
    await db.close();
    await boss.close();
    await admin.query(`drop database ${us} with (force)`);
    await admin.query(`drop role ${us}`);
  }
});
