import { isConnectionFault } from "../postgres/index.ts";
import { StageError } from "./errors.ts";

/** A server that is restarted takes a connection once; after that, no work begins until it is back. */
const LOSSES_MAX = 3;

/**
 * Gives up on work whose connection is ended under it, time and again: a role may end sessions of its own,
 * and trying that again for an hour would only pay for it.
 *
 * @param run calls `begun` once its work starts
 * @returns what makes one try
 * @throws {StageError} `session-ended`
 */
export function givingUp<T>(run: (begun: () => void) => Promise<T>): () => Promise<T> {
  let losses = 0;
  return async () => {
    let hasBegun = false;
    try {
      return await run(() => {
        hasBegun = true;
      });
    } catch (error) {
      if (!hasBegun || !isLoss(error) || (losses += 1) < LOSSES_MAX) throw error;
      throw new StageError({
        code: "session-ended",
        message:
          `the connection of staged work was ended ${LOSSES_MAX} times while it ran, and nothing was kept: ` +
          "its SQL, or that of other work of the same agent, ends sessions of its own role",
        cause: error,
      });
    }
  };
}

function isLoss(error: unknown): boolean {
  return isConnectionFault(error) || (error instanceof Error && isConnectionFault(error.cause));
}
