import { type ChangeSetId, InputError, InvariantError, must } from "../kernel/index.ts";
import { sqlStateOf, type Transaction } from "../postgres/index.ts";
import type { About } from "./about.ts";
import { type ApplyMode, type ApplyStatement, applyStatements, type TableChange } from "./apply.ts";
import { type ChangeSet, emptyChangeSet, netChange } from "./change-set.ts";
import { deliveryStatements } from "./deliveries.ts";
import { ConflictError, type MovedRow } from "./errors.ts";
import { deleteGuards, losesParents, type ReplicaCheck, replicaChecks } from "./foreign-keys.ts";
import { recordStatement } from "./history-write.ts";
import { holdReads } from "./hold-reads.ts";
import { look, type Look } from "./look.ts";
import { findMoved, tableChanges } from "./moved.ts";
import { isForeseeable, redefinedTable } from "./foresee.ts";
import { type Answer, pipeline, type Send, type Statement } from "./pipeline.ts";
import type { Relation } from "./relation.ts";
import { chooseMode, inTheWay } from "./replica.ts";
import { PINNED, setLocal } from "./settings.ts";
import { versionsOf } from "./tables.ts";
import { events } from "./witness.ts";

/**
 * Makes a staged change set real, inside the caller's transaction, and writes it into the history. Every
 * row must still be as the change set found it, and every query it relied on must give what it gave. On an
 * error nothing of it stays, and the caller's transaction can go on, but for a deadlock or a serialization
 * failure: run the whole transaction again (`retries` of `Database.transaction`).
 *
 * @throws {ConflictError} naming the rows or queries that moved, or what else stands in the way now
 * @throws {InputError} `isolation-too-high` when it relies on reads and the transaction is not READ COMMITTED
 */
export async function commit(tx: Transaction, set: ChangeSet, about: About): Promise<ChangeSetId> {
  return await commitAs(tx, set, about, null);
}

/** `commit`, for an undo too. */
export async function commitAs(
  tx: Transaction,
  set: ChangeSet,
  about: About,
  undoes: ChangeSetId | null,
): Promise<ChangeSetId> {
  const send: Send = (statements) => pipeline(tx.client, statements);
  await holdReads(tx.client, send, set);
  const seen = await look(tx.client, send, set);
  try {
    const changes = tableChanges(set, (name) => seen.relations.find((one) => one.name === name));
    for (const { relation } of changes) checkAttached(relation);
    const id = await applyOrExplain(send, { ...seen, set, changes, about, undoes });
    await send([RELEASE]);
    return id;
  } catch (error) {
    // A connection that is lost cannot go back, nor has to.
    await send([BACK, RELEASE]).catch(() => undefined);
    throw error;
  }
}

const BACK: Statement = { text: "rollback to savepoint factotum_commit" };
const RELEASE: Statement = { text: "release savepoint factotum_commit" };

type Plan = Look & {
  readonly set: ChangeSet;
  readonly changes: readonly TableChange[];
  readonly about: About;
  readonly undoes: ChangeSetId | null;
};

/** One way to apply. */
type Way = { readonly mode: ApplyMode; readonly replace: boolean };

const UNIQUE_VIOLATION = "23505";

async function applyOrExplain(send: Send, plan: Plan): Promise<ChangeSetId> {
  const ways = waysToApply(plan);
  for (const [at, way] of ways.entries()) {
    try {
      return await applyOnce(send, plan, way);
    } catch (error) {
      const state = sqlStateOf(error) ?? "";
      const conflict = error instanceof ConflictError;
      if (!conflict && !state.startsWith("23")) throw error;
      await send([BACK]);
      const next = ways[at + 1];
      if (next !== undefined && (state === UNIQUE_VIOLATION || next.mode !== way.mode)) continue;
      const rows = await findMoved(send, plan.changes);
      if (rows.length === 0 && conflict) throw error;
      const because = rows.length === 0 ? inTheWay(error, plan.replica) : undefined;
      throw new ConflictError({ rows, cause: error, ...(because !== undefined && { because }) });
    }
  }
  throw new InvariantError("no way to apply a change set was tried");
}

