import { createHash } from "node:crypto";
import { escapeIdentifier } from "pg";
import type { Database } from "../postgres/index.ts";
import { StageError } from "./errors.ts";

/** The login of an agent in one database. Never shown: password and key are secrets. */
export type AgentRole = {
  readonly agent: string;
  readonly role: string;
  readonly password: string;
  /** What the definer functions of staging want to see. */
  readonly key: string;
  /** Schemas that our own connections search, quoted and joined: rows are put in under it. */
  readonly path: string;
};

/** Every role of an agent begins so; the capture trigger knows agents by it. */
export const ROLE_PREFIX = "factotum_agent_";
const NAME_MAX = 63;
const HASH_LENGTH = 8;

/**
 * The role of an agent. Roles belong to the whole server, so the database's number is part of the name; it
 * also tells a role whose database is gone.
 */
export function roleName(agent: string, database: string): string {
  return `${shortened(ROLE_PREFIX + plain(agent), NAME_MAX - 1 - database.length)}_${database}`;
}

/** The schema of an agent's views; it is first in the role's search path. */
export function viewSchema(agent: string): string {
  return shortened(ROLE_PREFIX + plain(agent), NAME_MAX);
}

/** What the role's tools search: the agent's views, then what we search. */
export function searchPath({ agent, path }: AgentRole): string {
  return [escapeIdentifier(viewSchema(agent)), ...(path === "" ? [] : [path])].join(", ");
}

const plain = (agent: string): string => agent.replaceAll("-", "_");

function shortened(name: string, max: number): string {
  if (name.length <= max) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_LENGTH);
  return `${name.slice(0, max - HASH_LENGTH - 1)}_${hash}`;
}

const opened = new WeakMap<Database, Map<string, Promise<AgentRole>>>();

/**
 * The login of an agent, read once.
 *
 * @throws {StageError} `role-missing` where `ensureRole` was never called
 */
export async function openRole(db: Database, agent: string): Promise<AgentRole> {
  const known = opened.get(db) ?? new Map<string, Promise<AgentRole>>();
  opened.set(db, known);
  const role = known.get(agent) ?? readRole(db, agent);
  known.set(agent, role);
  try {
    return await role;
  } catch (error) {
    known.delete(agent);
    throw error;
  }
}

/** Reads the login again next time: another process may have changed it. */
export function forgetRole(db: Database, agent: string): void {
  opened.get(db)?.delete(agent);
}

async function readRole(db: Database, agent: string): Promise<AgentRole> {
  const { rows } = await db.query<AgentRole>(
    `select r.agent, r.role, r.password, r.key,
       (select coalesce(string_agg(quote_ident(s.name), ', ' order by s.at), '')
        from unnest(current_schemas(false)) with ordinality s(name, at)) as path
     from factotum.agent_roles r join pg_catalog.pg_database d on d.oid = r.database
     where d.datname = current_database() and r.agent = $1`,
    [agent],
  );
  if (rows[0] !== undefined) return rows[0];
  throw new StageError({
    code: "role-missing",
    message: `agent ${agent} has no role of its own in this database yet; make it with: factotum attach`,
  });
}
