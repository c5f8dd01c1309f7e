/** The catalogue queries of `introspect`, apart so that the reading of them stays readable. */

const KIND = `case c.relkind when 'r' then 'table' when 'p' then 'partitioned' when 'v' then 'view'
  when 'm' then 'materialized-view' else 'foreign' end`;

/** $1: names as "schema.table". */
export const TABLES_SQL = `
  select c.oid::text as oid, n.nspname || '.' || c.relname as name, n.nspname as schema, c.relname as table,
         ${KIND} as kind, obj_description(c.oid, 'pg_class') as comment, c.relrowsecurity as "rowSecurity"
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = any ($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')`;

/** Base types are found by walking from an array to its element and from a domain to what it restricts. */
export const COLUMNS_SQL = `
  with recursive walk as (
    select a.attrelid, a.attnum, a.atttypid as typid, false as is_array, '{}'::oid[] as domains,
           false as never_null
    from pg_attribute a
    where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
    union all
    select w.attrelid, w.attnum, case when t.typtype = 'd' then t.typbasetype else t.typelem end,
           w.is_array or t.typcategory = 'A' and t.typtype <> 'd',
           case when t.typtype = 'd' then w.domains || t.oid else w.domains end,
           w.never_null or (t.typnotnull and not w.is_array)
    from walk w join pg_type t on t.oid = w.typid
    where t.typtype = 'd' or (t.typcategory = 'A' and t.typelem <> 0)
  ), bottom as (
    select w.* from walk w join pg_type t on t.oid = w.typid
    where t.typtype <> 'd' and not (t.typcategory = 'A' and t.typelem <> 0)
  )
  select a.attrelid::text as oid, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
         case when tn.nspname = 'pg_catalog' then format_type(b.typid, null)
              else tn.nspname || '.' || t.typname end as base,
         b.is_array as array,
         (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e
            where e.enumtypid = b.typid) as enum_values,
         format_type(b.domains[1], null) as domain,
         (select array_agg(pg_get_constraintdef(dc.oid, true) order by dc.conname) from pg_constraint dc
            where dc.contypid = any (b.domains) and dc.contype = 'c') as domain_checks,
         obj_description(b.domains[1], 'pg_type') as domain_comment,
         not (a.attnotnull or b.never_null) as nullable,
         case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid, true) end as default,
         case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as identity,
         case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid, true) end as generated,
         col_description(a.attrelid, a.attnum) as comment
  from pg_attribute a
  join bottom b on b.attrelid = a.attrelid and b.attnum = a.attnum
  join pg_type t on t.oid = b.typid
  join pg_namespace tn on tn.oid = t.typnamespace
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  order by a.attrelid, a.attnum`;

const ACTION = (column: string): string => `case ${column} when 'a' then 'no action' when 'r' then 'restrict'
  when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' end`;

const NAMES_OF = (columns: string, relation: string): string =>
  `array(select a.attname::text from unnest(${columns}) with ordinality as k (attnum, at)
         join pg_attribute a on a.attrelid = ${relation} and a.attnum = k.attnum order by k.at)`;

/** Constraints, and the unique indexes that are as good as one; NOT NULL is told by the column itself. */
export const CONSTRAINTS_SQL = `
  select c.conrelid::text as oid, c.contype::text as kind, c.conname as name,
         pg_get_constraintdef(c.oid, true) as definition,
         ${NAMES_OF("c.conkey", "c.conrelid")} as columns,
         fn.nspname || '.' || f.relname as target,
         ${NAMES_OF("c.confkey", "c.confrelid")} as target_columns,
         ${ACTION("c.confdeltype")} as on_delete, ${ACTION("c.confupdtype")} as on_update,
         obj_description(c.oid, 'pg_constraint') as comment
  from pg_constraint c
  left join pg_class f on f.oid = c.confrelid
  left join pg_namespace fn on fn.oid = f.relnamespace
  where c.conrelid = any ($1::oid[]) and c.contype in ('p', 'u', 'f', 'c', 'x')
    -- A foreign key to a partitioned table has one more row for each partition.
    and not (c.contype = 'f' and exists (
      select from pg_constraint up where up.oid = c.conparentid and up.conrelid = c.conrelid))
  union all
  select i.indrelid::text, 'u', ic.relname, pg_get_indexdef(i.indexrelid),
         ${NAMES_OF("(i.indkey::int2[])[0:i.indnkeyatts - 1]", "i.indrelid")}, null, '{}', null, null,
         obj_description(i.indexrelid, 'pg_class')
  from pg_index i join pg_class ic on ic.oid = i.indexrelid
  where i.indrelid = any ($1::oid[]) and i.indisunique and i.indisvalid
    and i.indpred is null and i.indexprs is null
    and not exists (
      select from pg_constraint c where c.conindid = i.indexrelid and c.contype in ('p', 'u', 'x'))
  order by 1, 2, 3`;

/** What a person could have meant; partitions are reached through their parent. */
export const NAMES_SQL = `
  select n.nspname || '.' || c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and n.nspname !~ '^(pg_|information_schema$|factotum$)'
  order by 1`;
