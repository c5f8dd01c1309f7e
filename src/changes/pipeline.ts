import { createHash } from "node:crypto";
import type { ClientBase, QueryResult } from "pg";
import { sendTogether } from "../postgres/index.ts";

/** One statement; prepared once on a connection and then known there by name. */
export type Statement = {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Somebody else's text, whose number has no bound: not prepared; rows come as arrays of Postgres text. */
  readonly foreign?: true;
  /** Ours, but sent without a name. */
  readonly once?: true;
};

/** What came back of one statement. */
export type Answer = QueryResult<Record<string, unknown>>;

/** Sends statements in one round trip, whatever connection that is on. */
export type Send = (statements: readonly Statement[]) => Promise<readonly Answer[]>;

const names = new Map<string, string>();
/** Statement texts vary by table only; a process that outgrows this forgets names, not correctness. */
const NAMES_MAX = 5_000;

/**
 * Sends statements in one network round trip. Each is executed even when one before it failed, which
 * inside a transaction means that it fails too, but for a rollback at the end.
 *
 * @param send the client's own `query`, past whatever guards the client a tool sees
 * @throws the first statement's error, after all have been answered
 */
export async function pipeline(
  client: ClientBase,
  statements: readonly Statement[],
  send: ClientBase["query"] = client.query.bind(client),
): Promise<readonly Answer[]> {
  const configs = statements.map(({ text, values = [], foreign, once }) => {
    const as = foreign === true ? AS_TEXT : once === true ? EXTENDED : { name: nameOf(text) };
    return { ...as, text, values: [...values] };
  });
  const settled = await sendTogether(client, configs, send);
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

const EXTENDED = { queryMode: "extended" };
/** How a foreign statement is sent: the extended protocol takes one statement only. */
const AS_TEXT = {
  rowMode: "array",
  queryMode: "extended",
  types: { getTypeParser: () => String },
};

function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  if (names.size >= NAMES_MAX) names.clear();
  const name = `factotum_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
  names.set(text, name);
  return name;
}
