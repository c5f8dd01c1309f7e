import { sameKey, type TableChange } from "./apply.ts";
import type { RowChange } from "./change-set.ts";
import type { Statement } from "./pipeline.ts";
import { parseRecord } from "./record.ts";
import { type Deferrable, keyColumns, type Relation } from "./relation.ts";

/**
 * What replica mode leaves unchecked, since Postgres checks it by triggers: foreign keys, and unique and
 * exclusion constraints that are deferrable. An orphan was committed before these checks were made here.
 */
export type ReplicaCheck = Statement & {
  /** What a row in the answer means. */
  readonly meaning: (row: { readonly key: string; readonly other: string | null }) => string;
  readonly table: string;
};

/** A foreign key, with the names quoted for SQL; `child` and `parent` as FROM takes them. */
export type ForeignKey = {
  readonly name: string;
  readonly childOid: string;
  readonly childName: string;
  readonly child: string;
  readonly childKey: readonly string[];
  readonly parentOid: string;
  readonly parentName: string;
  readonly parent: string;
  readonly childColumns: readonly string[];
  readonly parentColumns: readonly string[];
  /** Operators parent = child and parent = parent. */
  readonly toChild: readonly string[];
  readonly toParent: readonly string[];
};

const operators = (
  list: string,
): string => `(select json_agg(format('operator(%I.%s)', s.nspname, o.oprname) order by k.at)
    from unnest(${list}) with ordinality k(op, at)
    join pg_operator o on o.oid = k.op join pg_namespace s on s.oid = o.oprnamespace)`;
const columns = (list: string, oid: string): string => `(select json_agg(quote_ident(a.attname) order by k.at)
    from unnest(${list}) with ordinality k(attnum, at)
    join pg_attribute a on a.attrelid = ${oid} and a.attnum = k.attnum)`;

/** A table as a foreign key means it: without those that inherit from it, with its own partitions. */
const tableOf = (table: string, schema: string): string =>
  `case ${table}.relkind when 'p' then '' else 'only ' end
    || format('%I.%I', ${schema}.nspname, ${table}.relname)`;

/** Foreign keys from or to tables; $1 schemas and $2 names in pairs. Partitions count as their table. */
export const READ_FOREIGN_KEYS = `
with touched as (
  select k.oid from unnest($1::text[], $2::text[]) w(schema, name)
    join pg_namespace s on s.nspname = w.schema
    join pg_class k on k.relnamespace = s.oid and k.relname = w.name),
wide as (select oid from touched union select pg_partition_root(oid) from touched)
select json_build_object(
  'name', f.conname,
  'childOid', c.oid::text, 'childName', cn.nspname || '.' || c.relname,
  'child', ${tableOf("c", "cn")},
  'childKey', coalesce((select ${columns("i.indkey::int2[]", "c.oid")} from pg_index i
    where i.indrelid = c.oid and i.indisprimary), '[]'),
  'parentOid', p.oid::text, 'parentName', pn.nspname || '.' || p.relname,
  'parent', ${tableOf("p", "pn")},
  'childColumns', ${columns("f.conkey", "c.oid")}, 'parentColumns', ${columns("f.confkey", "p.oid")},
  'toChild', ${operators("f.conpfeqop")}, 'toParent', ${operators("f.conppeqop")}) as key
from pg_constraint f
join pg_class c on c.oid = f.conrelid join pg_namespace cn on cn.oid = c.relnamespace
join pg_class p on p.oid = f.confrelid join pg_namespace pn on pn.oid = p.relnamespace
where f.contype = 'f' and f.conparentid = 0
  and (f.conrelid in (select oid from wide) or f.confrelid in (select oid from wide))
order by f.oid`;

/** The checks that a change needs after it was applied in replica mode. */
export function replicaChecks(
  changes: readonly TableChange[],
  keys: readonly ForeignKey[],
): {
  readonly locks: readonly Statement[];
  readonly checks: readonly ReplicaCheck[];
  readonly fresh: boolean;
} {
  const children: ReplicaCheck[] = [];
  const parents: ReplicaCheck[] = [];
  const uniques: ReplicaCheck[] = [];
  const locks: Statement[] = [];
  for (const { relation, rows } of changes) {
    for (const key of keys) {
      const came = isOneOf(relation, key.childOid)
        ? differing(relation, rows, key.childColumns, "after")
        : [];
      if (came.length > 0) children.push(parentPresent(relation, came, key));
      const left = isOneOf(relation, key.parentOid)
        ? differing(relation, rows, key.parentColumns, "before")
        : [];
      if (left.length > 0) parents.push(noChildLeft(relation, left, key));
    }
    const made = rows.filter((row) => row.after !== null);
    const late = relation.deferrable.filter((one) => one.columns.length > 0);
    if (made.length === 0 || late.length === 0) continue;
    // Nobody may add the same value unseen between our check and our commit.
    locks.push({ text: `lock table ${relation.sql} in share row exclusive mode` });
    uniques.push(...late.map((one) => stillUnique(relation, made, one)));
  }
  const fresh = parents.length > 0 || uniques.length > 0;
  return { locks, checks: [...children, ...parents, ...uniques], fresh };
}

