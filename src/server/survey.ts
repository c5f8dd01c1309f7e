import { InputError } from "../kernel/index.ts";
import { introspect, listTables, openDatabase, type Table } from "../postgres/index.ts";

/** A user's database as `factotum init` sees it before anything of ours is in it. */
export type Survey = {
  /** Every table there is, as `schema.table`. */
  readonly names: readonly string[];
  /** The chosen ones. */
  readonly tables: readonly Table[];
  /** Tables that the chosen ones refer to, as far as they have a primary key. */
  readonly referred: readonly Table[];
};

/**
 * Looks at a database without writing anything to it.
 *
 * @param chosen `schema.table` each; a bare name means schema `public`
 * @throws what `openDatabase` and `introspect` throw: a wrong address, a missing table or primary key
 */
export async function surveyDatabase(url: string, chosen: readonly string[]): Promise<Survey> {
  const db = await openDatabase({ kind: "url", url });
  try {
    const names = await listTables(db);
    const tables = await introspect(db, chosen);
    const own = new Set(tables.map((table) => table.name));
    const targets = tables.flatMap((table) => table.foreignKeys.map((key) => key.target));
    const referred: Table[] = [];
    for (const target of new Set(targets.filter((name) => !own.has(name)))) {
      referred.push(...(await tryIntrospect(() => introspect(db, [target]))));
    }
    return { names, tables, referred };
  } finally {
    await db.close();
  }
}

async function tryIntrospect(look: () => Promise<readonly Table[]>): Promise<readonly Table[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof InputError) return [];
    throw error;
  }
}
