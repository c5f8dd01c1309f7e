import { InputError, must } from "../kernel/index.ts";
import type { Transaction } from "./connections.ts";
import { COLUMNS_SQL, CONSTRAINTS_SQL, NAMES_SQL, TABLES_SQL } from "./introspect-sql.ts";

/** What a table is to Postgres; agents may write to all but views. */
export type TableKind = "table" | "partitioned" | "view" | "materialized-view" | "foreign";

/** The type of a column, resolved far enough to choose a validator for it. */
export type ColumnType = {
  /** As written in DDL: `numeric(10,2)`, `text[]`, `app.status`. */
  readonly name: string;
  /** The type below domains and arrays, schema-less for built-in ones: `numeric`, `text`, `app.status`. */
  readonly base: string;
  /** Dimensions are not kept by Postgres, so any array is just an array. */
  readonly array: boolean;
  /** Labels in order, for an enum or an array of one. */
  readonly enumValues?: readonly string[];
  /** Set when the column's type is a domain: all checks down to its base, as DDL, and its comment. */
  readonly domain?: { readonly name: string; readonly checks: readonly string[]; readonly comment?: string };
};

/** A column, with everything that decides what may be written to it. */
export type Column = {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** The default expression as DDL. */
  readonly default?: string;
  /** `always` refuses written values; `by default` makes one when none is written. */
  readonly identity?: "always" | "by default";
  /** The expression of a generated column, which cannot be written. */
  readonly generated?: string;
  readonly comment?: string;
};

/** A constraint that names columns. */
export type KeyConstraint = { readonly name: string; readonly columns: readonly string[] };

/** A reference to another table's row. */
export type ForeignKey = KeyConstraint & {
  /** The target as "schema.table", and its columns in the order of `columns`. */
  readonly target: string;
  readonly targetColumns: readonly string[];
  readonly onDelete: ForeignKeyAction;
  readonly onUpdate: ForeignKeyAction;
  readonly comment?: string;
};

/** What happens to the row when its target goes. */
export type ForeignKeyAction = "no action" | "restrict" | "cascade" | "set null" | "set default";

/** A condition on the row, as DDL: `CHECK ((starts_at < ends_at))`. */
export type CheckConstraint = {
  readonly name: string;
  readonly definition: string;
  readonly columns: readonly string[];
  readonly comment?: string;
};

/** An exclusion constraint, as DDL. */
export type ExclusionConstraint = { readonly name: string; readonly definition: string };

