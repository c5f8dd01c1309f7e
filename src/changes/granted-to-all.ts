import type { Transaction } from "../postgres/index.ts";

/**
 * What the database grants to PUBLIC, and so to every agent's role, whatever the agent declares: tables that
 * anybody may read or write, and functions that run with their owner's rights.
 *
 * @returns their names as GRANT spells them, tables first
 */
export async function grantedToAll(tx: Pick<Transaction, "query">): Promise<readonly string[]> {
  const { rows } = await tx.query<{ name: string }>(GRANTED);
  return rows.map(({ name }) => name);
}

/** What an extension brought is left out: its authors decide what is everybody's. */
const GRANTED = `with seen as (
    select n.oid, quote_ident(n.nspname) as name from pg_catalog.pg_namespace n
    where n.nspname !~ '^(pg_|factotum)' and n.nspname <> 'information_schema'
      and has_schema_privilege('public', n.oid, 'usage')),
  extended as (
    select d.objid, d.classid from pg_catalog.pg_depend d where d.deptype = 'e')
  select format('table %s.%I', s.name, c.relname) as name, 1 as rank
    from pg_catalog.pg_class c join seen s on s.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
      and (has_table_privilege('public', c.oid, 'select, insert, update, delete')
        or has_any_column_privilege('public', c.oid, 'select, insert, update'))
      and not exists (select from extended o where o.objid = c.oid and o.classid = 'pg_class'::regclass)
  union all
  select format('function %s.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)), 2
    from pg_catalog.pg_proc p join seen s on s.oid = p.pronamespace
    where p.prosecdef and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
      and has_function_privilege('public', p.oid, 'execute')
      and not exists (select from extended o where o.objid = p.oid and o.classid = 'pg_proc'::regclass)
  order by rank, name`;
