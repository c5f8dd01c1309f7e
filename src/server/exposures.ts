import type { Database } from "../postgres/index.ts";
import type { Config } from "./config.ts";
import type { Finding } from "./finding.ts";

/** Functions that one finding names; the rest is counted. */
const NAMED_MAX = 5;

/** Ways past an agent's rights that the database itself leaves open; nothing where there are none. */
export async function exposures(db: Database, config: Config): Promise<readonly Finding[]> {
  return [...(await pooler(db)), ...(config.leastPrivilege === false ? [] : await functions(db, config))];
}

/** A pooler tells its clients another process number than that of the process which works for them. */
async function pooler(db: Database): Promise<readonly Finding[]> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query<{ pid: number }>("select pg_backend_pid() as pid");
    const { processID } = tx.client as unknown as { readonly processID: number | null };
    if (rows[0]?.pid === processID) return [];
    return [
      {
        ...{ what: "connection", state: "warning" },
        detail:
          "a pooler stands between; in transaction mode it breaks staging, and it must know agents' roles",
        remedy: "let DATABASE_URL lead to Postgres itself",
      },
    ];
  });
}

/**
 * What PUBLIC may execute, agents may: with the rights of somebody else, or to reach other servers. Of the
 * former, those in schemas that are open to agents but not to PUBLIC; `grantedToAll` finds the rest.
 */
async function functions(db: Database, config: Config): Promise<readonly Finding[]> {
  const names = config.agents.map((agent) => agent.name);
  const { rows } = await db.query<{ name: string; definer: boolean }>(OPEN, [names]);
  const finding = (what: string, why: string, found: readonly { name: string }[]): readonly Finding[] => {
    if (found.length === 0) return [];
    const some = found.slice(0, NAMED_MAX).map((one) => one.name);
    const more = found.length > some.length ? ` and ${found.length - some.length} more` : "";
    const remedy = found.map((one) => `revoke execute on function ${one.name} from public;`).join("\n");
    return [{ what, state: "warning", detail: `agents may call ${some.join(", ")}${more}: ${why}`, remedy }];
  };
  return [
    ...finding(
      "definer functions",
      "they act with their owner's rights",
      rows.filter((one) => one.definer),
    ),
    ...finding(
      "links out",
      "they reach other servers",
      rows.filter((one) => !one.definer),
    ),
  ];
}

const OPEN = `select p.oid::regprocedure::text as name, p.prosecdef as definer
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    left join pg_catalog.pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid
      and d.deptype = 'e' and d.refclassid = 'pg_extension'::regclass
    left join pg_catalog.pg_extension e on e.oid = d.refobjid
  where n.nspname not in ('pg_catalog', 'information_schema', 'factotum')
    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    and has_function_privilege('public', p.oid, 'execute')
    and case when has_schema_privilege('public', n.oid, 'usage') then e.extname = 'dblink'
      else (e.extname = 'dblink' or p.prosecdef and e.extname is null) and exists (
        select from factotum.agent_roles r join pg_catalog.pg_database b on b.oid = r.database
        where b.datname = current_database() and r.agent = any($1)
          and has_schema_privilege(to_regrole(quote_ident(r.role))::oid, n.oid, 'usage')) end
  order by 1`;
