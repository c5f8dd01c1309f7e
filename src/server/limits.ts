import { InputError } from "../kernel/index.ts";
import { checkLimit, type Limit } from "../runs/index.ts";
import type { Config } from "./config.ts";

const KINDS = { tenants: "tenant", agents: "agent", providers: "provider" } as const;

/**
 * The limits that a configuration declares, as a list.
 *
 * @throws {InputError} `limit-invalid`
 */
export function limitsOf({ limits = {}, agents }: Config): readonly Limit[] {
  const strange = Object.keys(limits).find((group) => !(group in KINDS));
  if (strange !== undefined) {
    throw invalid(`there are no limits by ${strange}; there are tenants, agents and providers`);
  }
  const known = new Set(["*", ...agents.map((agent) => agent.name)]);
  const nobody = Object.keys(limits.agents ?? {}).find((name) => !known.has(name));
  if (nobody !== undefined) throw invalid(`there is no agent ${nobody} to limit`);
  return Object.entries(KINDS).flatMap(([group, kind]) =>
    Object.entries(limits[group as keyof typeof KINDS] ?? {}).map(([name, bounds]) =>
      checkLimit({ kind, name, ...bounds }),
    ),
  );
}

function invalid(because: string): InputError {
  return new InputError({ code: "limit-invalid", message: because });
}
