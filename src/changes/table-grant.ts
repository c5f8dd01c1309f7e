/** What an agent may do with a table: read it, or stage changes to it too. */
export type TableAccess = "read" | "write";

/** What an agent may do with some of the columns and rows of a table. */
export type TableGrant = {
  readonly access: TableAccess;
  /**
   * Columns by name: those it may read, and those it may set. Without, all of them. Where `write` is given,
   * rows cannot be deleted, since that would take every column away.
   */
  readonly columns?: { readonly read?: readonly string[]; readonly write?: readonly string[] };
  /**
   * A condition in SQL over the table's columns, such as `tenant_id = factotum.tenant()`: other rows are not
   * there for the agent, and it cannot make any. Its tools find the table by its name without the schema.
   */
  readonly rows?: string;
};

/** The tables of an agent, as `schema.table`. */
export type Tables = { readonly [table: string]: TableAccess | TableGrant };

/** What an agent declares, as far as its role is made from it. */
export type Declared = {
  readonly name: string;
  readonly tables: Tables;
  /** Channels it may `emit` to. */
  readonly effects?: readonly string[];
};

/** The long form of a declaration. */
export function grantOf(table: TableAccess | TableGrant): TableGrant {
  return typeof table === "string" ? { access: table } : table;
}

/** The tables that a declaration lets an agent write. */
export function writable(tables: Tables): readonly string[] {
  return Object.entries(tables).flatMap(([name, table]) => (grantOf(table).access === "write" ? [name] : []));
}
