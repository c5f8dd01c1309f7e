/** Under a role: generated tools, policies and triggers of the user's, relied reads, effects, two tenants. */
import { type Agent, openToolbox } from "factotum/agents";
import {
  type About,
  attach,
  commit,
  type Declared,
  emit,
  emptyChangeSet,
  ensureRole,
  rely,
  stage,
  type StageOptions,
  writable,
} from "factotum/changes";
import type { Json, RunId } from "factotum/kernel";
import type { Database, Transaction } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { beforeAll, expect, test } from "vitest";
import { teller } from "./teller.ts";

const SCHEMA = `
create schema desk;
create table desk.tickets (
  id serial primary key, tenant text not null, title text not null, secret text default 'hidden',
  state text not null default 'open');
insert into desk.tickets (tenant, title) values ('blue', 'b1'), ('blue', 'b2'), ('red', 'r1');
create table desk.seats (id integer primary key, tenant text not null, taken boolean not null default false);
insert into desk.seats select n, case when n > 4 then 'red' else 'blue' end from generate_series(1, 8) n;
alter table desk.seats enable row level security;
create policy tenants on desk.seats using (tenant = factotum.tenant());
create table desk.log (id serial primary key, line text not null);
create table desk.orders (id integer primary key, note text);
create function desk.log() returns trigger language plpgsql as $$
  begin insert into desk.log (line) values ('order ' || new.id); return new; end $$;
create trigger log after insert on desk.orders for each row execute function desk.log();`;

const clerk: Declared = {
  name: "clerk",
  tables: {
    "desk.tickets": {
      access: "write",
      columns: { read: ["id", "tenant", "title", "state"], write: ["tenant", "title", "state"] },
      rows: "tenant = factotum.tenant()",
    },
    "desk.seats": "write",
    "desk.orders": "write",
  },
  effects: ["mail"],
};

let db: Database;
const options = (tenant: string): StageOptions => ({
  ...{ tables: writable(clerk.tables), effects: ["mail"], as: "clerk", tenant },
});
const stageAs = async <T>(tenant: string, work: (tx: Transaction) => Promise<T>) =>
  stage(db, emptyChangeSet, options(tenant), work);
const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(SCHEMA);
  await db.transaction((tx) => attach(tx, writable(clerk.tables)));
  await ensureRole(db, clerk);
});

test("generated tools keep to the declared columns and rows, and what they stage is committed", async () => {
  const agent = { ...teller(), name: "clerk", tools: [], tables: clerk.tables } as Agent;
  const toolbox = await db.transaction((tx) =>
    openToolbox(tx, { ...agent, generate: { "desk.tickets": "write", "desk.seats": "write" } }),
  );
  const context = { runId: "1" as RunId, input: null, at: new Date(0) };
  const call = (tx: Transaction, name: string, input: Json): Promise<Json> => {
    const found = toolbox.get(name);
    if (found === undefined) throw new Error(`no ${name} among ${[...toolbox.keys()].join(", ")}`);
    return found.call(tx, input, context);
  };
  const { result, changes } = await stageAs("blue", async (tx) => {
    const tickets = await call(tx, "find_tickets", {});
    const seats = await call(tx, "find_seats", {});
    await call(tx, "insert_tickets", { row: { tenant: "blue", title: "b3" } });
    await call(tx, "update_tickets", { key: { id: 1 }, set: { state: "done" } });
    return JSON.stringify([tickets, seats]);
  });
  expect(result).toContain('"b2"');
  expect(result).not.toMatch(/r1|hidden|red/);
  expect([...toolbox.keys()]).not.toContain("delete_tickets");
  await db.transaction((tx) => commit(tx, changes, about));
  const { rows } = await db.query("select title, state from desk.tickets where tenant = 'blue' order by id");
  expect(rows).toEqual([
    { title: "b1", state: "done" },
    { title: "b2", state: "open" },
    { title: "b3", state: "open" },
  ]);
  const elsewhere = stageAs("blue", (tx) =>
    call(tx, "update_tickets", { key: { id: 3 }, set: { state: "x" } }),
  );
  await expect(elsewhere).rejects.toThrow("tickets");
});

test("a table with the user's policies shows an agent its tenant's rows, and takes no others", async () => {
  const read = (tx: Transaction) => tx.query("select id from desk.seats order by id");
  expect((await stageAs("blue", read)).result.rows).toEqual([1, 2, 3, 4].map((id) => ({ id })));
  expect((await stageAs("red", read)).result.rows).toEqual([5, 6, 7, 8].map((id) => ({ id })));
  const mine = await stageAs("blue", (tx) => tx.query("update desk.seats set taken = true"));
  expect(mine.changes.rows).toHaveLength(4);
  const theirs = stageAs("blue", (tx) => tx.query("insert into desk.seats values (9, 'red')"));
  await expect(theirs).rejects.toThrow(/row-level security/);
  // What was staged comes back in the next call, policies or not, and the next call adds to it.
  const next = await stage(db, mine.changes, options("blue"), (tx) =>
    tx.query("update desk.seats set taken = false where id = 1 and taken"),
  );
  expect(next.changes.rows.map((row) => row.key)).toEqual(["(2)", "(3)", "(4)"]);
});

