import { type ClientBase, Query } from "pg";
import type { Transaction } from "./connections.ts";
import { translated } from "./errors.ts";

/** The driver's own ways to feed a COPY, which its types do not show. */
type Feeding = { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void };

/** A query of the driver that has its data ready: a stream would only carry a text that is there already. */
class CopyQuery extends Query {
  readonly #text: string;

  constructor(sql: string, text: string, done: (error: Error | undefined) => void) {
    super(sql, done);
    this.#text = text;
  }

  handleCopyInResponse(connection: Feeding): void {
    connection.sendCopyFromChunk(Buffer.from(this.#text));
    connection.endCopyFrom();
  }
}

/**
 * Sends rows by COPY, which parses and writes them at a fraction of the cost of parameters.
 *
 * @param sql statements of which one is a `copy … from stdin`, sent and executed together
 * @param rows lines in COPY's text format; see `copyText`
 * @throws {PostgresError}
 */
export async function copyIn(tx: Pick<Transaction, "client">, sql: string, rows: string): Promise<void> {
  const client: ClientBase = tx.client;
  await new Promise<void>((resolve, reject) => {
    client.query(new CopyQuery(sql, rows, (error) => (error ? reject(translated(error)) : resolve())));
  });
}

/** A value in COPY's text format, in which tabs part the columns and line feeds the rows. */
export function copyText(value: string): string {
  if (!SPECIAL.test(value)) return value;
  return value.replaceAll(/[\\\t\n\r]/g, (special) => ESCAPES[special] ?? special);
}

const SPECIAL = /[\\\t\n\r]/;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