/** Whether a change deletes or renames rows that some foreign key may point to. */
export function losesParents(changes: readonly TableChange[], keys: readonly ForeignKey[]): boolean {
  return changes.some(({ relation, rows }) =>
    keys.some(
      (key) =>
        isOneOf(relation, key.parentOid) && differing(relation, rows, key.parentColumns, "before").length > 0,
    ),
  );
}

/**
 * What comes before a delete of parents while triggers are on: a lock, so that nobody adds a child, and a
 * look for children left over, which a cascade would take along unseen.
 */
export function deleteGuards(
  { relation, rows }: TableChange,
  keys: readonly ForeignKey[],
): readonly { readonly lock: Statement; readonly check: ReplicaCheck }[] {
  return keys.flatMap((key) => {
    // Children in the same table go in the same statement; a cascade among them is recaptured.
    if (!isOneOf(relation, key.parentOid) || isOneOf(relation, key.childOid)) return [];
    const gone = rows.filter((row) => row.after === null);
    if (gone.length === 0) return [];
    const lock = {
      text: `select from only ${relation.sql} t join ${images(relation)} on ${sameKey(relation, "x.image")}
        for update of t`,
      values: imageValues(gone, "before"),
    };
    return [{ lock, check: noChildLeft(relation, gone, key, "") }];
  });
}

function isOneOf(relation: Relation, oid: string): boolean {
  return relation.oid === oid || relation.rootOid === oid;
}

/** Rows present on one side whose values in `columns` (quoted) are not the same on the other. */
function differing(
  relation: Relation,
  rows: readonly RowChange[],
  columnsSql: readonly string[],
  side: "before" | "after",
): readonly RowChange[] {
  const at = columnsSql.map((sql) => relation.columns.findIndex((column) => column.sql === sql));
  const pick = (image: string | null): string | null => {
    if (image === null) return null;
    const values = parseRecord(image);
    return JSON.stringify(at.map((position) => values[position] ?? null));
  };
  return rows.filter((row) => row[side] !== null && pick(row.before) !== pick(row.after));
}

/** `x.key` and `x.image` of rows, the image read as a row of the table. */
function images(relation: Relation): string {
  return `(select i.key, i.image::${relation.sql} as image
    from unnest($1::text[], $2::text[]) i(key, image) offset 0) x`;
}

function imageValues(rows: readonly RowChange[], side: "before" | "after"): unknown[] {
  return [rows.map((row) => row.key), rows.map((row) => row[side])];
}

function match(left: readonly string[], comparison: readonly string[], right: readonly string[]): string {
  return left.map((value, at) => `${value} ${comparison[at] ?? "="} ${right[at]}`).join(" and ");
}

const of = (row: string, names: readonly string[]): string[] => names.map((name) => `${row}.${name}`);

function parentPresent(relation: Relation, rows: readonly RowChange[], key: ForeignKey): ReplicaCheck {
  const mine = of("(x.image)", key.childColumns);
  return {
    text: `select x.key, null as other from ${images(relation)}
      where ${mine.map((value) => `${value} is not null`).join(" and ")}
        and not exists (select from ${key.parent} p
          where ${match(of("p", key.parentColumns), key.toChild, mine)} for key share)`,
    values: imageValues(rows, "after"),
    table: relation.name,
    meaning: () => `the row of ${key.parentName} it refers to is gone (${key.name})`,
  };
}

/** @param unless SQL that excuses a child, such as another parent with the same values */
function noChildLeft(
  relation: Relation,
  rows: readonly RowChange[],
  key: ForeignKey,
  unless: string = otherParent(key),
): ReplicaCheck {
  const mine = of("(x.image)", key.parentColumns);
  const children = `from ${key.child} c where ${match(mine, key.toChild, of("c", key.childColumns))}`;
  const which = key.childKey.length === 0 ? "c.ctid::text" : `row(${of("c", key.childKey).join(", ")})::text`;
  return {
    text: `select x.key, (select ${which} ${children} limit 1) as other from ${images(relation)}
      where exists (select ${children}) ${unless}`,
    values: imageValues(rows, "before"),
    table: relation.name,
    meaning: ({ other }) => `is still referred to by ${key.childName} ${other ?? ""} (${key.name})`,
  };
}

function otherParent(key: ForeignKey): string {
  const same = match(of("p", key.parentColumns), key.toParent, of("(x.image)", key.parentColumns));
  return `and not exists (select from ${key.parent} p where ${same})`;
}

function stillUnique(relation: Relation, rows: readonly RowChange[], late: Deferrable): ReplicaCheck {
  const key = keyColumns(relation).map((column) => `a.${column.sql} = (x.image).${column.sql}`);
  return {
    text: `select x.key, null as other from ${images(relation)}
      where exists (select from only ${relation.sql} a join only ${relation.sql} b
        on a.ctid <> b.ctid and ${match(of("a", late.columns), late.operators, of("b", late.columns))}
        where ${key.join(" and ")})`,
    values: imageValues(rows, "after"),
    table: relation.name,
    meaning: () => `another row stands in its way (${late.sql})`,
  };
}
