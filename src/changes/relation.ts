import type { Transaction } from "../postgres/index.ts";

/** A column of a table, in the order of its record text. */
export type Column = {
  readonly name: string;
  /** As SQL spells it, quoted where needed. */
  readonly sql: string;
  /** Computed by Postgres, so never written; `virtual` is not even in a row image. */
  readonly generated: "no" | "stored" | "virtual";
  readonly identityAlways: boolean;
};

/** A constraint that Postgres may check at the end of a transaction. */
export type Deferrable = {
  /** Qualified and quoted, as SET CONSTRAINTS wants it. */
  readonly sql: string;
  /** `f` foreign key, `u` unique, `p` primary key, `x` exclusion, `t` constraint trigger. */
  readonly type: string;
  readonly initiallyDeferred: boolean;
  /** Of unique and exclusion constraints on the table itself: columns and operators that may not all hold. */
  readonly columns: readonly string[];
  readonly operators: readonly string[];
};

/** A table as staging needs to know it. */
export type Relation = {
  readonly oid: string;
  /** `schema.table`. */
  readonly name: string;
  /** Name of the partitioned table this is a part of; its own otherwise. */
  readonly root: string;
  readonly rootOid: string;
  /** Qualified and quoted. */
  readonly sql: string;
  readonly kind: "table" | "partitioned" | "other";
  readonly temporary: boolean;
  readonly columns: readonly Column[];
  /** Positions in `columns` of the primary key, in its order; empty where there is none. */
  readonly key: readonly number[];
  /** Changes with the table's name, with names, types or order of columns, and with the key. */
  readonly fingerprint: string;
  /** Changes with every change to the table's definition; means nothing to another server. */
  readonly version: string;
  readonly attached: boolean;
  readonly deferrable: readonly Deferrable[];
  /** The user's triggers that fire on ordinary writes, and those that fire in replica mode too. */
  readonly userTriggers: readonly string[];
  readonly alwaysTriggers: readonly string[];
  /** Rules rewrite a statement before it runs. */
  readonly rules: readonly string[];
  readonly temporalForeignKeys: readonly string[];
  /** Oids of tables that its foreign keys point to. */
  readonly parents: readonly string[];
  /** Whether a foreign key points to it. */
  readonly referred: boolean;
};

/** Sorts before any name that a person would type, so that a row is seen before other triggers act on it. */
export const TRIGGER = '" factotum"';
/** The same, unquoted. */
export const TRIGGER_NAME = " factotum";

/** SQL for the fingerprint of table `oid`; names instead of oids, so that it survives a restore. */
function fingerprintSql(oid: string): string {
  return `(select md5((select t.relnamespace::regnamespace || '.' || t.relname from pg_catalog.pg_class t
      where t.oid = ${oid}) || string_agg(
        concat_ws(' ', a.attname, y.typname, yn.nspname, a.atttypmod, a.attgenerated),
      ',' order by a.attnum) || coalesce((select i.indkey::text from pg_catalog.pg_index i
        where i.indrelid = ${oid} and i.indisprimary), ''))
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type y on y.oid = a.atttypid
    join pg_catalog.pg_namespace yn on yn.oid = y.typnamespace
    where a.attrelid = ${oid} and a.attnum > 0 and not a.attisdropped)`;
}

/**
 * SQL for the version of table `oid`: a much cheaper sign than reading it again that its columns, indexes,
 * triggers or constraints may have changed (foreign keys and deferrable constraints come with triggers).
 */
export function versionSql(oid: string): string {
  return `factotum.table_version(${oid})`;
}

/** SQL for "the capture trigger is on table `oid`, and fires in replica mode too". */
function attachedSql(oid: string): string {
  return `exists (select from pg_catalog.pg_trigger g
    where g.tgrelid = ${oid} and g.tgname = '${TRIGGER_NAME}' and g.tgenabled = 'A')`;
}

