import { type ChangeSetId, InputError, messageOf, microUsd, type RunId } from "../kernel/index.ts";
import { sqlStateOf, type Transaction } from "../postgres/index.ts";
import type { About } from "./about.ts";
import type { RowChange } from "./change-set.ts";
import { type Diff, diffRows, type RowDiff, type Shape } from "./diff.ts";
import { formatRecord } from "./record.ts";
import { keyColumns, readRelations, type Relation } from "./relation.ts";
import { PINNED, setLocal } from "./settings.ts";

/** A change set in the history. */
export type CommittedChangeSet = About & {
  readonly id: ChangeSetId;
  readonly at: Date;
  /** How many rows it changed. */
  readonly rows: number;
  /** The change set that this one took back. */
  readonly undoes: ChangeSetId | null;
  /** The change set that took this one back. */
  readonly undoneBy: ChangeSetId | null;
};

/** One change of one row: who, why, which model, what it cost, what it was. */
export type Blame = CommittedChangeSet & { readonly change: RowDiff };

type SetRow = {
  readonly id: string;
  readonly run_id: string;
  readonly attempt: number;
  readonly agent: string;
  readonly because: string;
  readonly model: string | null;
  readonly cost_micro_usd: string | null;
  readonly at: Date;
  readonly rows: number;
  readonly undoes: string | null;
  readonly undone_by: string | null;
};

const SETS = `select s.id::text, s.run_id::text, s.attempt, s.agent, s.because, s.model,
    s.cost_micro_usd::text, s.committed_at as at, s.undoes::text, u.id::text as undone_by,
    (select count(*)::integer from factotum.change_rows r where r.change_set = s.id) as rows
  from factotum.change_sets s left join factotum.change_sets u on u.undoes = s.id`;

/** The change sets that a run committed, oldest first. */
export async function listCommitted(tx: Transaction, runId: RunId): Promise<readonly CommittedChangeSet[]> {
  const { rows } = await tx.query<SetRow>(`${SETS} where s.run_id = $1 order by s.id`, [runId]);
  return rows.map(committedSet);
}

/**
 * A committed change set by row and field, with the columns as they were called then.
 *
 * @throws {InputError} `change-set-missing`
 */
export async function showCommitted(tx: Transaction, id: ChangeSetId): Promise<Diff> {
  const rows = await committedRows(tx, id);
  return diffRows(rows, await shapesOf(tx, rows));
}

/**
 * The committed changes of one row, newest first. History outlives rows and tables; it goes by the name that
 * a table had at the commit.
 *
 * @param table `schema.table`
 * @param key the values of the primary key in its order, each in any form that its type takes; of a table
 * that is gone, as Postgres wrote them
 * @throws {InputError} `table-unknown` for a table that is neither there nor in the history, `key-unfit`
 * where it has another number of key columns, or columns that cannot hold such values
 */
export async function blame(
  tx: Transaction,
  table: string,
  key: readonly string[],
): Promise<readonly Blame[]> {
  const text = await keyText(tx, table, key);
  const { rows } = await tx.query<SetRow & { change: RowChange }>(
    `with sets as (${SETS})
     select sets.*, json_build_object('table', r.relation, 'key', r.key, 'before', r.before, 'after', r.after,
       'fingerprint', r.fingerprint) as change
     from factotum.change_rows r
     join factotum.row_shapes h on h.fingerprint = r.fingerprint
     join sets on sets.id = r.change_set::text
     where r.key = $2 and (r.relation = $1 or h.root = $1)
     order by r.change_set desc, r.position`,
    [table, text],
  );
  const shapes = await shapesOf(
    tx,
    rows.map((row) => row.change),
  );
  const bySet = Map.groupBy(rows, (row) => row.id);
  return [...bySet.values()].flatMap((group) => {
    const [first] = group;
    const [change] = diffRows(
      group.map((row) => row.change),
      shapes,
    );
    return first === undefined || change === undefined ? [] : [{ ...committedSet(first), change }];
  });
}

