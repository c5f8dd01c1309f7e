import type { Attempt } from "./attempts.ts";
import type { Handle } from "./outside-handle.ts";
import type { Staged, Working } from "./workshop.ts";

/** A run in the hands of one call from outside, with the attempt that the call's handle names. */
export type Held = Working & {
  readonly handle: Handle;
  readonly attempt: Attempt;
  readonly staged: Staged;
  /** Business time. */
  readonly at: Date;
};
