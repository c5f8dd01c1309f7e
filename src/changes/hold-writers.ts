import { InputError, messageOf } from "../kernel/index.ts";
import { sqlStateOf } from "../postgres/index.ts";
import { ConflictError } from "./errors.ts";
import type { Send, Statement } from "./pipeline.ts";
import { setLocal } from "./settings.ts";

/** Longest that a commit waits for transactions of the application that write what it relies on. */
const WAIT_MS_MAX = 5_000;

type Named = { readonly sql: string; readonly lockable: boolean; readonly timeout: string };

const NAMES = `select format('%I.%I', n.nspname, c.relname) as sql, c.relkind in ('r', 'p') as lockable,
    current_setting('lock_timeout') as timeout
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = any($1::oid[]) order by c.oid`;

/**
 * Holds every writer off tables to the end of the transaction, the application's included; readers go on. It
 * waits for writers who were there first.
 *
 * @param first the locks among commits: taken before these, so that two commits cannot lock each other out
 * @param oids of whole tables
 * @throws {ConflictError} when others go on writing one for longer than that
 * @throws {InputError} `not-holdable` for a foreign table or a materialized view, `not-permitted`
 */
export async function holdWriters(send: Send, first: Statement, oids: readonly string[]): Promise<void> {
  const [, answer] = await send([first, { text: NAMES, values: [oids] }]);
  const tables = (answer?.rows ?? []) as readonly unknown[] as readonly Named[];
  const loose = tables.find((one) => !one.lockable);
  if (loose !== undefined) {
    throw new InputError({
      code: "not-holdable",
      message: `${loose.sql} is no ordinary table, so that a read of it cannot be relied on firmly`,
    });
  }
  const list = tables.map((one) => one.sql).join(", ");
  if (list === "") return;
  const timeout = tables[0]?.timeout ?? "0";
  try {
    await send([
      { text: "savepoint factotum_hold" },
      { text: `select ${setLocal({ lock_timeout: String(WAIT_MS_MAX) })}` },
      { text: `lock table ${list} in share mode` },
      { text: `select ${setLocal({ lock_timeout: timeout })}` },
      { text: "release savepoint factotum_hold" },
    ]);
  } catch (error) {
    const state = sqlStateOf(error);
    if (state !== LOCKED && state !== DENIED) throw error;
    await send([{ text: "rollback to savepoint factotum_hold" }]);
    if (state === LOCKED) {
      const because = `others were writing ${list}, which it relies on firmly, for ${WAIT_MS_MAX / 1_000} s`;
      throw new ConflictError({ rows: [], because, cause: error });
    }
    throw new InputError({
      code: "not-permitted",
      message: `relying firmly takes a right to lock: grant maintain on ${list} (${messageOf(error)})`,
      cause: error,
    });
  }
}

const LOCKED = "55P03";
const DENIED = "42501";
