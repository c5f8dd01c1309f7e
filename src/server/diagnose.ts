import type { Agent } from "../agents/index.ts";
import { attached, grantedToAll, missingForRole, writable } from "../changes/index.ts";
import { messageOf } from "../kernel/index.ts";
import type { Discovery } from "../models/index.ts";
import { channelsWaitedFor, countEffects } from "../outbox/index.ts";
import { type Database, introspect, migrate } from "../postgres/index.ts";
import type { Config } from "./config.ts";
import { diagnoseRuns } from "./diagnose-runs.ts";
import { exposures } from "./exposures.ts";
import type { Finding } from "./finding.ts";

/** Looks at everything a project needs, and says how to mend what is amiss; changes nothing. */
export async function diagnose(db: Database, config: Config, models: Discovery): Promise<readonly Finding[]> {
  return [
    await server(db),
    await migrations(db),
    await rights(db),
    ...(await Promise.all(config.agents.map((agent) => tablesOf(db, agent)))),
    await triggers(db, config),
    await outbox(db, config),
    ...(await diagnoseRuns(db, config)),
    ...(await roles(db, config)),
    ...(await exposures(db, config)),
    modelsFound(models),
    await clock(db),
  ];
}

async function server(db: Database): Promise<Finding> {
  const { rows } = await db.query<{ version: string; name: string }>(
    "select current_setting('server_version') as version, current_database() as name",
  );
  const detail = `PostgreSQL ${rows[0]?.version}, database ${rows[0]?.name}`;
  return { what: "database", state: "ok", detail };
}

async function migrations(db: Database): Promise<Finding> {
  try {
    const { applied } = await migrate(db);
    const detail = applied.length === 0 ? "up to date" : `just applied ${applied.join(", ")}`;
    return { what: "schema factotum", state: "ok", detail };
  } catch (error) {
    return { what: "schema factotum", state: "broken", detail: messageOf(error) };
  }
}

async function rights(db: Database): Promise<Finding> {
  const { rows } = await db.query<{ replica: boolean; name: string }>(
    `select current_user as name,
       has_parameter_privilege('session_replication_role', 'set') as replica`,
  );
  const { replica = false, name = "?" } = rows[0] ?? {};
  if (replica) return { what: "rights", state: "ok", detail: `${name} may stage on tables with triggers` };
  return {
    ...{ what: "rights", state: "warning", detail: `${name} may not stage on tables that have triggers` },
    remedy: `grant set on parameter session_replication_role to ${name};`,
  };
}

async function tablesOf(db: Database, { name, tables }: Agent): Promise<Finding> {
  const what = `tables of ${name}`;
  try {
    const found = await db.transaction((tx) => introspect(tx, Object.keys(tables)), { readOnly: true });
    const grants = await missingGrants(db, tables);
    if (grants.length === 0)
      return { what, state: "ok", detail: `${found.length} declared, all there with a primary key` };
    return { what, state: "broken", detail: "this role lacks rights on them", remedy: grants.join(" ") };
  } catch (error) {
    return { what, state: "broken", detail: messageOf(error) };
  }
}

