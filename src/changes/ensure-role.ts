import { escapeIdentifier, escapeLiteral } from "pg";
import { messageOf, must } from "../kernel/index.ts";
import { type Database, PostgresError, sqlStateOf, type Transaction } from "../postgres/index.ts";
import { forgetRole, roleName, viewSchema } from "./agent-role.ts";
import { RoleRefused } from "./errors.ts";
import {
  idOf,
  invalidGrant,
  markSql,
  presentRights,
  readDeclared,
  type Right,
  rightsSql,
  type RowView,
  rowViews,
  wantedRights,
} from "./role-rights.ts";
import { scramVerifier } from "./scram.ts";
import type { Declared } from "./table-grant.ts";

/** Any number: tells this advisory lock from others of the same database. */
const ROLES_LOCK = 7_316_507;
/** Several processes keep a few connections each. */
const CONNECTIONS_MAX = 60;
/** What one statement may write to disk for itself; only a superuser can set it, or switch it off. */
const TEMP_FILE_LIMIT = "256MB";

/**
 * Makes the role that an agent's tools run as, or brings it up to date: what is declared is granted,
 * everything else is taken away. Doing it twice changes nothing.
 *
 * @throws {RoleRefused} with the SQL for an administrator, where we may not do it ourselves
 * @throws {InputError} `grant-invalid` for a declaration that cannot be granted
 */
export async function ensureRole(db: Database, declared: Declared): Promise<void> {
  const role = await nameRole(db, declared.name);
  await db.transaction((tx) => bringUpToDate(tx, role, declared));
  await checkLogin(db, role);
}

/**
 * What `ensureRole` would have an administrator do; nothing of it stays.
 *
 * @returns SQL statements, none where it would succeed
 */
export async function missingForRole(db: Database, declared: Declared): Promise<readonly string[]> {
  const role = await nameRole(db, declared.name);
  const done = new Error("tried");
  try {
    await db.transaction(async (tx) => {
      await bringUpToDate(tx, role, declared);
      throw done;
    });
  } catch (error) {
    if (error instanceof RoleRefused) return error.sql;
    if (error !== done) throw error;
  }
  return [];
}

type Named = {
  readonly agent: string;
  readonly role: string;
  readonly password: string;
  readonly us: string;
};

/** Name and password, made at the first call and kept: the SQL of a refusal must fit the login later. */
async function nameRole(db: Database, agent: string): Promise<Named> {
  const { rows: databases } = await db.query<{ oid: string; us: string }>(
    `select oid::text, current_user as us from pg_catalog.pg_database where datname = current_database()`,
  );
  const { oid, us } = must(databases[0], "the present database");
  await db.query(
    `insert into factotum.agent_roles (database, agent, role) values ($1, $2, $3) on conflict do nothing`,
    [oid, agent, roleName(agent, oid)],
  );
  const { rows } = await db.query<{ role: string; password: string }>(
    "select role, password from factotum.agent_roles where database = $1 and agent = $2",
    [oid, agent],
  );
  return { agent, us, ...must(rows[0], `the role of agent ${agent}`) };
}

async function bringUpToDate(tx: Transaction, named: Named, declared: Declared): Promise<void> {
  await tx.query("select pg_catalog.pg_advisory_xact_lock($1)", [ROLES_LOCK]);
  const tables = await readDeclared(tx, declared);
  const views = rowViews(declared.name, tables);
  const wanted = wantedRights(declared, tables);
  const refused = await runAll(tx, await adminSql(tx, named, views.length > 0));
  if (refused.length === 0) await putViews(tx, named.agent, views);
  for (const verb of ["revoke", "grant"] as const) {
    refused.push(...(await runAll(tx, await changesSql(tx, verb, wanted, named.role, refused.length > 0))));
  }
  // A GRANT or REVOKE without the right to it may only warn.
  for (const verb of ["revoke", "grant"] as const) {
    if (refused.length === 0) refused.push(...(await changesSql(tx, verb, wanted, named.role, false)));
  }
  if (refused.length > 0) throw new RoleRefused(named.agent, named.role, withLimit(named, refused));
  await limitFiles(tx, named);
  if (views.length === 0) await tx.query(`drop schema if exists ${schemaOf(named.agent)} cascade`);
}

const schemaOf = (agent: string): string => escapeIdentifier(viewSchema(agent));