test("a read relied on is asked again as the agent and for its tenant", async () => {
  const count = "select count(*)::int as n from desk.seats where not taken";
  const take = (tenant: string, id: number) =>
    stageAs(tenant, async (tx) => {
      const [free] = await rely<{ n: number }>(tx, count);
      await tx.query("update desk.seats set taken = true where id = $1", [id]);
      return free?.n;
    });
  const [blue, red] = [await take("blue", 1), await take("red", 5)];
  expect([blue.result, red.result]).toEqual([4, 4]);
  // Another tenant's seat changes nothing of what this one relied on; a seat of its own does.
  await db.transaction((tx) => commit(tx, red.changes, about));
  const late = await take("blue", 2);
  await db.transaction((tx) => commit(tx, blue.changes, about));
  const lost = db.transaction((tx) => commit(tx, late.changes, about));
  await expect(lost).rejects.toMatchObject({ code: "conflict" });
});

test("a user's trigger runs as the agent: what it lacks is named, and what it writes is seen", async () => {
  const order = (id: number) =>
    stageAs("blue", (tx) => tx.query("insert into desk.orders values ($1, 'x')", [id]));
  await expect(order(1)).rejects.toThrow(
    /permission denied for table log.*SECURITY DEFINER or grant the right/,
  );
  await db.query("alter function desk.log() security definer");
  // The table it writes is the agent's business too: what is not declared cannot be committed.
  await expect(order(1)).rejects.toMatchObject({ code: "undeclared-table" });
  const wider = { ...clerk, tables: { ...clerk.tables, "desk.log": "write" } } as const;
  await db.transaction((tx) => attach(tx, ["desk.log"]));
  await ensureRole(db, wider);
  await db.query("alter function desk.log() security invoker");
  const both = { ...options("blue"), tables: writable(wider.tables) };
  const first = await stage(db, emptyChangeSet, both, (tx) =>
    tx.query("insert into desk.orders values (1, 'x')"),
  );
  expect(first.changes.rows.map((row) => row.table)).toEqual(["desk.log", "desk.orders"]);
  const second = await stage(db, first.changes, both, (tx) => tx.query("select line from desk.log"));
  expect(second.result.rows).toEqual([{ line: "order 1" }]);
  await db.transaction((tx) => commit(tx, second.changes, about));
  expect((await db.query("select line from desk.log")).rows).toEqual([{ line: "order 1" }]);
  await ensureRole(db, clerk);
});

test("an effect needs the right to insert, and gives none to read what others sent", async () => {
  const { changes } = await stageAs("blue", (tx) => emit(tx, { channel: "mail", body: "hello" }));
  expect(changes.rows.map((row) => row.table)).toEqual(["factotum.outbox"]);
  const again = await stage(db, changes, options("blue"), (tx) => emit(tx, { channel: "mail", body: "two" }));
  expect(again.changes.rows).toHaveLength(2);
  await db.transaction((tx) => commit(tx, again.changes, about));
  for (const sql of ["select body from factotum.outbox", "delete from factotum.outbox"]) {
    await expect(stageAs("blue", (tx) => tx.query(sql))).rejects.toMatchObject({ code: "permission-denied" });
  }
  expect((await db.query("select from factotum.deliveries")).rowCount).toBe(2);
});

test("runs of two tenants at once, on connections used again, never see each other's tenant", async () => {
  const served = new Map<number, Set<string>>();
  const look = async (tenant: string): Promise<void> => {
    const { result } = await stageAs(tenant, async (tx) => {
      const { rows } = await tx.query(
        `select factotum.tenant() as tenant, pg_backend_pid() as pid,
           (select string_agg(distinct tenant, ',') from tickets) as tickets,
           (select string_agg(distinct tenant, ',') from desk.seats) as seats`,
      );
      return rows[0] as { tenant: string; pid: number; tickets: string; seats: string };
    });
    expect(result).toMatchObject({ tenant, tickets: tenant, seats: tenant });
    served.set(result.pid, (served.get(result.pid) ?? new Set()).add(tenant));
  };
  for (let round = 0; round < 10; round += 1) {
    const tenants = round % 2 === 0 ? ["blue", "red", "blue", "red"] : ["red", "red", "blue", "blue"];
    await Promise.all(tenants.map(look));
  }
  expect([...served.values()].some((tenants) => tenants.size === 2)).toBe(true);
});
