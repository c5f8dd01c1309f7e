import {
  attach,
  attached,
  detach,
  dropRoles,
  ensureRole,
  grantOf,
  rotatePassword,
  writable,
} from "../changes/index.ts";
import { InputError } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { unwatchTables } from "../runs/index.ts";
import type { Config } from "./config.ts";

/** Puts capture triggers on the tables that agents may write; answers these. */
export async function putTriggers(tx: Transaction, config: Config): Promise<readonly string[]> {
  const tables = [...new Set(withFormer(config).flatMap((agent) => writable(agent.tables)))].sort();
  await attach(tx, tables);
  return tables;
}

/**
 * Makes the roles that the agents' tools run as, where the configuration wants them.
 *
 * @throws {RoleRefused} with the SQL for an administrator; {InputError} `grant-needs-role` where an agent
 * declares columns or rows that nothing would hold it to
 */
export async function makeRoles(db: Database, config: Config): Promise<void> {
  for (const agent of withFormer(config)) {
    if (config.leastPrivilege ?? true) await ensureRole(db, agent);
    else {
      const narrow = Object.keys(agent.tables).filter((name) => {
        const { columns, rows } = grantOf(agent.tables[name] ?? "read");
        return columns !== undefined || rows !== undefined;
      });
      if (narrow.length > 0) throw needsRole(agent.name, narrow);
    }
  }
}

/** The agents, each with the tables that only a former version of it declares. */
function withFormer({ agents, formerAgents = [] }: Config): Config["agents"] {
  return agents.map((agent) => {
    const former = formerAgents.filter((one) => one.name === agent.name);
    const tables = Object.assign({}, ...former.map((one) => one.tables), agent.tables) as typeof agent.tables;
    const effects = [...new Set([agent, ...former].flatMap((one) => one.effects ?? []))];
    return { ...agent, tables, ...(effects.length > 0 && { effects }) };
  });
}

/** Gives the agents' roles new passwords. @throws {RoleRefused} where we may not */
export async function rotatePasswords(db: Database, config: Config): Promise<void> {
  if (config.leastPrivilege === false) return;
  for (const agent of config.agents) await rotatePassword(db, agent.name);
}

/** Takes triggers and roles off; what is left for an administrator to do is said. */
export async function takeOff(tx: Transaction, say: (line: string) => void): Promise<readonly string[]> {
  const tables = await attached(tx);
  await detach(tx);
  await unwatchTables(tx);
  const left = await dropRoles(tx);
  if (left.length > 0) say("an administrator still has to run:");
  for (const statement of left) say(`${statement};`);
  return tables;
}

function needsRole(agent: string, tables: readonly string[]): InputError {
  return new InputError({
    code: "grant-needs-role",
    message:
      `agent ${agent} declares columns or rows of ${tables.join(", ")}, which only a role of its own is ` +
      "held to: take leastPrivilege: false out of the configuration, or declare whole tables",
  });
}