/** What is missing of the role itself. */
async function adminSql(tx: Transaction, named: Named, withViews: boolean): Promise<readonly string[]> {
  const { rows } = await tx.query<Missing>(MISSING, [named.role, viewSchema(named.agent)]);
  const missing = must(rows[0], "what is missing of a role");
  const role = escapeIdentifier(named.role);
  const us = escapeIdentifier(named.us);
  // Membership lets us end its sessions, and ask as it would; from 16 on both have to be said.
  const options = missing.version >= 160_000 ? " with inherit true, set true" : "";
  return [
    ...(missing.role
      ? [
          `create role ${role} with login noinherit connection limit ${CONNECTIONS_MAX}` +
            ` password ${escapeLiteral(scramVerifier(named.role, named.password))}`,
        ]
      : []),
    ...(missing.member ? [`grant ${role} to ${us}${options}`] : []),
    ...(missing.connect
      ? [`grant connect on database ${escapeIdentifier(missing.database)} to ${role}`]
      : []),
    ...(withViews && missing.schema ? [`create schema ${schemaOf(named.agent)} authorization ${us}`] : []),
  ];
}

type Missing = {
  readonly role: boolean;
  readonly member: boolean;
  readonly connect: boolean;
  readonly schema: boolean;
  readonly database: string;
  readonly version: number;
};

const MISSING = `select r.oid is null as role, current_database() as database,
    current_setting('server_version_num')::integer as version,
    to_regnamespace(quote_ident($2)) is null as schema,
    not coalesce(pg_has_role(current_user, r.oid, 'usage')
      and pg_has_role(current_user, r.oid, 'member'), false) as member,
    not coalesce(has_database_privilege(r.oid, current_database(), 'connect'),
      has_database_privilege('public', current_database(), 'connect')) as connect
  from (select to_regrole(quote_ident($1))::oid as oid) r`;

/** Errors of a statement's own text, missing rights aside. */
const WRONG_SQL = /^42(?!501)/;

/** Drops views that are no longer declared, or declared otherwise, and makes those that are missing. */
async function putViews(tx: Transaction, agent: string, views: readonly RowView[]): Promise<void> {
  const { rows } = await tx.query<{ name: string; mark: string | null }>(
    `select format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) as name,
       obj_description(c.oid, 'pg_class') as mark
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'v'`,
    [viewSchema(agent)],
  );
  const kept = new Set(views.map(({ name, mark }) => `${name} ${mark}`));
  const there = new Set<string>();
  for (const { name, mark } of rows) {
    if (kept.has(`${name} ${mark}`)) there.add(name);
    else await tx.query(`drop view ${name}`);
  }
  for (const view of views.filter(({ name }) => !there.has(name))) {
    await tx.query(view.sql).catch((error: unknown) => {
      if (!WRONG_SQL.test(sqlStateOf(error) ?? "")) throw error;
      throw invalidGrant(
        agent,
        `the row condition of table ${view.of} is refused: ${messageOf(error)}`,
        error,
      );
    });
    await tx.query(markSql(view));
  }
}

/** Statements that bring the rights from what they are to what is wanted; ours, or those of others too. */
async function changesSql(
  tx: Transaction,
  verb: "grant" | "revoke",
  wanted: readonly Right[],
  role: string,
  othersOnly: boolean,
): Promise<readonly string[]> {
  const present = await presentRights(tx, role);
  const has = new Set(present.map(idOf));
  const wants = new Set(wanted.map(idOf));
  const rights =
    verb === "grant"
      ? wanted.filter((right) => !has.has(idOf(right)) && !(othersOnly && right.ours))
      : present.filter((right) => !wants.has(idOf(right)));
  return rightsSql(verb, rights, role);
}

/** Sessions of a role that is dropped would stay, able to do nothing but fail. */
const endSessionsSql = (role: string): string =>
  `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
   where usename = ${escapeLiteral(role)}`;

/** Not permitted; no such role or schema, for want of the right to make it; still in use elsewhere. */
const CANNOT = ["42501", "42704", "3F000", "2BP01"];

/** Runs what it may, and answers what it may not, or what came to nothing for want of the role. */
async function runAll(tx: Transaction, statements: readonly string[]): Promise<string[]> {
  const refused: string[] = [];
  for (const statement of statements) {
    await tx.query("savepoint factotum_role");
    try {
      await tx.query(statement);
      await tx.query("release savepoint factotum_role");
    } catch (error) {
      if (!CANNOT.includes(sqlStateOf(error) ?? "")) throw error;
      await tx.query("rollback to savepoint factotum_role");
      refused.push(statement);
    }
  }
  return refused;
}

