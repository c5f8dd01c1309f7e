import type { Json, RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { RunError } from "./errors.ts";
import { type Reader, type Run, runColumns, runOf, type RunRow } from "./run.ts";
import { type RunOrder, startRun } from "./start.ts";

/** For which of its children a run waits. It is woken when all are over in any case. */
export type Until =
  | { readonly kind: "all" }
  /** As soon as this many are done. */
  | { readonly kind: "first"; readonly count: number }
  /** As soon as one failed or was cancelled. */
  | { readonly kind: "any-failed" };

/** A child before it is started. Its key, where it has one, is kept apart from those of other parents. */
export type ChildOrder = Omit<RunOrder, "tenant">;

/** The children that one turn started, and how far they are. */
export type Join = {
  readonly number: number;
  readonly children: number;
  readonly done: number;
  /** Failed or cancelled. */
  readonly failed: number;
  /** What the parent waits for has come. */
  readonly met: boolean;
};

/** The most children that one run may start. */
export const CHILDREN_MAX = 1_000;
/** How deep runs may start runs: a run that no other started is at depth 0. */
export const DEPTH_MAX = 8;

/**
 * Starts children of a run, in its turn's transaction: they are there if the turn is kept, else not. End the
 * turn by parking; the run is woken in the very transaction that brings what it waits for.
 *
 * @returns the number of the join, to read results by
 * @throws {RunError} `children-none`, `children-too-many`, `children-too-deep`
 */
export async function startChildren(
  tx: Transaction,
  parent: Run,
  orders: readonly ChildOrder[],
  until: Until = { kind: "all" },
): Promise<number> {
  const { rows } = await tx.query<{ depth: number; joins: number; children: number }>(
    `select depth, (select count(*)::integer from factotum.joins j where j.run_id = r.id) as joins,
       (select count(*)::integer from factotum.runs c where c.parent_id = r.id) as children
     from factotum.runs r where id = $1`,
    [parent.id],
  );
  const { depth = 0, joins = 0, children = 0 } = rows[0] ?? {};
  refuseBeyond(parent, orders.length, depth, children);
  const number = joins + 1;
  const needed = until.kind === "first" ? until.count : orders.length;
  await tx.query(
    "insert into factotum.joins (run_id, number, mode, needed, children) values ($1, $2, $3, $4, $5)",
    [parent.id, number, until.kind, needed, orders.length],
  );
  for (const [at, order] of orders.entries()) {
    const key = `child/${parent.id}/${number}/${order.key ?? at + 1}`;
    const { run, created } = await startRun(tx, { ...order, key, tenant: parent.tenant });
    if (!created) throw refusal(parent, "child-repeated", `would start the child ${key} twice`);
    await tx.query("update factotum.runs set parent_id = $2, join_number = $3, depth = $4 where id = $1", [
      ...[run.id, parent.id, number, depth + 1],
    ]);
  }
  return number;
}

function refuseBeyond(parent: Run, count: number, depth: number, before: number): void {
  if (count === 0) throw refusal(parent, "children-none", "would wait for children and starts none");
  if (before + count > CHILDREN_MAX) {
    const because = `would have ${before + count} children, and ${CHILDREN_MAX} is the most`;
    throw refusal(parent, "children-too-many", `${because}: give each more to do`);
  }
  if (depth + 1 > DEPTH_MAX) {
    const because = `is at depth ${depth} and may start no run: ${DEPTH_MAX} is the deepest`;
    throw refusal(parent, "children-too-deep", because);
  }
}

function refusal(parent: Run, code: string, because: string): RunError {
  return new RunError({ code, retry: "never", runId: parent.id, message: `run ${parent.id} ${because}` });
}

/** How far the children of one join are; undefined where the run has no such join. */
export async function getJoin(db: Reader, runId: RunId, number: number): Promise<Join | undefined> {
  const { rows } = await db.query<Join>(
    "select number, children, done, failed, met from factotum.joins where run_id = $1 and number = $2",
    [runId, number],
  );
  return rows[0];
}

/** The children of a run in the order they were started; of one join, or of all. */
export async function childrenOf(db: Reader, runId: RunId, number?: number): Promise<readonly Run[]> {
  const { rows } = await db.query<RunRow>(
    `select ${runColumns} from factotum.runs r
     where parent_id = $1 and ($2::integer is null or join_number = $2) order by id limit $3`,
    [runId, number ?? null, CHILDREN_MAX],
  );
  return rows.map(runOf);
}

/** Where a run stands among others. */
export type Kinship = {
  readonly parentId: RunId | null;
  readonly deadlineAt: Date | null;
  readonly children: readonly RunId[];
};

/** Where a run stands among others, and by when it has to be over. */
export async function kinshipOf(db: Reader, runId: RunId): Promise<Kinship> {
  const { rows } = await db.query<Kinship>(
    `select parent_id as "parentId", deadline_at as "deadlineAt",
       array(select id::text from factotum.runs c where c.parent_id = r.id order by id) as children
     from factotum.runs r where id = $1`,
    [runId],
  );
  return rows[0] ?? { parentId: null, deadlineAt: null, children: [] };
}

/** A run and all that it started, those deepest first, each locked: the order in which a tree is ended. */
export async function lockTree(
  tx: Transaction,
  runId: RunId,
): Promise<readonly { readonly run: Run; readonly state: Json }[]> {
  const { rows } = await tx.query<RunRow>(
    `with recursive tree (id) as (
       select id from factotum.runs where id = $1
       union all
       select c.id from factotum.runs c join tree t on c.parent_id = t.id)
     select ${runColumns} from factotum.runs r where id in (select id from tree)
     order by depth desc, id desc for no key update`,
    [runId],
  );
  return rows.map((row) => ({ run: runOf(row), state: row.state }));
}
