import { FactotumError, messageOf } from "../kernel/index.ts";
import type { ApplyMode, TableChange } from "./apply.ts";

/**
 * How to put rows back. Replica mode, wherever the role may use it; else triggers stay on, which is exact
 * only for tables on which the user has none.
 *
 * @throws {FactotumError} `replica-mode-needed`, with the GRANT that is missing
 */
export function chooseMode(changes: readonly TableChange[], replica: boolean): ApplyMode {
  if (replica) return "replica";
  const busy = changes.filter(({ relation }) => relation.userTriggers.length > 0);
  if (busy.length === 0) return "triggers";
  const list = busy
    .map(({ relation }) => `${relation.name} (${relation.userTriggers.join(", ")})`)
    .join(", ");
  throw new FactotumError({
    code: "replica-mode-needed",
    retry: "never",
    message:
      `the triggers of ${list} have run while staging and must not run again when the rows are put in, but ` +
      `this role may not switch them off; as a superuser run: ${GRANT}`,
  });
}

const GRANT = "GRANT SET ON PARAMETER session_replication_role TO <the role Factotum logs in as>";

/**
 * Why rows that are as they were read cannot be put in: somebody else's row stands in the way, or, with
 * triggers on, rows of the set stand in each other's (two that swap a unique value while others refer to
 * them), which only replica mode gets past.
 */
export function inTheWay(error: unknown, replica: boolean): string {
  const hint = replica
    ? ""
    : `; where nobody else's row is in the way, triggers must be off to put these in: ${GRANT}`;
  return `a constraint does not hold now (${messageOf(error)}${hint})`;
}
