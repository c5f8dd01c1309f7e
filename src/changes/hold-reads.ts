import type { ClientBase } from "pg";
import { InputError, InvariantError, messageOf, must } from "../kernel/index.ts";
import { sqlStateOf } from "../postgres/index.ts";
import { applyStatements } from "./apply.ts";
import type { ChangeSet, ReliedRead } from "./change-set.ts";
import { ConflictError } from "./errors.ts";
import { lockTables } from "./look.ts";
import { MAY_REPLICATE } from "./known.ts";
import { tableChanges } from "./moved.ts";
import type { Answer, Send, Statement } from "./pipeline.ts";
import { digestOf, ENTER, LEAVE, readStatements, tablesIn } from "./relied-read.ts";
import { chooseMode } from "./replica.ts";
import { setLocal } from "./settings.ts";
import { currentTables, versionsOf } from "./tables.ts";
import { holdWriters } from "./hold-writers.ts";

/** Asking again may read a table it did not read before; nobody's query does so for ever. */
const ROUNDS_MAX = 4;

/**
 * Asks again what a change set relied on, and holds the answers to the end of the transaction: until then no
 * other commit, and where one of them is firm nobody at all, writes a table they came from. A first round
 * finds stale reads before anything is locked, and the tables to lock; what counts is a round that ran under
 * the locks.
 *
 * @throws {ConflictError} naming the queries that gave something else
 */
export async function holdReads(client: ClientBase, send: Send, set: ChangeSet): Promise<void> {
  const relies = set.relies ?? [];
  if (relies.length === 0) return;
  const written = [...new Set(set.rows.map((row) => row.table))].sort();
  let held = await askAgain(client, send, relies, ISOLATION, checkIsolation);
  const firm = relies.some((one) => one.firm === true);
  for (let round = 1; round < ROUNDS_MAX; round += 1) {
    if (firm) await holdWriters(send, lockTables(written, [...held]), [...held]);
    // In one round trip, and yet one after the other: each statement waits for the one before it.
    const read = await askAgain(client, send, relies, lockTables(written, [...held]));
    if (read.isSubsetOf(held)) return;
    held = held.union(read);
  }
  throw new InvariantError("queries that were relied on read other tables each time they were asked");
}

const ISOLATION: Statement = { text: "select current_setting('transaction_isolation') as isolation" };

/** A later snapshot for each statement is what makes asking under a lock worth anything. */
function checkIsolation(answer: Answer | undefined): void {
  const isolation = String(answer?.rows[0]?.["isolation"]);
  if (isolation === "read committed") return;
  throw new InputError({
    code: "isolation-too-high",
    message:
      "this change set relies on reads, which are checked under locks in a READ COMMITTED transaction " +
      `only, and this one is ${isolation.toUpperCase()}`,
  });
}

/**
 * Asks every query on top of the own changes it saw; answers the tables that were read.
 *
 * @param first goes ahead of all of them, outside of the savepoint, so that its locks stay
 */
async function askAgain(
  client: ClientBase,
  send: Send,
  relies: readonly ReliedRead[],
  first: Statement,
  check: (answer: Answer | undefined) => void = () => {},
): Promise<ReadonlySet<string>> {
  const groups = Map.groupBy(relies, (one) => JSON.stringify([one.under, one.as]));
  let tables: ReadonlySet<string> = new Set();
  let ahead = [first];
  for (const group of groups.values()) {
    const own = [...(await putUnder(client, send, group[0]?.under ?? [])), ...asReader(group[0]?.as)];
    tables = tables.union(await askGroup(send, ahead, group, own, check));
    ahead = [];
  }
  return tables;
}

async function askGroup(
  send: Send,
  ahead: readonly Statement[],
  group: readonly ReliedRead[],
  own: readonly (Statement & { readonly rows?: number })[],
  check: (answer: Answer | undefined) => void,
): Promise<ReadonlySet<string>> {
  const [begin, ...pinned] = ENTER;
  const before = [...ahead, must(begin, "a savepoint"), ...own, ...pinned];
  let answers: readonly Answer[];
  try {
    answers = await send([...before, ...readStatements(group), ...LEAVE]);
  } catch (error) {
    throw failed(error, group);
  }
  if (ahead.length > 0) check(answers[0]);
  const first = ahead.length + 1;
  const missed = own.some(({ rows }, at) => rows !== undefined && answers[first + at]?.rowCount !== rows);
  const at = before.length;
  const moved = group.filter((one, n) => digestOf(must(answers[at + n], "an answer")) !== one.digest);
  if (missed || moved.length > 0) throw movedReads(moved.length > 0 ? moved : group);
  return tablesIn(must(answers[at + group.length], "tables"));
}

/** Statements that make the attempt's own changes again as a query saw them. */
async function putUnder(
  client: ClientBase,
  send: Send,
  under: ReliedRead["under"],
): Promise<readonly (Statement & { readonly rows?: number })[]> {
  if (under.length === 0) return [];
  const names = [...new Set(under.map((row) => row.table))].sort();
  const [versions, may] = await send([versionsOf(names), { text: MAY_REPLICATE }]);
  const { relations } = await currentTables(client, send, names, versions);
  const changes = tableChanges({ rows: under }, (name) => relations.find((one) => one.name === name));
  const mode = chooseMode(changes, may?.rows[0]?.["replica"] === true);
  const replica = mode === "replica";
  const settings = replica ? [{ text: `select ${setLocal({ session_replication_role: "replica" })}` }] : [];
  // With triggers off a delete and an insert is as good as an update, and passes where unique values swap.
  return [...settings, ...applyStatements(changes, mode, replica)];
}

const AS_ROLE =
  "select pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('role', $2, true)";

/** What makes a query read as the agent did: its tenant, its role, its schemas. */
function asReader(reader: ReliedRead["as"]): readonly Statement[] {
  if (reader === undefined) return [];
  return [
    { text: "insert into factotum.staging (tenant) values ($1)", values: [reader.tenant ?? null] },
    ...(reader.role === undefined ? [] : [{ text: AS_ROLE, values: [reader.path, reader.role] }]),
  ];
}

function failed(error: unknown, group: readonly ReliedRead[]): unknown {
  const state = sqlStateOf(error);
  if (state === undefined || state.startsWith("40") || /^(08|53|57|58)/.test(state)) return error;
  return movedReads(group, `a query it relied on cannot be asked any more (${messageOf(error)})`, error);
}

const NAMED_MAX = 3;
const SQL_CHARS_MAX = 200;

function movedReads(
  moved: readonly ReliedRead[],
  why = "what it relied on reads differently now",
  cause?: unknown,
): ConflictError {
  const named = moved.slice(0, NAMED_MAX).map(({ sql, params }) => {
    const text = sql.replaceAll(/\s+/g, " ").trim().slice(0, SQL_CHARS_MAX);
    return params.length === 0 ? text : `${text} with ${JSON.stringify(params)}`;
  });
  const more = moved.length > NAMED_MAX ? `; and ${moved.length - NAMED_MAX} more` : "";
  return new ConflictError({
    rows: [],
    queries: moved.map(({ sql, params }) => ({ sql, params })),
    because: `${why}: ${named.join("; ")}${more}`,
    cause,
  });
}
