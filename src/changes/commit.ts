import { type ChangeSetId, InputError, InvariantError, messageOf, must } from "../kernel/index.ts";
import { sqlStateOf, type Transaction } from "../postgres/index.ts";
import type { About } from "./about.ts";
import { type ApplyMode, applyStatements, type TableChange } from "./apply.ts";
import { type ChangeSet, emptyChangeSet, netChange } from "./change-set.ts";
import { ConflictError, type MovedRow } from "./errors.ts";
import { type ForeignKey, READ_FOREIGN_KEYS, replicaChecks } from "./foreign-keys.ts";
import { recordStatement } from "./history-write.ts";
import { MAY_REPLICATE, relationsIn } from "./known.ts";
import { findMoved, tableChanges } from "./moved.ts";
import { type Answer, pipeline, type Send, type Statement } from "./pipeline.ts";
import { READ_RELATIONS, relationParameters, type Relation } from "./relation.ts";
import { chooseMode } from "./replica.ts";
import { PINNED, setLocal } from "./settings.ts";
import { events } from "./witness.ts";

/**
 * Makes a staged change set real, inside the caller's transaction, and writes it into the history. Every
 * row must still be as the change set found it. On an error nothing of it stays, and the caller's
 * transaction can go on.
 *
 * @throws {ConflictError} naming the rows that moved, or what else stands in the way now
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
  const seen = await look(send, set);
  try {
    const changes = tableChanges(set, (name) => seen.relations.find((one) => one.name === name));
    for (const { relation } of changes) checkAttached(relation);
    const plan: Plan = { ...seen, set, changes, about, undoes, mode: chooseMode(changes, seen.replica) };
    const id = await applyOrExplain(send, plan);
    await send([{ text: "release savepoint factotum_commit" }]);
    return id;
  } catch (error) {
    await send([BACK, { text: "release savepoint factotum_commit" }]);
    throw error;
  }
}

const BACK: Statement = { text: "rollback to savepoint factotum_commit" };

type Seen = {
  readonly relations: readonly Relation[];
  readonly keys: readonly ForeignKey[];
  readonly replica: boolean;
  readonly settings: Readonly<Record<string, string>>;
  readonly isolation: string;
};

type Plan = Seen & {
  readonly set: ChangeSet;
  readonly changes: readonly TableChange[];
  readonly about: About;
  readonly undoes: ChangeSetId | null;
  readonly mode: ApplyMode;
};

/** One round trip: everything the apply depends on, as it is now. */
async function look(send: Send, set: ChangeSet): Promise<Seen> {
  const parameters = relationParameters([...new Set(set.rows.map((row) => row.table))]);
  const settings = [...Object.keys(PINNED), "factotum.attempt", "session_replication_role"];
  const answers = await send([
    { text: "savepoint factotum_commit" },
    { text: READ_RELATIONS, values: parameters },
    { text: READ_FOREIGN_KEYS, values: parameters.slice(0, 2) },
    { text: MAY_REPLICATE },
    {
      text: `select current_setting('transaction_isolation') as isolation, json_build_object(${settings
        .map((name) => `'${name}', coalesce(current_setting('${name}', true), '')`)
        .join(", ")}) as settings`,
    },
  ]);
  const state = must(answers[4]?.rows[0], "settings");
  return {
    relations: relationsIn(answers[1]),
    keys: (answers[2]?.rows ?? []).map((row) => row["key"] as ForeignKey),
    replica: answers[3]?.rows[0]?.["replica"] === true,
    settings: state["settings"] as Record<string, string>,
    isolation: String(state["isolation"]),
  };
}

const UNIQUE_VIOLATION = "23505";