/** $1 schemas and $2 names of the tables wanted, in pairs, or $3 their oids. */
export const READ_RELATIONS = `
select json_build_object(
  'oid', c.oid::text,
  'name', n.nspname || '.' || c.relname,
  'root', rn.nspname || '.' || r.relname,
  'rootOid', r.oid::text,
  'sql', format('%I.%I', n.nspname, c.relname),
  'kind', case c.relkind when 'r' then 'table' when 'p' then 'partitioned' else 'other' end,
  'temporary', c.relpersistence = 't',
  'columns', (select coalesce(json_agg(json_build_object(
      'name', a.attname, 'sql', quote_ident(a.attname),
      'generated', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' else 'no' end,
      'identityAlways', a.attidentity = 'a') order by a.attnum), '[]')
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'key', coalesce((select json_agg((select count(*) - 1 from pg_attribute a
        where a.attrelid = c.oid and a.attnum between 1 and k.attnum and not a.attisdropped) order by k.at)
    from pg_index i, unnest(i.indkey) with ordinality k(attnum, at)
    where i.indrelid = c.oid and i.indisprimary and k.at <= i.indnkeyatts), '[]'),
  'fingerprint', ${fingerprintSql("c.oid")},
  'version', ${versionSql("c.oid")},
  'attached', ${attachedSql("c.oid")},
  'deferrable', (select coalesce(json_agg(json_build_object(
      'sql', format('%I.%I', dn.nspname, d.conname), 'type', d.contype, 'initiallyDeferred', d.condeferred,
      'columns', (select coalesce(json_agg(quote_ident(a.attname) order by k.at), '[]')
        from unnest(d.conkey) with ordinality k(attnum, at)
        join pg_attribute a on a.attrelid = d.conrelid and a.attnum = k.attnum
        where d.conrelid = c.oid and d.contype in ('u', 'p', 'x')),
      'operators', (select coalesce(
          json_agg(format('operator(%I.%s)', pn.nspname, o.oprname) order by k.at), '[]')
        from unnest(d.conexclop) with ordinality k(op, at)
        join pg_operator o on o.oid = k.op
        join pg_namespace pn on pn.oid = o.oprnamespace)) order by d.oid), '[]')
    from pg_constraint d join pg_namespace dn on dn.oid = d.connamespace
    where d.condeferrable and (d.conrelid in (c.oid, r.oid) or d.confrelid in (c.oid, r.oid))),
  'userTriggers', (select coalesce(json_agg(g.tgname order by g.tgname), '[]') from pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgname <> '${TRIGGER_NAME}' and g.tgenabled = 'O'),
  'alwaysTriggers', (select coalesce(json_agg(g.tgname order by g.tgname), '[]') from pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgname <> '${TRIGGER_NAME}'
      and g.tgenabled in ('A', 'R')),
  'rules', (select coalesce(json_agg(w.rulename order by w.rulename), '[]') from pg_rewrite w
    where w.ev_class = c.oid),
  'temporalForeignKeys', (select coalesce(json_agg(f.conname), '[]') from pg_constraint f
    where f.contype = 'f' and (f.conrelid = c.oid or f.confrelid = c.oid)
      and coalesce((to_jsonb(f) ->> 'conperiod')::boolean, false)),
  'parents', (select coalesce(json_agg(distinct f.confrelid::text), '[]') from pg_constraint f
    where f.contype = 'f' and f.conrelid in (c.oid, r.oid)),
  'referred', exists (select from pg_constraint f
    where f.contype = 'f' and f.confrelid in (c.oid, r.oid))
) as relation
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_class r on r.oid = case when c.relispartition then pg_partition_root(c.oid) else c.oid end
join pg_namespace rn on rn.oid = r.relnamespace
where c.oid in (
  select w.oid::oid from unnest($3::text[]) w(oid)
  union all
  select k.oid from unnest($1::text[], $2::text[]) w(schema, name)
    join pg_namespace s on s.nspname = w.schema
    join pg_class k on k.relnamespace = s.oid and k.relname = w.name)
order by n.nspname, c.relname`;

/** Parameters of `READ_RELATIONS` for tables by name; a schema's name ends at the first dot. */
export function relationParameters(names: readonly string[], oids: readonly string[] = []): unknown[] {
  const parts = names.map((name): [string, string] => {
    const dot = name.indexOf(".");
    return dot < 0 ? ["public", name] : [name.slice(0, dot), name.slice(dot + 1)];
  });
  return [parts.map(([schema]) => schema), parts.map(([, name]) => name), oids];
}

/** Reads tables from the catalogs; those that do not exist are missing from the answer. */
export async function readRelations(
  tx: Transaction,
  names: readonly string[],
  oids: readonly string[] = [],
): Promise<readonly Relation[]> {
  const { rows } = await tx.query<{ relation: Relation }>(READ_RELATIONS, relationParameters(names, oids));
  return rows.map((row) => row.relation);
}

/** Whether a column's value is stored in the row, and so stands in its image. */
export function isStored(column: Column): boolean {
  return column.generated !== "virtual";
}

/** The columns of the primary key, in its order. */
export function keyColumns(relation: Relation): readonly Column[] {
  return relation.key.flatMap((at) => relation.columns[at] ?? []);
}