/**
 * Replica mode is exact, but switching to it makes Postgres plan every prepared statement of the connection
 * again. Where the user has no triggers and nothing can cascade, leaving triggers on is exact too, and
 * tried first.
 */
function waysToApply(plan: Plan): readonly Way[] {
  const { changes, keys } = plan;
  const mode = chooseMode(changes, plan.replica);
  const calm =
    changes.every(({ relation }) => relation.userTriggers.length === 0) && !losesParents(changes, keys);
  const quick: Way[] = calm && mode === "replica" ? [{ mode: "triggers", replace: false }] : [];
  const plain: Way[] = [...quick, { mode, replace: false }];
  // With triggers on, deleting a row to insert it again could cascade to rows that refer to it.
  const referred = keys.some((key) => changes.some(({ relation }) => relation.rootOid === key.parentOid));
  return mode === "replica" || !referred ? [...plain, { mode, replace: true }] : plain;
}

/** One statement, and what its answer says of rows that are not as they should be. */
type Step = { readonly statement: Statement; readonly judge?: (answer: Answer) => readonly MovedRow[] };

/**
 * One round trip: apply, check what was off while applying, look at what came of it, record, and put settings
 * back. Rows are captured again only where the statements alone do not say what they do: the trigger was two
 * thirds of what a large commit took.
 */
async function applyOnce(send: Send, plan: Plan, way: Way): Promise<ChangeSetId> {
  const steps = way.mode === "replica" ? replicaSteps(plan, way) : triggerSteps(plan, way);
  const { session_replication_role: role = "origin", ...others } = plan.settings;
  const replica = way.mode === "replica";
  const foreseen = isForeseeable(plan, way.mode);
  const during = {
    ...PINNED,
    "factotum.attempt": foreseen ? "" : "commit",
    ...(replica && { session_replication_role: "replica" }),
  };
  const restored = { ...others, ...(replica && { session_replication_role: role }) };
  const answers = await send([
    { text: `select ${setLocal(during)}` },
    ...steps.map((step) => step.statement),
    foreseen ? versionsOf(plan.relations.map((relation) => relation.name)) : RECAPTURED,
    recordStatement(plan.set, plan.relations, plan.about, plan.undoes),
    ...deliveryStatements(plan.set),
    { text: `select ${setLocal(restored)}` },
  ]);
  const broken = steps.flatMap((step, at) => step.judge?.(must(answers[at + 1], "an answer")) ?? []);
  if (broken.length > 0)
    throw new ConflictError({ rows: broken, because: "a constraint does not hold any more" });
  const looked = steps.length + 1;
  const seen = must(answers[looked], "what came of it");
  if (!foreseen) compareRecaptured(plan, seen);
  else checkVersions(plan, seen);
  return must(answers[looked + 1]?.rows[0]?.["id"], "change set id") as ChangeSetId;
}

function replicaSteps(plan: Plan, way: Way): readonly Step[] {
  const { locks, checks, fresh } = replicaChecks(plan.changes, plan.keys);
  if (fresh && plan.isolation !== "read committed") throw needsReadCommitted(plan.isolation);
  const applied = applyStatements(plan.changes, "replica", way.replace);
  return [...locks.map((statement) => ({ statement })), ...applied.map(applying), ...checks.map(checking)];
}

/** Before a parent is deleted, children that the change set does not know of are looked for. */
function triggerSteps(plan: Plan, way: Way): readonly Step[] {
  const applied = applyStatements(plan.changes, "triggers", way.replace);
  const steps = applied.flatMap((statement): readonly Step[] => {
    if (statement.kind !== "delete") return [applying(statement)];
    const change = plan.changes.find((one) => one.relation === statement.relation);
    const guards = change === undefined ? [] : deleteGuards(change, plan.keys);
    return [
      ...guards.flatMap(({ lock, check }) => [{ statement: lock }, checking(check)]),
      applying(statement),
    ];
  });
  return [...steps, ...lateConstraints(plan.changes).map((statement) => ({ statement }))];
}

