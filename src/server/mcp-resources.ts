import { ResourceNotFoundError, type ReadResourceResult, type Resource } from "@modelcontextprotocol/server";
import type { Agent } from "../agents/index.ts";
import { grantOf } from "../changes/index.ts";
import { listQuestions } from "../inbox/index.ts";
import { toJson } from "../kernel/index.ts";
import { introspect } from "../postgres/index.ts";
import type { Factotum } from "./factotum.ts";

const POLICY = "factotum://policy";
const TABLES = "factotum://tables";
const QUESTIONS = "factotum://questions";
/** The most characters of a card that the listing of questions repeats. */
const TITLE_CHARS_MAX = 300;

/** What a client may read besides calling tools. */
export const RESOURCES: readonly Resource[] = [
  { uri: POLICY, name: "policy", description: "The rules this agent works by.", mimeType: "text/markdown" },
  {
    ...{ uri: TABLES, name: "tables", mimeType: "application/json" },
    description: "The tables this agent may see or change: columns, keys, references, rules and comments.",
  },
  {
    ...{ uri: QUESTIONS, name: "questions", mimeType: "application/json" },
    description: "What people have yet to decide about this agent's work.",
  },
];

/** Reads one. @throws {ResourceNotFoundError} */
export async function readResource(
  factotum: Factotum,
  agent: Agent,
  uri: string,
): Promise<ReadResourceResult> {
  switch (uri) {
    case POLICY:
      return { contents: [{ uri, mimeType: "text/markdown", text: agent.policy }] };
    case TABLES:
      return asJson(uri, await tablesOf(factotum, agent));
    case QUESTIONS:
      return asJson(uri, await questionsOf(factotum, agent));
    default:
      throw new ResourceNotFoundError(uri);
  }
}

async function tablesOf({ db }: Factotum, agent: Agent): Promise<unknown> {
  const names = Object.keys(agent.tables);
  const tables = await db.transaction((tx) => introspect(tx, names), { readOnly: true });
  return tables.map(({ name, comment, columns, primaryKey, foreignKeys, checks }) => {
    const grant = grantOf(agent.tables[name] ?? "read");
    // What it may not read it is not told of either, nor of rules over it.
    const isRead = (column: string): boolean => grant.columns?.read?.includes(column) ?? true;
    const known = <T extends { readonly columns: readonly string[] }>(rules: readonly T[]): readonly T[] =>
      rules.filter((rule) => rule.columns.every(isRead));
    return {
      ...{ name, comment, access: grant.access, columns: columns.filter((column) => isRead(column.name)) },
      ...{ primaryKey: primaryKey.columns.filter(isRead), foreignKeys: known(foreignKeys) },
      checks: known(checks).map((check) => check.definition),
    };
  });
}

async function questionsOf({ db }: Factotum, agent: Agent): Promise<unknown> {
  const open = await listQuestions(db);
  return open
    .filter((question) => question.agent === agent.name)
    .map(({ id, runId, card, askedAt }) => ({
      ...{ id, run: runId, askedAt, because: card.because },
      title: card.title.slice(0, TITLE_CHARS_MAX),
    }));
}

function asJson(uri: string, value: unknown): ReadResourceResult {
  return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(toJson(value), null, 1) }] };
}
