import { createHash } from "node:crypto";
import type { Column, Table } from "../../postgres/index.ts";
import type { TableAccess } from "../../changes/index.ts";

/** What can be done with a column's values, which decides its operators and how they are read. */
export type Kind =
  | ("integer" | "bigint" | "numeric" | "float" | "boolean" | "text" | "enum")
  | ("ordered" | "equal" | "array" | "jsonb" | "opaque");

/** A column as the tools of its table know it. */
export type ColumnPlan = {
  readonly column: Column;
  /** Its name in inputs and results: the column's own, unless providers of models would refuse that. */
  readonly key: string;
  readonly kind: Kind;
};

/** A way from a row to rows of another table, along a foreign key. */
export type Relation = {
  readonly name: string;
  readonly target: string;
  /** Whether there may be several rows at the other end. */
  readonly many: boolean;
  readonly from: readonly string[];
  readonly to: readonly string[];
};

/** Everything that the tools of one table are made from. */
export type TablePlan = {
  readonly table: Table;
  readonly access: TableAccess;
  /** What follows `find_` and the like. */
  readonly name: string;
  readonly columns: readonly ColumnPlan[];
  readonly primaryKey: readonly ColumnPlan[];
  readonly relations: readonly Relation[];
};

/** Plans of tables by `schema.table`. */
export type Plans = ReadonlyMap<string, TablePlan>;

/** A tool's name may have 64 characters with all providers; `aggregate_` takes 10 of them. */
const NAME_CHARS_MAX = 54;
const KEY_CHARS_MAX = 64;
const HASH_CHARS = 8;

/** Plans the tools of the tables declared, and nothing of any other. */
export function planTables(
  tables: readonly Table[],
  access: { readonly [table: string]: TableAccess },
): Plans {
  const names = toolNames(tables);
  const bare = tables.map((table): Omit<TablePlan, "relations"> => {
    const columns = plannedColumns(table);
    const primaryKey = table.primaryKey.columns.flatMap((name) =>
      columns.filter((one) => one.column.name === name),
    );
    const parts = { columns, primaryKey, name: names.get(table.name) ?? table.table };
    return { table, access: access[table.name] ?? "read", ...parts };
  });
  return new Map(
    bare.map((plan) => [plan.table.name, { ...plan, relations: relationsOf(plan, bare) }] as const),
  );
}

/** Two tables of the same name in different schemas are told apart by their schemas. */
function toolNames(tables: readonly Table[]): ReadonlyMap<string, string> {
  const short = Map.groupBy(tables, (table) => plainWord(table.table));
  const taken = new Set<string>();
  return new Map(
    tables.map((table) => {
      const alone = (short.get(plainWord(table.table)) ?? []).length === 1;
      const wanted = alone ? table.table : `${table.schema}_${table.table}`;
      return [table.name, unused(plainWord(wanted), taken, NAME_CHARS_MAX)];
    }),
  );
}

function plannedColumns(table: Table): readonly ColumnPlan[] {
  const taken = new Set<string>();
  return table.columns.map((column) => {
    const plain = /^[A-Za-z0-9_.-]{1,64}$/.test(column.name) ? column.name : plainWord(column.name);
    return { column, key: unused(plain, taken, KEY_CHARS_MAX), kind: kindOf(column) };
  });
}

type Bare = Omit<TablePlan, "relations">;

function relationsOf(plan: Bare, all: readonly Bare[]): readonly Relation[] {
  const taken = new Set(plan.columns.map((one) => one.key));
  const planned = (name: string): Bare | undefined => all.find((one) => one.table.name === name);
  const named = (name: string): string => unused(plainWord(name), taken, KEY_CHARS_MAX);
  const outward = plan.table.foreignKeys.flatMap(({ columns, target, targetColumns }): Relation[] => {
    const other = planned(target);
    if (other === undefined) return [];
    const [only, ...more] = columns;
    const name = more.length === 0 && only?.endsWith("_id") === true ? only.slice(0, -3) : other.name;
    return [{ name: named(name), target, many: false, from: columns, to: targetColumns }];
  });
  const inward = all.flatMap((other) => {
    const keys = other.table.foreignKeys.filter((key) => key.target === plan.table.name);
    return keys.map(({ columns, targetColumns }): Relation => {
      const name = keys.length === 1 ? other.name : `${other.name}_by_${columns.join("_")}`;
      const many = !isUnique(other.table, columns);
      return { name: named(name), target: other.table.name, many, from: targetColumns, to: columns };
    });
  });
  return [...outward, ...inward];
}

function isUnique(table: Table, columns: readonly string[]): boolean {
  return [table.primaryKey, ...table.uniques].some((key) =>
    key.columns.every((name) => columns.includes(name)),
  );
}

function plainWord(name: string): string {
  return name.normalize("NFKD").replaceAll(/[^A-Za-z0-9_]+/g, "_") || "_";
}

/** The name, shortened and told apart from those taken by a hash where it must be; it is then taken, too. */
function unused(wanted: string, taken: Set<string>, charsMax: number): string {
  let name = wanted;
  for (let tried = 0; name.length > charsMax || taken.has(name); tried += 1) {
    const hash = createHash("sha256").update(`${wanted} ${tried}`).digest("hex").slice(0, HASH_CHARS);
    name = `${wanted.slice(0, charsMax - HASH_CHARS - 1)}_${hash}`;
  }
  taken.add(name);
  return name;
}

const KINDS: { readonly [base: string]: Kind } = {
  ...{ smallint: "integer", integer: "integer", bigint: "bigint", numeric: "numeric" },
  ...{ real: "float", "double precision": "float", boolean: "boolean", jsonb: "jsonb" },
  ...{ text: "text", "character varying": "text", character: "text", name: "text" },
  ...{ date: "ordered", "timestamp with time zone": "ordered", "timestamp without time zone": "ordered" },
  ...{ "time with time zone": "ordered", "time without time zone": "ordered", interval: "ordered" },
  ...{ money: "ordered", inet: "ordered", uuid: "equal", cidr: "equal", macaddr: "equal", bytea: "equal" },
};

function kindOf({ type }: Column): Kind {
  if (type.array) return "array";
  if (type.enumValues !== undefined) return "enum";
  return KINDS[type.base] ?? (type.base.endsWith(".citext") ? "text" : "opaque");
}
