import type { PoolClient } from "pg";
import { giveClient, overClient, transactionEnded, type Transaction } from "./connections.ts";
import { isConnectionFault, PostgresError, translated } from "./errors.ts";
import { sendTogether } from "./pipeline.ts";

/** A statement that is planned once on each connection, and then known there by its name. */
export type Prepared = { readonly name: string; readonly text: string; readonly values: readonly unknown[] };

/** The first statement of a deferred transaction, sent together with its `begin`. */
export type Opening<R extends object> = Prepared & {
  /** Judges what the statement answered; what it throws ends the transaction, and nothing is kept. */
  readonly opened: (rows: readonly R[]) => void;
};

/**
 * What a deferred transaction does.
 *
 * @param begin begins now, if no use of `tx` did
 * @returns its last statement
 */
export type DeferredWork = (tx: Transaction, begin: () => Promise<void>) => Promise<Prepared>;

/** What became of a deferred transaction: its last statement's rows, or that statement if none was begun. */
export type Deferred<R extends object> =
  | { readonly kind: "kept"; readonly rows: readonly R[] }
  | { readonly kind: "unbegun"; readonly last: Prepared };

/** The connection was found dead before anything reached it: another one will do. */
export class DeadConnection extends Error {}

/** Commits or rolls back, and gives the client back: for reuse, or closed where its state is in doubt. */
export async function runInside<T>(client: PoolClient, fn: (tx: Transaction) => Promise<T>): Promise<T> {
  const { tx, end } = overClient(client);
  let doubt: unknown;
  try {
    const result = await fn(tx);
    end();
    await commit(client);
    return result;
  } catch (error) {
    const thrown = translated(error);
    end();
    doubt = await doubtAfter(client, thrown);
    throw thrown;
  } finally {
    giveClient(client, doubt);
  }
}

/**
 * One deferred transaction on a client in hand; see `Database.deferred`.
 *
 * @throws {DeadConnection} when not even its opening got through; the client is closed
 */
export async function runDeferred<O extends object, L extends object>(
  client: PoolClient,
  opening: Opening<O>,
  work: DeferredWork,
): Promise<Deferred<L>> {
  const { tx, end } = overClient(client);
  let begun: Promise<void> | undefined;
  let over = false;
  const begin = async (): Promise<void> => {
    if (over) throw transactionEnded();
    await (begun ??= open(client, opening));
  };
  const late: Transaction = {
    get client() {
      // Its statements follow the opening in the connection's own order; a refusal shows at the end.
      begin().catch(() => {});
      return client;
    },
    query: async (sql, params) => {
      await begin();
      return await tx.query(sql, params);
    },
  };
  let doubt: unknown;
  try {
    const last = await work(late, begin);
    over = true;
    end();
    await begun; // A refused opening counts even where the work hid it.
    if (begun === undefined) return { kind: "unbegun", last };
    return { kind: "kept", rows: (await sendLast(client, last)) as readonly L[] };
  } catch (error) {
    const thrown = translated(error);
    over = true;
    end();
    doubt = error instanceof DeadConnection ? error : await doubtAfter(client, thrown);
    throw thrown;
  } finally {
    giveClient(client, doubt);
  }
}

async function open<O extends object>(client: PoolClient, opening: Opening<O>): Promise<void> {
  const { opened, name, text, values } = opening;
  const both = [{ text: "begin isolation level read committed" }, { name, text, values: [...values] }];
  const answers = await sendTogether(client, both);
  for (const answer of answers) {
    if (answer.status === "fulfilled") continue;
    if (isConnectionFault(answer.reason)) throw new DeadConnection("lost", { cause: answer.reason });
    throw translated(answer.reason);
  }
  const answer = answers[1];
  opened((answer?.status === "fulfilled" ? answer.value.rows : []) as readonly O[]);
}

/** One prepared statement on its own; see `Database.statement`. */
export async function runAlone<L extends object>(
  client: PoolClient,
  statement: Prepared,
): Promise<readonly L[]> {
  let doubt: unknown;
  try {
    return (await sendAlone(client, statement)) as readonly L[];
  } catch (error) {
    const thrown = translated(error);
    if (isConnectionFault(thrown) || isCommitUnknown(thrown)) doubt = thrown;
    throw thrown;
  } finally {
    giveClient(client, doubt);
  }
}

/** A transaction of its own: kept when it is answered. */
async function sendAlone(client: PoolClient, { name, text, values }: Prepared): Promise<readonly object[]> {
  try {
    return (await client.query<object>({ name, text, values: [...values] })).rows;
  } catch (error) {
    throw isConnectionFault(error) ? commitUnknown(error) : error;
  }
}

/** With the commit behind it in one round trip; Postgres makes that a rollback where the statement failed. */
async function sendLast(client: PoolClient, { name, text, values }: Prepared): Promise<readonly object[]> {
  const [last, end] = await sendTogether(client, [{ name, text, values: [...values] }, { text: "commit" }]);
  for (const answer of [last, end]) {
    if (answer?.status !== "rejected") continue;
    throw isConnectionFault(answer.reason) ? commitUnknown(answer.reason) : answer.reason;
  }
  if (last?.status !== "fulfilled" || end?.status !== "fulfilled") throw aborted();
  if (end.value.command === "ROLLBACK") throw aborted();
  return last.value.rows;
}

async function commit(client: PoolClient): Promise<void> {
  let command: string;
  try {
    command = (await client.query("commit")).command;
  } catch (error) {
    throw isConnectionFault(error) ? commitUnknown(error) : error;
  }
  // Postgres answers COMMIT of a failed transaction with ROLLBACK, not with an error.
  if (command === "ROLLBACK") throw aborted();
}

/** Rolls back what is open; a rollback that cannot get through is as good: the connection is closed. */
async function doubtAfter(client: PoolClient, thrown: unknown): Promise<unknown> {
  if (isConnectionFault(thrown) || isCommitUnknown(thrown)) return thrown;
  if (client.getTransactionStatus() === "I") return undefined;
  try {
    await client.query("rollback");
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Whether the connection was lost while committing, so that what was done may be kept or not. */
export function isCommitUnknown(error: unknown): boolean {
  return error instanceof PostgresError && error.code === "commit-unknown";
}

function commitUnknown(cause: unknown): PostgresError {
  return new PostgresError({
    code: "commit-unknown",
    retry: "later",
    message:
      "the connection to Postgres was lost while committing: the transaction may or may not be kept; " +
      "read what is there before doing it again",
    cause,
  });
}

function aborted(): PostgresError {
  return new PostgresError({
    code: "transaction-aborted",
    retry: "never",
    message:
      "a statement failed inside the transaction and its error was swallowed, so Postgres kept nothing; " +
      "let the error through, or use a savepoint",
  });
}
