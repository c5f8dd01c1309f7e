import { escapeIdentifier, escapeLiteral } from "pg";
import { FactotumError, InputError, type Json, messageOf, storableText } from "../kernel/index.ts";
import { type Database, PostgresError, type Transaction } from "../postgres/index.ts";
import { type RunOrder, startRun } from "./start.ts";
import { becauseText } from "./text.ts";

/** A change of a watched table that no run was started for yet. */
export type TableEvent = {
  readonly id: string;
  readonly trigger: string;
  readonly relation: string;
  readonly operation: "insert" | "update" | "delete";
  readonly former: Json;
  readonly present: Json;
  readonly at: Date;
};

/** A table to be watched. */
export type Watched = {
  /** Unique in the database; lower-case words joined by hyphens. */
  readonly trigger: string;
  /** `schema.table` */
  readonly table: string;
  readonly on: readonly TableEvent["operation"][];
  /** SQL over "new" and "old". */
  readonly when?: string;
};

/** What a change starts; undefined: nothing. May throw. */
export type EventStart = {
  readonly trigger: string;
  order(event: TableEvent): Omit<RunOrder, "key"> | undefined;
};

/** Events taken up in one transaction. */
const EVENTS_MAX = 100;
/** What our triggers on users' tables are called before their own name. */
const PREFIX = "factotum_event_";

/**
 * Puts a trigger on each table that is to be watched, and takes those off that are watched no more. It writes
 * an event in the transaction of the change, so nothing is lost while nobody listens. What agents commit is
 * noted from their change sets, since a commit switches users' triggers off.
 *
 * @throws {InputError} `watch-refused` with what Postgres said
 */
export async function watchTables(tx: Transaction, watched: readonly Watched[]): Promise<void> {
  await unwatchTables(
    tx,
    watched.map((one) => one.trigger),
  );
  for (const one of watched) {
    await tx.query("savepoint factotum_watch");
    try {
      await watchOne(tx, one);
    } catch (error) {
      if (error instanceof PostgresError && error.retry === "later") throw error;
      await tx.query("rollback to savepoint factotum_watch");
      throw new InputError({
        code: "watch-refused",
        message: `trigger ${one.trigger} cannot watch table ${one.table}: ${messageOf(error)}`,
        cause: error,
      });
    }
  }
  if (watched.length > 0) await tx.query(NOTE_COMMITTED);
  // What no run could be made of is looked at once more by whoever starts: it may know better by now.
  await tx.query("update factotum.events set problem = null where problem is not null");
}

async function watchOne(tx: Transaction, { trigger, table, on, when }: Watched): Promise<void> {
  const { rows } = await tx.query<{ sql: string }>(
    `select format('%I.%I', n.nspname, c.relname) as sql from pg_catalog.pg_class c
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname || '.' || c.relname = $1 and c.relkind in ('r', 'p')`,
    [table],
  );
  const sql = rows[0]?.sql;
  if (sql === undefined) throw new Error("there is no such table; name it as schema.table");
  const { rows: known } = await tx.query(
    `insert into factotum.watched_tables as w (trigger, relation, sql_name, operations, condition)
     values ($1, $2, $3, $4, $5)
     on conflict on constraint watched_tables_pkey do update set relation = excluded.relation,
       sql_name = excluded.sql_name, operations = excluded.operations, condition = excluded.condition
     where (w.sql_name, w.operations, coalesce(w.condition, ''))
       is distinct from (excluded.sql_name, excluded.operations, coalesce(excluded.condition, ''))
     returning trigger`,
    [trigger, table, sql, on, when ?? null],
  );
  if (known.length === 0) return;
  for (const operation of ["insert", "update", "delete"] as const) {
    const name = escapeIdentifier(`${PREFIX}${trigger}_${operation}`);
    await tx.query(`drop trigger if exists ${name} on ${sql}`);
    if (!on.includes(operation)) continue;
    const given = when === undefined ? "true" : overOne(when, operation);
    await tx.query(
      `create trigger ${name} after ${operation} on ${sql} for each row
       when (coalesce(current_setting('factotum.attempt', true), '') = '' and (${given}))
       execute function factotum.note_event(${escapeLiteral(trigger)}, ${escapeLiteral(table)})`,
    );
  }
}

