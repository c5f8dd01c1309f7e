import { createHash } from "node:crypto";
import { escapeIdentifier, escapeLiteral } from "pg";
import { InputError } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { viewSchema } from "./agent-role.ts";
import { EFFECT_COLUMNS, OUTBOX } from "./emit.ts";
import { type Declared, grantOf, type TableGrant } from "./table-grant.ts";

/** One right of a role: a privilege on an object, or on a column of it. */
export type Right = {
  readonly privilege: string;
  readonly column: string | null;
  /** As GRANT spells it, such as `schema shop` or `shop.orders`. */
  readonly on: string;
  /** Whether the object is one of ours, so that granting needs nobody else. */
  readonly ours: boolean;
};

/** A table that an agent declares, as the catalogs know it. */
export type DeclaredTable = {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly grant: TableGrant;
  /** Whether the user has switched row-level security on for it. */
  readonly secured: boolean;
  readonly columns: readonly string[];
  /** Sequences that its defaults use, quoted. */
  readonly sequences: readonly string[];
};

/** A view that shows an agent some rows of a table. */
export type RowView = {
  readonly name: string;
  readonly sql: string;
  readonly mark: string;
  /** What it shows rows of, as declared. */
  readonly of: string;
};

/**
 * Reads the declared tables, and holds the declaration against them.
 *
 * @throws {InputError} `grant-invalid` for a table, column or combination that cannot be granted
 */
export async function readDeclared(
  tx: Pick<Transaction, "query">,
  { name: agent, tables }: Declared,
): Promise<readonly DeclaredTable[]> {
  const { rows } = await tx.query<Omit<DeclaredTable, "grant">>(READ, [Object.keys(tables)]);
  const found = new Map(rows.map((row) => [row.name, row]));
  const declared = Object.entries(tables).map(([name, table]): DeclaredTable => {
    const known = found.get(name);
    if (known === undefined)
      throw invalidGrant(agent, `table ${name} does not exist, or is no ordinary table`);
    return { ...known, grant: grantOf(table) };
  });
  for (const one of declared) check(agent, one);
  const views = declared.filter((one) => one.grant.rows !== undefined).map((one) => one.table);
  const twice = views.find((table, at) => views.indexOf(table) !== at);
  if (twice !== undefined) throw invalidGrant(agent, `two tables called ${twice} have row conditions`);
  return declared;
}

const READ = `select n.nspname || '.' || c.relname as name, n.nspname as schema, c.relname as table,
    c.relrowsecurity as secured,
    array(select a.attname::text from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
    array(select distinct format('%I.%I', sn.nspname, s.relname)
      from pg_catalog.pg_attrdef f
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = f.oid
        and d.refclassid = 'pg_catalog.pg_class'::regclass
      join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
      join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
      where f.adrelid = c.oid order by 1) as sequences
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'f')`;

function check(agent: string, { name, grant, secured, columns }: DeclaredTable): void {
  const listed = [...(grant.columns?.read ?? []), ...(grant.columns?.write ?? [])];
  const strange = listed.filter((column) => !columns.includes(column));
  if (strange.length > 0) throw invalidGrant(agent, `table ${name} has no column ${strange.join(", ")}`);
  if (grant.access === "read" && grant.columns?.write !== undefined)
    throw invalidGrant(agent, `table ${name} is declared for reading, and with columns to write`);
  if (grant.rows !== undefined && secured) {
    throw invalidGrant(
      agent,
      `table ${name} has row-level security already, so its rows are said by policies and not by a ` +
        `condition of the agent's; leave the condition out, and make a policy such as: ` +
        `create policy agent on ${name} using (${grant.rows})`,
    );
  }
}

/** The views that hold the row conditions of an agent. */
export function rowViews(agent: string, tables: readonly DeclaredTable[]): readonly RowView[] {
  return tables.flatMap(({ schema, table, grant, columns }) => {
    if (grant.rows === undefined) return [];
    const name = `${escapeIdentifier(viewSchema(agent))}.${escapeIdentifier(table)}`;
    const list = columns.map((column) => escapeIdentifier(column)).join(", ");
    const sql =
      `create view ${name} with (security_barrier) as select ${list}` +
      ` from ${escapeIdentifier(schema)}.${escapeIdentifier(table)} where (${grant.rows}\n)` +
      (grant.access === "write" ? " with cascaded check option" : "");
    const mark = `factotum ${createHash("sha256").update(sql).digest("hex")}`;
    return [{ name, sql, mark, of: `${schema}.${table}` }];
  });
}