/** The key as row images hold it. */
async function keyText(tx: Transaction, table: string, key: readonly string[]): Promise<string> {
  if (table.includes("\0")) throw unknownTable(table);
  if (key.some((value) => value.includes("\0"))) throw unfit("no key holds a NUL character");
  const [relation] = await readRelations(tx, [table]);
  if (relation !== undefined) return await writtenKey(tx, relation, key);
  const past = await tx.query("select from factotum.row_shapes where relation = $1 or root = $1 limit 1", [
    table,
  ]);
  if (past.rowCount === 0) throw unknownTable(table);
  return formatRecord(key);
}

/** The domain of another column may forbid the nulls that stand beside a key. */
const NOT_NULL_VIOLATION = "23502";

/** The key as Postgres writes it: a uuid in lower case, a numeric with its scale, an instant in UTC. */
async function writtenKey(tx: Transaction, relation: Relation, key: readonly string[]): Promise<string> {
  const columns = keyColumns(relation);
  if (columns.length !== key.length) {
    const names = columns.map((column) => column.name).join(", ");
    const values = `${columns.length} value${columns.length === 1 ? "" : "s"}`;
    throw unfit(
      `the primary key of ${relation.name} is (${names}), so it takes ${values} in that order, ` +
        `not ${key.length}`,
    );
  }
  const given = new Map(relation.key.map((at, n) => [at, key[n] ?? null]));
  const row = formatRecord(relation.columns.map((_, at) => given.get(at) ?? null));
  const list = columns.map((column) => `(x.row).${column.sql}`).join(", ");
  await tx.query("savepoint factotum_key");
  try {
    await tx.query(`select ${setLocal(PINNED)}`);
    const { rows } = await tx.query<{ key: string }>(
      `select row(${list})::text as key from (select $1::text::${relation.sql} as row offset 0) x`,
      [row],
    );
    return rows[0]?.key ?? formatRecord(key);
  } catch (error) {
    const state = sqlStateOf(error) ?? "";
    if (state === NOT_NULL_VIOLATION) return formatRecord(key);
    if (!/^2[23]/.test(state)) throw error;
    throw unfit(`no row of ${relation.name} has the key (${key.join(", ")}): ${messageOf(error)}`);
  } finally {
    await tx.query("rollback to savepoint factotum_key").catch(() => undefined);
  }
}

function unfit(message: string): InputError {
  return new InputError({ code: "key-unfit", message });
}

function unknownTable(table: string): InputError {
  return new InputError({
    code: "table-unknown",
    message: `there is no table ${table}, and no change of one is on record; name it as schema.table`,
  });
}

/** The rows of a committed change set. @throws {InputError} `change-set-missing` */
export async function committedRows(tx: Transaction, id: ChangeSetId): Promise<readonly RowChange[]> {
  const found = await tx.query("select from factotum.change_sets where id = $1", [id]);
  if (found.rowCount === 0) {
    throw new InputError({ code: "change-set-missing", message: `there is no change set ${id}` });
  }
  const { rows } = await tx.query<RowChange>(
    `select relation as table, key, before, after, fingerprint from factotum.change_rows
     where change_set = $1 order by position`,
    [id],
  );
  return rows;
}

async function shapesOf(tx: Transaction, rows: readonly RowChange[]): Promise<ReadonlyMap<string, Shape>> {
  const { rows: shapes } = await tx.query<Shape & { fingerprint: string }>(
    `select fingerprint, root, columns, key_columns as key from factotum.row_shapes
     where fingerprint = any($1)`,
    [[...new Set(rows.map((row) => row.fingerprint))]],
  );
  return new Map(shapes.map((shape) => [shape.fingerprint, shape]));
}

function committedSet(row: SetRow): CommittedChangeSet {
  return {
    id: row.id as ChangeSetId,
    runId: row.run_id as RunId,
    ...{ attempt: row.attempt, agent: row.agent, because: row.because, at: row.at, rows: row.rows },
    ...(row.model !== null && { model: row.model }),
    ...(row.cost_micro_usd !== null && { costMicroUsd: microUsd(BigInt(row.cost_micro_usd)) }),
    undoes: row.undoes as ChangeSetId | null,
    undoneBy: row.undone_by as ChangeSetId | null,
  };
}