/** A table as the live database describes it. */
export type Table = {
  /** "schema.table", unquoted. */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly kind: TableKind;
  readonly comment?: string;
  readonly columns: readonly Column[];
  readonly primaryKey: KeyConstraint;
  /** Unique constraints and unconditional unique indexes on plain columns. */
  readonly uniques: readonly KeyConstraint[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly checks: readonly CheckConstraint[];
  readonly exclusions: readonly ExclusionConstraint[];
  /** Row-level security is on: what a query sees depends on the user. */
  readonly rowSecurity: boolean;
};

type TableRow = Omit<
  Table,
  "columns" | "primaryKey" | "uniques" | "foreignKeys" | "checks" | "exclusions"
> & {
  readonly oid: string;
};
type ColumnRow = {
  readonly oid: string;
  readonly name: string;
  readonly type: string;
  readonly base: string;
  readonly array: boolean;
  readonly enum_values: readonly string[] | null;
  readonly domain: string | null;
  readonly domain_checks: readonly string[] | null;
  readonly domain_comment: string | null;
  readonly nullable: boolean;
  readonly default: string | null;
  readonly identity: "always" | "by default" | null;
  readonly generated: string | null;
  readonly comment: string | null;
};
type ConstraintRow = {
  readonly oid: string;
  readonly kind: "p" | "u" | "f" | "c" | "x";
  readonly name: string;
  readonly definition: string;
  readonly columns: readonly string[];
  readonly target: string | null;
  readonly target_columns: readonly string[];
  readonly on_delete: ForeignKeyAction | null;
  readonly on_update: ForeignKeyAction | null;
  readonly comment: string | null;
};

/**
 * Reads the named tables from the catalogue, in the order asked.
 *
 * @param tables "schema.table" each; a bare "table" means schema `public`
 * @throws {InputError} `table-missing` with names that come near, `not-a-table` for a view, and
 * `primary-key-missing`, because a row without a key cannot be staged, shown or undone
 */
export async function introspect(
  tx: Pick<Transaction, "query">,
  tables: readonly string[],
): Promise<readonly Table[]> {
  const names = tables.map((name) => (name.includes(".") ? name : `public.${name}`));
  const found = await tx.query<TableRow>(TABLES_SQL, [names]);
  const byName = new Map(found.rows.map((row) => [row.name, row]));
  const missing = names.filter((name) => !byName.has(name));
  if (missing.length > 0) throw await missingTable(tx, missing);
  const oids = found.rows.map((row) => row.oid);
  const columns = Map.groupBy((await tx.query<ColumnRow>(COLUMNS_SQL, [oids])).rows, (row) => row.oid);
  const keys = Map.groupBy((await tx.query<ConstraintRow>(CONSTRAINTS_SQL, [oids])).rows, (row) => row.oid);
  return names.map((name) => {
    const row = must(byName.get(name), `table ${name}`);
    return tableOf(row, columns.get(row.oid) ?? [], keys.get(row.oid) ?? []);
  });
}

/** Every table and view of the schemas that are not the system's or ours, as "schema.table". */
export async function listTables(tx: Pick<Transaction, "query">): Promise<readonly string[]> {
  const { rows } = await tx.query<{ name: string }>(NAMES_SQL);
  return rows.map((row) => row.name);
}

function tableOf(row: TableRow, columns: readonly ColumnRow[], constraints: readonly ConstraintRow[]): Table {
  const of = (kind: ConstraintRow["kind"]) => constraints.filter((constraint) => constraint.kind === kind);
  const primaryKey = of("p")[0];
  if (row.kind === "view" || row.kind === "materialized-view" || row.kind === "foreign") {
    throw new InputError({
      code: "not-a-table",
      message: `${row.name} is a ${row.kind.replace("-", " ")}; name the tables below it instead`,
    });
  }
  if (primaryKey === undefined) {
    throw new InputError({
      code: "primary-key-missing",
      message:
        `${row.name} has no primary key, so its rows cannot be told apart; ` +
        `add one with "alter table ${row.name} add primary key (...)", or leave the table out`,
    });
  }
  return {
    ...{ name: row.name, schema: row.schema, table: row.table, kind: row.kind, rowSecurity: row.rowSecurity },
    ...commented(row.comment),
    columns: columns.map(columnOf),
    primaryKey: keyOf(primaryKey),
    uniques: of("u").map(keyOf),
    foreignKeys: of("f").map(foreignKeyOf),
    checks: of("c").map(({ name, definition, columns: on, comment }) => ({
      ...{ name, definition, columns: on },
      ...commented(comment),
    })),
    exclusions: of("x").map(({ name, definition }) => ({ name, definition })),
  };
}

function columnOf(row: ColumnRow): Column {
  return {
    name: row.name,
    type: {
      ...{ name: row.type, base: row.base, array: row.array },
      ...(row.enum_values !== null && { enumValues: row.enum_values }),
      ...(row.domain !== null && {
        domain: { name: row.domain, checks: row.domain_checks ?? [], ...commented(row.domain_comment) },
      }),
    },
    nullable: row.nullable,
    ...(row.default !== null && { default: row.default }),
    ...(row.identity !== null && { identity: row.identity }),
    ...(row.generated !== null && { generated: row.generated }),
    ...commented(row.comment),
  };
}

function keyOf({ name, columns }: ConstraintRow): KeyConstraint {
  return { name, columns };
}

function foreignKeyOf(row: ConstraintRow): ForeignKey {
  return {
    ...keyOf(row),
    target: must(row.target, `the target of ${row.name}`),
    targetColumns: row.target_columns,
    onDelete: row.on_delete ?? "no action",
    onUpdate: row.on_update ?? "no action",
    ...commented(row.comment),
  };
}

function commented(comment: string | null | undefined): { comment?: string } {
  return comment === null || comment === undefined ? {} : { comment };
}

const NEAR_MAX = 3;

async function missingTable(tx: Pick<Transaction, "query">, missing: readonly string[]): Promise<InputError> {
  const all = await listTables(tx);
  const sentences = missing.map((name) => {
    const near = nearest(name, all);
    return near.length === 0 ? name : `${name} (did you mean ${near.join(" or ")}?)`;
  });
  return new InputError({
    code: "table-missing",
    message:
      `no such table: ${sentences.join(", ")}; ` +
      `name tables as "schema.table", one of the ${all.length} of this database`,
  });
}

/** The names at the smallest edit distance, if that is small for the length. */
function nearest(name: string, all: readonly string[]): readonly string[] {
  const scored = all
    .map((other) => ({ other, far: Math.min(distance(name, other), distance(bare(name), bare(other))) }))
    .filter(({ far }) => far <= Math.max(2, Math.floor(bare(name).length / 3)))
    .sort((a, b) => a.far - b.far || (a.other < b.other ? -1 : 1));
  return scored.slice(0, NEAR_MAX).map(({ other }) => other);
}

function bare(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

/** Levenshtein's, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_unused, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