/** Every right the role is to have, and none beside them. */
export function wantedRights(
  { name: agent, effects = [] }: Declared,
  tables: readonly DeclaredTable[],
): readonly Right[] {
  const ours = (privilege: string, on: string): Right => ({ privilege, on, column: null, ours: true });
  const rights = [ours("usage", "schema factotum"), ours("select", "factotum.clock"), ...FUNCTIONS];
  // By column: whoever may name an id could take one that the next effect of somebody else will get.
  for (const column of effects.length > 0 ? EFFECT_COLUMNS : []) {
    rights.push({ ...ours("insert", OUTBOX), column });
  }
  for (const { schema, table, grant, sequences } of tables) {
    const behind = grant.rows !== undefined;
    const on = `${escapeIdentifier(behind ? viewSchema(agent) : schema)}.${escapeIdentifier(table)}`;
    const home = behind ? viewSchema(agent) : schema;
    const give = (privilege: string, columns?: readonly string[]): void => {
      for (const column of columns ?? [null]) rights.push({ privilege, on, column, ours: behind });
    };
    rights.push({ ...ours("usage", `schema ${escapeIdentifier(home)}`), ours: behind });
    give("select", grant.columns?.read);
    if (grant.access === "read") continue;
    give("insert", grant.columns?.write);
    give("update", grant.columns?.write);
    if (grant.columns?.write === undefined) give("delete");
    for (const sequence of sequences) rights.push({ ...ours("usage", `sequence ${sequence}`), ours: false });
  }
  const seen = new Map(rights.map((right) => [idOf(right), right]));
  return [...seen.values()];
}

const FUNCTIONS: readonly Right[] = [
  "now()",
  "tenant()",
  "table_version(oid)",
  "staging_apply(text, text, boolean, text[], text[])",
  "staging_arm(text, text, integer, oid[])",
  "staging_captured(text, integer)",
  "staging_locks()",
].map((signature) => ({
  ...{ privilege: "execute", on: `function factotum.${signature}`, column: null, ours: true },
}));

/** What the role has, of tables, columns, sequences, schemas and functions, wherever it got it from. */
export async function presentRights(
  tx: Pick<Transaction, "query">,
  role: string,
): Promise<readonly Omit<Right, "ours">[]> {
  const { rows } = await tx.query<Omit<Right, "ours">>(PRESENT, [role]);
  return rows;
}

const PRESENT = `
  select lower(x.privilege_type) as privilege, null as column,
      case c.relkind when 'S' then 'sequence ' else '' end || format('%I.%I', n.nspname, c.relname) as on
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
      pg_catalog.aclexplode(c.relacl) x
    where x.grantee = to_regrole(quote_ident($1))
  union all
  select lower(x.privilege_type), a.attname, format('%I.%I', n.nspname, c.relname)
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace, pg_catalog.aclexplode(a.attacl) x
    where x.grantee = to_regrole(quote_ident($1))
  union all
  select lower(x.privilege_type), null, 'schema ' || quote_ident(n.nspname)
    from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) x
    where x.grantee = to_regrole(quote_ident($1))
  union all
  select 'execute', null,
      'function factotum.' || p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')'
    from pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) x
    where p.pronamespace = 'factotum'::regnamespace and x.grantee = to_regrole(quote_ident($1))`;

/** Tells rights apart; quotes that a name does not need make no difference. */
export function idOf({ privilege, on, column }: Omit<Right, "ours">): string {
  return JSON.stringify([privilege, on.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1"), column]);
}

/** GRANT or REVOKE of rights, one statement for each object. */
export function rightsSql(
  verb: "grant" | "revoke",
  rights: readonly Omit<Right, "ours">[],
  role: string,
): string[] {
  const groups = Map.groupBy(rights, (right) => right.on);
  const side = verb === "grant" ? "to" : "from";
  return [...groups].map(([on, all]) => {
    const privileges = Map.groupBy(all, (right) => right.privilege);
    const list = [...privileges].map(([privilege, some]) => {
      const columns = some.flatMap(({ column }) => (column === null ? [] : [escapeIdentifier(column)]));
      return columns.length === 0 ? privilege : `${privilege} (${columns.join(", ")})`;
    });
    return `${verb} ${list.join(", ")} on ${on} ${side} ${escapeIdentifier(role)}`;
  });
}

/** A comment on a view, by which we know it again. */
export function markSql({ name, mark }: RowView): string {
  return `comment on view ${name} is ${escapeLiteral(mark)}`;
}

/** A declaration that cannot be granted. */
export function invalidGrant(agent: string, because: string, cause?: unknown): InputError {
  return new InputError({
    cause,
    code: "grant-invalid",
    message: `agent ${agent} cannot be given a role: ${because}`,
  });
}
