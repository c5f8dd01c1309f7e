import { z } from "zod";
import { calledFirst, type WorkshopParts } from "../agents/index.ts";
import { defaultTenant, InputError } from "../kernel/index.ts";
import type { RunOrder } from "../runs/index.ts";
import type { Config, WorkItem } from "./config.ts";
import { unknownAgent } from "./working.ts";

/** A piece of work to be started. */
export type WorkOrder = Pick<WorkItem, "agent" | "key" | "input" | "tenant" | "priority"> & {
  /** When it begins, by the business clock; at once unless told. */
  readonly at?: Date;
  /** By when it must be over: past it, it is ended, and what it did is taken back. */
  readonly deadline?: Date;
};

const TENANT_CHARS_MAX = 200;
/** What a column of Postgres' type integer holds. */
const PRIORITY_MAX = 2 ** 31 - 1;

/**
 * The run of a piece of work, as its agent is configured.
 *
 * @throws {InputError} `agent-unknown`, `input-invalid`, `order-invalid`
 */
export function runOrderOf(config: Config, workshop: WorkshopParts, order: WorkOrder): RunOrder {
  const { agent: name, key, input, at, deadline, tenant, priority } = order;
  const agent = config.agents.find((one) => one.name === name);
  if (agent === undefined) throw unknownAgent(config, name);
  const parsed = agent.input.safeParse(input);
  if (!parsed.success) throw badInput(name, parsed.error);
  const problem = problemOf(order);
  if (problem !== undefined) {
    throw new InputError({
      code: "order-invalid",
      message: `work for ${name} cannot be started: ${problem}`,
    });
  }
  return {
    ...{ agent: name, agentVersion: agent.version, key, input, ...calledFirst(workshop, agent) },
    ...(tenant !== undefined && { tenant }),
    ...(priority !== undefined && { priority }),
    ...(at !== undefined && { parkedUntil: at }),
    ...(deadline !== undefined && { deadline }),
  };
}

function problemOf({ at, deadline, tenant = defaultTenant, priority = 0 }: WorkOrder): string | undefined {
  if (tenant.trim() === "" || tenant.length > TENANT_CHARS_MAX || tenant.includes("\0")) {
    return `a tenant's name has 1 to ${TENANT_CHARS_MAX} characters, and no NUL`;
  }
  if (!Number.isInteger(priority) || Math.abs(priority) > PRIORITY_MAX) {
    return `its priority must be a whole number of at most ${PRIORITY_MAX}, not ${priority}`;
  }
  if ([at, deadline].some((time) => time !== undefined && Number.isNaN(time.getTime()))) {
    return "a time of it is no date";
  }
  if (at === undefined || deadline === undefined || at < deadline) return undefined;
  return `it would begin at ${at.toISOString()}, and its deadline is ${deadline.toISOString()}`;
}

function badInput(name: string, error: z.ZodError): InputError {
  const because = z.prettifyError(error).replaceAll(/\s+/g, " ");
  return new InputError({
    code: "input-invalid",
    message: `agent ${name} cannot read this input: ${because}`,
  });
}
