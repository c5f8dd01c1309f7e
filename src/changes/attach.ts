import { escapeLiteral } from "pg";
import { InputError } from "../kernel/index.ts";
import { sqlStateOf, type Transaction } from "../postgres/index.ts";
import { ROLE_PREFIX } from "./agent-role.ts";
import { readRelations, type Relation, TRIGGER, TRIGGER_NAME } from "./relation.ts";

/**
 * Puts the capture trigger on tables, so that agents can stage changes to them. It is the only thing ever
 * put on a user's table; in a session that does not stage, Postgres evaluates its WHEN and goes on. What an
 * agent's role writes it sees even where a tool clears the setting.
 * Doing it twice changes nothing.
 *
 * @param tables as `schema.table`
 * @throws {InputError} naming the table and the reason, such as a missing primary key
 */
export async function attach(tx: Transaction, tables: readonly string[]): Promise<void> {
  const relations = await readRelations(tx, tables);
  for (const table of tables) {
    const relation = relations.find((one) => one.name === table);
    if (relation === undefined)
      throw refused(table, "table-missing", "does not exist, or this role cannot see it");
    checkStageable(relation);
    if (!relation.attached || !(await seesAgents(tx, relation))) await putTrigger(tx, relation);
  }
}

/** Whether the trigger is as it is put today: before, an agent's tool could switch it off. */
async function seesAgents(tx: Transaction, { oid }: Relation): Promise<boolean> {
  const { rows } = await tx.query<{ definition: string }>(
    `select pg_catalog.pg_get_triggerdef(oid) as definition from pg_catalog.pg_trigger
     where tgrelid = $1 and tgname = $2`,
    [oid, TRIGGER_NAME],
  );
  return rows[0]?.definition.includes("within_bounds") === true;
}

/** Takes the capture trigger off again: off the given tables, or off all. Leaves no trace of us on them. */
export async function detach(tx: Transaction, tables?: readonly string[]): Promise<void> {
  const found = tables ?? (await attached(tx));
  const relations = await readRelations(tx, found);
  for (const relation of relations) {
    await asOwner(tx, relation, "detach", [`drop trigger if exists ${TRIGGER} on ${relation.sql}`]);
  }
}

/** The user's tables that carry the capture trigger, as `schema.table`, sorted; partitions not apart. */
export async function attached(tx: Transaction): Promise<readonly string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `select n.nspname || '.' || c.relname as name
     from pg_catalog.pg_trigger g
     join pg_catalog.pg_class c on c.oid = g.tgrelid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where g.tgname = $1 and g.tgparentid = 0 and g.tgfoid = 'factotum.capture()'::regprocedure
       and n.nspname <> 'factotum'
     order by 1`,
    [TRIGGER_NAME],
  );
  return rows.map((row) => row.name);
}

function checkStageable(relation: Relation): void {
  const { name } = relation;
  if (relation.kind === "other" || relation.temporary) {
    throw refused(
      name,
      "not-a-table",
      "is not a table that lasts; changes can be staged to ordinary tables only",
    );
  }
  if (relation.name !== relation.root) {
    throw refused(name, "is-partition", `is a partition; attach the whole table, ${relation.root}`);
  }
  if (relation.key.length === 0) {
    throw refused(
      name,
      "no-primary-key",
      "has no primary key, so a row of it cannot be told from another; add one",
    );
  }
  if (relation.alwaysTriggers.length > 0) {
    throw refused(
      name,
      "always-trigger",
      `has a trigger enabled ALWAYS or REPLICA (${relation.alwaysTriggers.join(", ")}), which would take ` +
        "effect a second time when a staged change is committed; make it an ordinary trigger",
    );
  }
  if (relation.temporalForeignKeys.length > 0) {
    throw refused(
      name,
      "temporal-foreign-key",
      `is in a foreign key with PERIOD (${relation.temporalForeignKeys.join(", ")}), not supported yet`,
    );
  }
}

async function putTrigger(tx: Transaction, relation: Relation): Promise<void> {
  await asOwner(tx, relation, "attach", [
    `create or replace trigger ${TRIGGER} after insert or update or delete on ${relation.sql}
     for each row when (
       (pg_catalog.current_setting('factotum.attempt', true) <> ''
         or pg_catalog.starts_with(current_user::text, '${ROLE_PREFIX}'))
       and factotum.within_bounds(${escapeLiteral(relation.sql)}::regclass))
     execute function factotum.capture()`,
    `alter table ${relation.sql} enable always trigger ${TRIGGER}`,
  ]);
}

/** Runs what only a table's owner may do. */
async function asOwner(
  tx: Transaction,
  relation: Relation,
  doing: "attach" | "detach",
  statements: readonly string[],
): Promise<void> {
  try {
    for (const statement of statements) await tx.query(statement);
  } catch (error) {
    if (sqlStateOf(error) !== "42501") throw error;
    throw refused(
      relation.name,
      "not-owner",
      `belongs to another role; run ${doing} as its owner, or as a member of the owner`,
      error,
    );
  }
}

function refused(table: string, code: string, because: string, cause?: unknown): InputError {
  return new InputError({
    code,
    message: `table ${table} ${because}`,
    ...(cause !== undefined && { cause }),
  });
}
