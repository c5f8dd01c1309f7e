import { grantOf, type TableGrant, viewSchema } from "../changes/index.ts";
import { FactotumError, InputError, messageOf } from "../kernel/index.ts";
import { introspect, sqlStateOf, type Table, type Transaction } from "../postgres/index.ts";
import type { Agent } from "./agent.ts";
import { generateTools } from "./generate/generate-tools.ts";
import type { Tool } from "./tool.ts";

/** The tools of an agent by name: its own, and those generated from the live schema. */
export type Toolbox = ReadonlyMap<string, Tool>;

/**
 * Collects an agent's tools; an agent's own tool wins over a generated one of the same name.
 *
 * @throws what introspection throws for a table that is missing or has no primary key
 * @throws {InputError} `agent-invalid` where tools are asked for of a table whose key the agent may not read
 */
export async function openToolbox(tx: Transaction, agent: Agent): Promise<Toolbox> {
  const access = agent.generate ?? {};
  const tables = await introspect(tx, Object.keys(access));
  const narrow = tables.map((table) => narrowed(table, agent));
  const lasting = tables.filter(({ name }) => columnsOf(agent, name).write !== undefined);
  const generated = generateTools(narrow, access, new Set(lasting.map((table) => table.name)));
  return new Map([...generated, ...agent.tools].map((one) => [one.name, one]));
}

const columnsOf = ({ tables }: Agent, name: string): NonNullable<TableGrant["columns"]> =>
  grantOf(tables[name] ?? "read").columns ?? {};

/** A table as the agent's role finds it: the columns it may read, in the schema where its rows are. */
function narrowed(table: Table, agent: Agent): Table {
  const { read, write } = columnsOf(agent, table.name);
  const isRead = (name: string): boolean => read?.includes(name) ?? true;
  const columns = table.columns
    .filter(({ name }) => isRead(name))
    .map((column) =>
      write === undefined || write.includes(column.name) ? column : { ...column, generated: "not set here" },
    );
  const unread = table.primaryKey.columns.filter((name) => !isRead(name));
  if (unread.length > 0) {
    // Without its whole key a row cannot be told from others, and an update would meet them all.
    throw new InputError({
      code: "agent-invalid",
      message:
        `agent ${agent.name} asks for tools for ${table.name}, whose key it may not read: add ` +
        `${unread.join(", ")} to the columns it reads, or take the table out of generate`,
    });
  }
  const foreignKeys = table.foreignKeys.filter((key) => key.columns.every(isRead));
  const { rows } = grantOf(agent.tables[table.name] ?? "read");
  const schema = rows === undefined ? table.schema : viewSchema(agent.name);
  return { ...table, schema, columns, foreignKeys };
}

/** The sentence a model is given for a tool that failed: what the error says, never its stack or cause. */
export function toolFailure(error: unknown): string {
  if (error instanceof FactotumError) return error.message;
  return `the tool failed: ${messageOf(error)}`;
}

/** Whether a tool failed only because others worked on the same rows at the same moment. */
export function isContention(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === "40001" || state === "40P01" || state === "55P03";
}