function applying(statement: ApplyStatement): Step {
  return {
    statement,
    judge: (answer) => {
      // Which rows, `findMoved` will say.
      if (answer.rowCount !== statement.rows) throw new ConflictError({ rows: [] });
      return [];
    },
  };
}

function checking(check: ReplicaCheck): Step {
  return {
    statement: check,
    judge: (answer) =>
      answer.rows.map((row) => {
        const one = row as { key: string; other: string | null };
        return { table: check.table, key: one.key, because: check.meaning(one) };
      }),
  };
}

/** Constraints that Postgres would check at the caller's commit, where nobody could tell whose they are. */
function lateConstraints(changes: readonly TableChange[]): readonly Statement[] {
  const late = changes.flatMap(({ relation }) => relation.deferrable).filter((one) => one.initiallyDeferred);
  const names = [...new Set(late.map((one) => one.sql))].sort().join(", ");
  if (names === "") return [];
  return [{ text: `set constraints ${names} immediate` }, { text: `set constraints ${names} deferred` }];
}

/** By now every table is locked against being redefined: it is what the plan was made for, or it is not. */
function checkVersions(plan: Plan, answer: Answer): void {
  const table = redefinedTable(plan.relations, answer);
  if (table === undefined) return;
  const because = `table ${table} was redefined while the change set was being committed`;
  throw new ConflictError({ rows: [], because });
}

const RECAPTURED: Statement = { text: "select c.oid, c.before, c.after from factotum.take_captured() c" };

/** What was applied must be what was staged: a rule, or a trigger we did not know, would show here. */
function compareRecaptured(plan: Plan, answer: Answer): void {
  if (isAsStaged(plan, answer)) return;
  const byOid = new Map(plan.relations.map((relation) => [relation.oid, relation]));
  const captured = answer.rows.flatMap((row) => {
    const { oid, before, after } = row as { oid: string; before: string | null; after: string | null };
    const relation = byOid.get(oid);
    if (relation === undefined) return [{ table: `oid ${oid}`, key: "", before, after, fingerprint: "" }];
    return events(relation, before, after);
  });
  const rest = netChange(emptyChangeSet, [
    ...captured,
    ...plan.set.rows.map((row) => ({ ...row, before: row.after, after: row.before })),
  ]);
  if (rest.rows.length === 0) return;
  const rows = rest.rows.map(({ table, key }) => ({
    table,
    key,
    because: "came out different from what was staged",
  }));
  throw new ConflictError({
    rows,
    because: "applying the change set did not give the rows that were staged",
  });
}

/** The usual case without reading any image: each staged row captured once, just as it is, and no other. */
function isAsStaged({ changes }: Plan, answer: Answer): boolean {
  const nameless = (oid: string, before: string | null, after: string | null): string =>
    JSON.stringify([oid, before, after]);
  const left = new Set(
    changes.flatMap(({ relation, rows }) =>
      rows.map(({ before, after }) => nameless(relation.oid, before, after)),
    ),
  );
  if (left.size !== answer.rows.length) return false;
  return answer.rows.every((row) => {
    const { oid, before, after } = row as { oid: string; before: string | null; after: string | null };
    return left.delete(nameless(oid, before, after));
  });
}

function checkAttached(relation: Relation): void {
  if (relation.attached) return;
  throw new InputError({
    code: "not-attached",
    message:
      `table ${relation.root} has no capture trigger, so nothing can be committed to it; attach it ` +
      `(factotum attach ${relation.root}) and try again`,
  });
}

function needsReadCommitted(isolation: string): InputError {
  return new InputError({
    code: "isolation-too-high",
    message:
      "this change set deletes or renames rows that others may refer to; that can be checked in a READ " +
      `COMMITTED transaction only, and this one is ${isolation.toUpperCase()}`,
  });
}