/** What the role must be granted to work on an agent's tables; `delete` is also what takes an insert back. */
async function missingGrants(db: Database, tables: Agent["tables"]): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string; schema: string | null; lacks: string[]; role: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name, quote_ident(current_user) as role,
       case when has_schema_privilege(n.oid, 'usage') then null else quote_ident(n.nspname) end as schema,
       array(select right_name from unnest(array['select', 'insert', 'update', 'delete']) right_name
         where not has_table_privilege(c.oid, right_name)
           and (right_name = 'select' or n.nspname || '.' || c.relname = any($2))) as lacks
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname || '.' || c.relname = any($1) and c.relkind in ('r', 'p') order by 1`,
    [Object.keys(tables), writable(tables)],
  );
  const usage = rows.flatMap(({ schema, role }) =>
    schema === null ? [] : [`grant usage on schema ${schema} to ${role};`],
  );
  const others = rows.flatMap(({ name, lacks, role }) =>
    lacks.length === 0 ? [] : [`grant ${lacks.join(", ")} on ${name} to ${role};`],
  );
  return [...new Set(usage), ...others];
}

async function triggers(db: Database, config: Config): Promise<Finding> {
  const what = "capture triggers";
  const wanted = config.agents.flatMap((agent) => writable(agent.tables));
  const have = new Set<string>(await db.transaction((tx) => attached(tx), { readOnly: true }));
  const missing = [...new Set(wanted)].filter((table) => !have.has(table));
  if (missing.length === 0) return { what, state: "ok", detail: `on ${[...have].join(", ") || "no table"}` };
  const detail = `missing on ${missing.join(", ")}`;
  return { what, state: "warning", detail, remedy: "factotum attach" };
}

async function outbox(db: Database, { channels = {} }: Config): Promise<Finding> {
  const what = "outbox";
  const { waiting, delivering, delivered, dead } = await countEffects(db);
  const strange = [...(await channelsWaitedFor(db))].filter(([channel]) => channels[channel] === undefined);
  const detail = `${delivered} delivered, ${waiting + delivering} waiting, ${dead} dead`;
  if (strange.length > 0) {
    const lost = strange.map(([channel, count]) => `${count} to ${channel}`).join(", ");
    const remedy = "add the channel to the configuration's channels";
    return { what, state: "broken", detail: `${detail}; no channel for ${lost}`, remedy };
  }
  if (dead === 0) return { what, state: "ok", detail };
  const remedy = "factotum outbox --state dead; then factotum outbox resend, or drop";
  return { what, state: "warning", detail, remedy };
}

/** Under which rights tools run; tried one after the other, since each takes the same lock. */
async function roles(db: Database, config: Config): Promise<readonly Finding[]> {
  if (config.leastPrivilege === false) {
    const detail = "leastPrivilege is off: tools can do all that this login can";
    return [{ what: "roles", state: "warning", detail, remedy: "take leastPrivilege: false out" }];
  }
  const findings: Finding[] = [];
  for (const agent of config.agents) {
    const what = `role of ${agent.name}`;
    try {
      const sql = await missingForRole(db, agent);
      const remedy = sql.map((statement) => `${statement};`).join("\n");
      if (sql.length === 0) findings.push({ what, state: "ok", detail: "its tools get what it declares" });
      else findings.push({ what, state: "broken", detail: "an administrator has to make it", remedy });
    } catch (error) {
      findings.push({ what, state: "broken", detail: messageOf(error) });
    }
  }
  return [...findings, await everybodys(db)];
}

/** The most names of one finding. */
const NAMES_MAX = 5;

/** What every role may do in this database, and so an agent's too, whatever it declares. */
async function everybodys(db: Database): Promise<Finding> {
  const what = "granted to PUBLIC";
  const names = await grantedToAll(db);
  if (names.length === 0)
    return { what, state: "ok", detail: "no table, no function with its owner's rights" };
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : "";
  const detail = `every agent has these too: ${names.slice(0, NAMES_MAX).join(", ")}${more}`;
  const remedy = names
    .slice(0, NAMES_MAX)
    .map((name) => `revoke all on ${name} from public;`)
    .join("\n");
  return { what, state: "warning", detail, remedy };
}

function modelsFound({ cascade, problems }: Discovery): Finding {
  const what = "models";
  const remedy = "set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY or FACTOTUM_MODELS";
  if (problems.length > 0) return { what, state: "warning", detail: problems.join("; "), remedy };
  if (cascade.length > 0) return { what, state: "ok", detail: cascade.join(", ") };
  return { what, state: "warning", detail: "none: what code cannot resolve goes to a person", remedy };
}

async function clock(db: Database): Promise<Finding> {
  const { rows } = await db.query<{ at: Date; behind: number }>(
    "select factotum.now() as at, extract(epoch from factotum.now() - now())::float8 as behind",
  );
  const { at, behind = 0 } = rows[0] ?? {};
  const what = "business clock";
  if (Math.abs(behind) < 2) return { what, state: "ok", detail: "real time" };
  return { what, state: "ok", detail: `${at?.toISOString()}, set by the configuration` };
}