/** As far as we may: it takes a superuser, or the right to set this parameter. */
async function limitFiles(tx: Transaction, { role }: Named): Promise<void> {
  const { rows } = await tx.query<{ missing: boolean }>(
    `select has_parameter_privilege('temp_file_limit', 'set') and not exists (
       select from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
       where s.setrole = to_regrole(quote_ident($1)) and c like 'temp_file_limit=%') as missing`,
    [role],
  );
  if (rows[0]?.missing !== true) return;
  await tx.query(limitSql(role));
}

const limitSql = (role: string): string =>
  `alter role ${escapeIdentifier(role)} set temp_file_limit = '${TEMP_FILE_LIMIT}'`;

/** An administrator who makes the role may as well bound it. */
function withLimit({ role }: Named, refused: readonly string[]): readonly string[] {
  return refused.some((statement) => statement.startsWith("create role"))
    ? [...refused, limitSql(role)]
    : refused;
}

/** Logs in as the role; a password that is not ours is set again. */
async function checkLogin(db: Database, named: Named): Promise<void> {
  forgetRole(db, named.agent);
  const login = async (): Promise<void> => {
    const session = await db.sessionAs({ user: named.role, password: named.password });
    session.destroy();
  };
  try {
    await login();
  } catch (error) {
    if (!(error instanceof PostgresError) || error.code !== "login-refused") throw error;
    const verifier = escapeLiteral(scramVerifier(named.role, named.password));
    const sql = `alter role ${escapeIdentifier(named.role)} with login password ${verifier}`;
    try {
      await db.query(sql);
      await login();
    } catch (again) {
      throw new RoleRefused(named.agent, named.role, [sql], again, messageOf(again));
    }
  }
}

/**
 * Gives the role of an agent a new password. Sessions that are open stay; processes that run read the new one
 * at their next login.
 *
 * @throws {RoleRefused} where an administrator made the role; nothing was changed then
 */
export async function rotatePassword(db: Database, agent: string): Promise<void> {
  const { role, us } = await nameRole(db, agent);
  const [name, ours] = [escapeIdentifier(role), escapeIdentifier(us)];
  try {
    await db.transaction(async (tx) => {
      const { rows } = await tx.query<{ password: string }>(
        "update factotum.agent_roles set password = default where role = $1 returning password",
        [role],
      );
      const { password } = must(rows[0], `the login of role ${role}`);
      await tx.query(`alter role ${name} with password ${escapeLiteral(scramVerifier(role, password))}`);
    });
  } catch (error) {
    if (sqlStateOf(error) !== "42501") throw error;
    const sql = [`alter role ${ours} with createrole`, `grant ${name} to ${ours} with admin option`];
    throw new RoleRefused(
      agent,
      role,
      sql,
      error,
      "an administrator made it, who alone can change its password",
    );
  }
  await checkLogin(db, await nameRole(db, agent));
}

/**
 * Takes the roles of agents off again: their rights in this database, their views, and the roles.
 *
 * @returns SQL for an administrator, where we may not drop a role
 */
export async function dropRoles(tx: Transaction): Promise<readonly string[]> {
  await tx.query("select pg_catalog.pg_advisory_xact_lock($1)", [ROLES_LOCK]);
  type Found = { agent: string; role: string; exists: boolean; database: string };
  const { rows } = await tx.query<Found>(
    `delete from factotum.agent_roles r using pg_catalog.pg_database d
     where d.oid = r.database and d.datname = current_database()
     returning r.agent, r.role, d.datname as database, to_regrole(quote_ident(r.role)) is not null as exists`,
  );
  const left: string[] = [];
  for (const { agent, role, exists, database } of rows) {
    await tx.query(`drop schema if exists ${schemaOf(agent)} cascade`);
    if (!exists) continue;
    const name = escapeIdentifier(role);
    await runAll(tx, [endSessionsSql(role)]);
    const rights = rightsSql("revoke", await presentRights(tx, role), role);
    const connect = `revoke all on database ${escapeIdentifier(database)} from ${name}`;
    left.push(...(await runAll(tx, [...rights, connect, `drop role ${name}`])));
  }
  return left;
}
