/** A bank of two tenants, an agent that may see and do little in it, and an attacker who gets to send SQL. */
import {
  attach,
  type ChangeSet,
  type Declared,
  emptyChangeSet,
  ensureRole,
  stage,
  type StageOptions,
  writable,
} from "factotum/changes";
import type { Database, Transaction } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";

const SCHEMA = `
create schema bank;
create table bank.accounts (
  id integer primary key, tenant_id text not null, owner text not null,
  balance numeric(12, 2) not null check (balance >= 0), pin text not null, note text);
create table bank.transfers (
  id bigint generated always as identity primary key, tenant_id text not null,
  account_id integer not null references bank.accounts, amount numeric(12, 2) not null);
create table bank.branches (id serial primary key, name text not null);
create table bank.payroll (id integer primary key, name text not null, salary integer not null);
insert into bank.accounts values
  (1, 'blue', 'Ada', 100, '1111', null), (2, 'blue', 'Bo', 50, '2222', null),
  (3, 'red', 'Cy', 900, '3333', null);
insert into bank.transfers (tenant_id, account_id, amount) values ('blue', 1, 10), ('red', 3, 700);
insert into bank.branches (name) values ('north'), ('south');
insert into bank.payroll values (1, 'Ada', 9000), (2, 'Bo', 8000);`;

/** The teller: transfers of its tenant, accounts without their pins and without the right to a balance. */
export const teller: Declared = {
  name: "teller",
  tables: {
    "bank.accounts": {
      access: "write",
      columns: { read: ["id", "tenant_id", "owner", "balance", "note"], write: ["note"] },
      rows: "tenant_id = factotum.tenant()",
    },
    "bank.transfers": { access: "write", rows: "tenant_id = (select factotum.tenant())" },
    "bank.branches": "write",
  },
  effects: ["post"],
};

/** The bank, and what an attacker can do to it. */
export type Bank = {
  readonly db: Database;
  readonly options: StageOptions;
  /** Runs work as the teller of tenant blue. */
  as<T>(work: (tx: Transaction) => Promise<T>, more?: Partial<StageOptions>): Promise<T>;
  /** Sends statements one after the other and answers how the last one ended: its rows, or its error. */
  attack(...sql: string[]): Promise<unknown>;
  /** Stages statements, for what they would change. */
  changes(...sql: string[]): Promise<ChangeSet>;
  /** Proves that nothing of the bank or of schema factotum has changed, and that work goes on. */
  unharmed(): Promise<void>;
};

/** Opens the bank with the agent's role made. */
export async function openBank(): Promise<Bank> {
  const db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, writable(teller.tables)));
  await ensureRole(db, teller);
  const before = await fingerprint(db);
  const options: StageOptions = {
    ...{ tables: writable(teller.tables), effects: ["post"], statementTimeoutMs: 3_000 },
    as: "teller",
    tenant: "blue",
  };
  const as: Bank["as"] = async (work, more) =>
    (await stage(db, emptyChangeSet, { ...options, ...more }, work)).result;
  return {
    ...{ db, options, as },
    attack: (...sql) =>
      as(async (tx) => {
        let rows: unknown;
        for (const text of sql) ({ rows } = await tx.query(text));
        return rows;
      }).catch((error: unknown) => error),
    changes: async (...sql) =>
      (
        await stage(db, emptyChangeSet, options, async (tx) => {
          for (const text of sql) await tx.query(text);
        })
      ).changes,
    async unharmed() {
      const after = await fingerprint(db);
      if (after !== before) throw new Error(`the bank changed:\n${before}\n${after}`);
      const { rows } = await as((tx) => tx.query<{ n: number }>("select count(*)::int as n from accounts"));
      if (rows[0]?.n !== 2) throw new Error(`the next call saw ${rows[0]?.n} accounts`);
    },
  };
}

/** Every row of every table of the bank and of ours, and every object and right, as one text. */
async function fingerprint(db: Database): Promise<string> {
  const { rows: tables } = await db.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('bank', 'factotum') and c.relkind = 'r' order by 1`,
  );
  const lines: string[] = [];
  for (const { name } of tables) {
    const { rows } = await db.query<{ digest: string }>(
      `select count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as digest
       from ${name} t`,
    );
    lines.push(`${name} ${rows[0]?.digest}`);
  }
  const { rows } = await db.query<{ digest: string }>(
    `select md5(string_agg(x, '|' order by x)) as digest from (
       select 'c ' || c.relname || coalesce(c.relacl::text, '') || coalesce(c.reloptions::text, '')
         from pg_class c
         where c.relpersistence <> 't' and c.relnamespace::regnamespace::text !~ '^pg_'
       union all select 'g ' || t.tgname || t.tgenabled::text || t.tgrelid from pg_trigger t
       union all select 'p ' || p.proname || p.pronamespace || p.prosrc || coalesce(p.proacl::text, '')
         from pg_proc p
       union all select 'n ' || n.nspname || coalesce(n.nspacl::text, '') from pg_namespace n
         where n.nspname !~ '^pg_(toast_)?temp'
       union all select 'r ' || r::text from pg_roles r
         where r.rolname = (select role from factotum.agent_roles)
       union all select 'l ' || l.loid from pg_largeobject l) all_of_it (x)`,
  );
  return [...lines, `objects ${rows[0]?.digest}`].join("\n");
}