async function applyOrExplain(send: Send, plan: Plan): Promise<ChangeSetId> {
  for (const replace of [false, true]) {
    try {
      return await applyOnce(send, plan, replace);
    } catch (error) {
      const state = sqlStateOf(error) ?? "";
      const conflict = error instanceof ConflictError;
      if (!conflict && !state.startsWith("23")) throw error;
      await send([BACK]);
      if (state === UNIQUE_VIOLATION && !replace && mayReplace(plan)) continue;
      const rows = await findMoved(send, plan.changes);
      if (rows.length === 0 && conflict) throw error;
      const because = rows.length === 0 ? `a constraint does not hold now (${messageOf(error)})` : undefined;
      throw new ConflictError({ rows, cause: error, ...(because !== undefined && { because }) });
    }
  }
  throw new InvariantError("neither updating nor replacing rows was tried");
}

/** With triggers on, deleting a row to insert it again could cascade to rows that refer to it. */
function mayReplace(plan: Plan): boolean {
  if (plan.mode === "replica") return true;
  return !plan.keys.some((key) => plan.changes.some(({ relation }) => relation.rootOid === key.parentOid));
}

/** One round trip: apply, check what was off while applying, recapture, record, and put settings back. */
async function applyOnce(send: Send, plan: Plan, replace: boolean): Promise<ChangeSetId> {
  const { changes, mode } = plan;
  const applied = applyStatements(changes, mode, replace);
  const { locks, checks, fresh } =
    mode === "replica" ? replicaChecks(changes, plan.keys) : { locks: [], checks: [], fresh: false };
  if (fresh && plan.isolation !== "read committed") throw needsReadCommitted(plan.isolation);
  const replica = mode === "replica" ? { session_replication_role: "replica" } : {};
  const { session_replication_role: role, ...others } = plan.settings;
  const restored = { ...others, ...(mode === "replica" && { session_replication_role: role ?? "origin" }) };
  const answers = await send([
    { text: `select ${setLocal({ ...PINNED, "factotum.attempt": "commit", ...replica })}` },
    ...locks,
    ...applied,
    ...checks,
    ...(mode === "triggers" ? lateConstraints(changes) : []),
    RECAPTURED,
    recordStatement(plan.set, plan.relations, plan.about, plan.undoes),
    { text: `select ${setLocal(restored)}` },
  ]);
  const from = 1 + locks.length;
  const short = applied.filter((statement, at) => answers[from + at]?.rowCount !== statement.rows);
  if (short.length > 0) throw new ConflictError({ rows: [] });
  const broken = checks.flatMap((check, at) => brokenRows(check, answers[from + applied.length + at]));
  if (broken.length > 0)
    throw new ConflictError({ rows: broken, because: "a constraint does not hold any more" });
  compareRecaptured(plan, must(answers.at(-3), "recaptured rows"));
  return must(answers.at(-2)?.rows[0]?.["id"], "change set id") as ChangeSetId;
}

function brokenRows(
  check: ReturnType<typeof replicaChecks>["checks"][number],
  answer: Answer | undefined,
): readonly MovedRow[] {
  return (answer?.rows ?? []).map((row) => {
    const one = row as { key: string; other: string | null };
    return { table: check.table, key: one.key, because: check.meaning(one) };
  });
}

/** Constraints that Postgres would check at the caller's commit, where nobody could tell whose they are. */
function lateConstraints(changes: readonly TableChange[]): readonly Statement[] {
  const late = changes.flatMap(({ relation }) => relation.deferrable).filter((one) => one.initiallyDeferred);
  const names = [...new Set(late.map((one) => one.sql))].sort().join(", ");
  if (names === "") return [];
  return [{ text: `set constraints ${names} immediate` }, { text: `set constraints ${names} deferred` }];
}

const RECAPTURED: Statement = {
  text: `with gone as (delete from factotum.captured where transaction = pg_catalog.pg_current_xact_id()
      returning relation, before, after)
    select relation::text as oid, before, after from gone`,
};

/** What was applied must be what was staged: a rule, or a trigger we did not know, would show here. */
function compareRecaptured(plan: Plan, answer: Answer): void {
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