/** A WHEN of an insert knows no former row, and that of a delete no present one: there they are null. */
function overOne(when: string, operation: TableEvent["operation"]): string {
  const absent = operation === "insert" ? "old" : operation === "delete" ? "new" : undefined;
  return absent === undefined
    ? when
    : when.replaceAll(new RegExp(`"?\\b${absent}\\b"?\\.("[^"]+"|\\w+)`, "gi"), "null");
}

const NOTE_COMMITTED = `create or replace trigger watched_rows_committed after insert on factotum.change_rows
  referencing new table as written for each statement execute function factotum.note_committed_events();
  alter table factotum.change_rows enable always trigger watched_rows_committed`;

/** Takes the triggers off all watched tables but those of the given names, and forgets their events. */
export async function unwatchTables(tx: Transaction, keep: readonly string[] = []): Promise<void> {
  const { rows } = await tx.query<{ name: string; sql: string }>(
    `select g.tgname as name, g.tgrelid::regclass::text as sql from pg_catalog.pg_trigger g
     where g.tgfoid = 'factotum.note_event()'::regprocedure and g.tgparentid = 0
       and not g.tgname = any (select $1 || k || '_' || o from unnest($2::text[]) k,
         unnest(array['insert', 'update', 'delete']) o)`,
    [PREFIX, keep],
  );
  for (const { name, sql } of rows) await tx.query(`drop trigger ${escapeIdentifier(name)} on ${sql}`);
  await tx.query("delete from factotum.watched_tables where not trigger = any ($1)", [keep]);
  await tx.query("delete from factotum.events where not trigger = any ($1)", [keep]);
  if (keep.length === 0)
    await tx.query("drop trigger if exists watched_rows_committed on factotum.change_rows");
}

/**
 * Starts runs for events, oldest first, by any number of processes at once: each has one run, started in the
 * transaction that takes the event away. One that no run can be made of is kept with the reason.
 *
 * @returns how many events were dealt with
 */
export async function takeEvents(db: Database, starts: readonly EventStart[]): Promise<number> {
  if (starts.length === 0) return 0;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query<TableEvent>(
      `select id, trigger, relation, operation, former, present, at from factotum.events
       where trigger = any ($1) and problem is null order by id limit $2 for update skip locked`,
      [starts.map((one) => one.trigger), EVENTS_MAX],
    );
    for (const event of rows) {
      const problem = await startOf(tx, event, starts);
      const end =
        problem === undefined
          ? "delete from factotum.events where id = $1 and $2::text is null"
          : "update factotum.events set problem = $2 where id = $1";
      await tx.query(end, [event.id, problem ?? null]);
    }
    return rows.length;
  });
}

async function startOf(
  tx: Transaction,
  event: TableEvent,
  starts: readonly EventStart[],
): Promise<string | undefined> {
  await tx.query("savepoint factotum_event");
  try {
    const order = starts.find((one) => one.trigger === event.trigger)?.order(event);
    if (order !== undefined) await startRun(tx, { ...order, key: `table/${event.trigger}/${event.id}` });
    return undefined;
  } catch (error) {
    // Trouble of the moment must not cost the event: the whole look is made again.
    if (error instanceof FactotumError && error.retry === "later") throw error;
    await tx.query("rollback to savepoint factotum_event");
    return storableText(becauseText(messageOf(error)));
  }
}

/** Changes of one trigger that no run could be made of, and why the latest could not. */
export type BadEvents = { readonly trigger: string; readonly count: number; readonly problem: string };

/** Changes that no run could be made of, by trigger. */
export async function listBadEvents(db: Pick<Database, "query">): Promise<readonly BadEvents[]> {
  const { rows } = await db.query<BadEvents>(
    `select trigger, count(*)::integer as count, (array_agg(problem order by id desc))[1] as problem
     from factotum.events where problem is not null group by trigger order by trigger`,
  );
  return rows;
}
