import { PostgresError, sqlStateOf } from "../postgres/index.ts";
import type { AgentRole } from "./agent-role.ts";
import { StageError } from "./errors.ts";

const INSUFFICIENT_PRIVILEGE = "42501";
const LIMIT_EXCEEDED = "54000";

/** What Postgres refused a tool, with what its engineer can do about it; anything else as it is. */
export function explainRefusal(error: unknown, role: AgentRole | undefined): unknown {
  if (!(error instanceof PostgresError)) return error;
  const state = sqlStateOf(error);
  if (state === LIMIT_EXCEEDED && error.message.includes("staged work changed more than")) {
    return new StageError({
      code: "too-many-rows",
      message: `${error.message}; nothing of it was kept: make smaller changes`,
      cause: error,
    });
  }
  if (state !== INSUFFICIENT_PRIVILEGE || role === undefined) return error;
  return new PostgresError({
    code: error.code,
    retry: error.retry,
    message: `${error.message}; ${adviceOn(error.message, role)}`,
    cause: error,
    ...(error.fault !== undefined && { fault: error.fault }),
  });
}

function adviceOn(message: string, { agent, role }: AgentRole): string {
  if (/^Postgres: permission denied for (table|view|sequence|schema|materialized view)/.test(message)) {
    return (
      `agent ${agent} works as role ${role}, which has what the agent declares and no more: declare the ` +
      "table (one with a row condition is found by its name without the schema), or, where a trigger of " +
      `yours needs it, make that trigger's function SECURITY DEFINER or grant the right to ${role}`
    );
  }
  return `agent ${agent} works as role ${role}, which has what the agent declares and no more`;
}
