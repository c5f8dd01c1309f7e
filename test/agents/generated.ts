/** Generated tools on a database of the test's own. */
import { generateTools, type TableAccess, type Tool } from "factotum/agents";
import { introspect, type Database, type Transaction } from "factotum/postgres";
import type { Json, RunId } from "factotum/kernel";

const context = { runId: "1" as RunId, input: null, at: new Date(0) };

/** Tools by name, and a way to call them in one transaction. */
export type Generated = {
  readonly tools: ReadonlyMap<string, Tool>;
  /** Calls a tool; what it throws leaves the transaction usable. */
  call(tx: Transaction, name: string, input: object): Promise<Answer>;
};
/** What a generated tool answers. */
type Answer = { readonly [name: string]: Json } & {
  readonly rows?: readonly { readonly [column: string]: Json }[];
};

/** Generates the tools of the given tables, as they now are. */
export async function generate(
  db: Database,
  access: { readonly [table: string]: TableAccess },
): Promise<Generated> {
  const tables = await db.transaction((tx) => introspect(tx, Object.keys(access)));
  const tools = new Map(generateTools(tables, access).map((one) => [one.name, one]));
  return {
    tools,
    async call(tx, name, input) {
      const found = tools.get(name);
      if (found === undefined) throw new Error(`no tool ${name} among ${[...tools.keys()].join(", ")}`);
      await tx.query("savepoint one");
      try {
        return (await found.call(tx, input as Json, context)) as Answer;
      } catch (error) {
        await tx.query("rollback to savepoint one");
        throw error;
      }
    },
  };
}
