import type { Json } from "../kernel/index.ts";
import type { Run } from "./run.ts";

/** A run as one worker holds it. */
export type Hold = {
  /** Null where the run is driven from outside, between a worker's turns. */
  readonly worker: string | null;
  readonly fence: string;
  /** As this worker last saw it. */
  readonly run: Run;
  /**
   * The committed state. Kept as text, and parsed for every turn, so that an agent that changes the object
   * in its hands changes nothing; read again only when the row's version is not the one this worker wrote.
   */
  readonly stateText: string;
};

/** Whom the next turns call: left out, as before; null: nobody. */
type Needs = { readonly provider?: string | null };

/** How a turn leaves its run. */
export type TurnEnd =
  /**
   * Another turn follows at once; elsewhere, maybe, where it needs a `provider` that it did not name before
   * and that has limits: then the lease's signal is aborted, and the run is taken up once they allow it.
   */
  | ({ readonly kind: "continue"; readonly state: Json } & Needs)
  /**
   * Wait until a business time, or, without `until`, until woken. Refused, once, when a wake-up found the
   * run awake since its last park: the run comes back `ready` and takes another turn.
   */
  | ({ readonly kind: "park"; readonly state: Json; readonly until?: Date } & Needs)
  | { readonly kind: "done"; readonly state: Json; readonly outcome: string }
  | { readonly kind: "failed"; readonly state: Json; readonly because: string };
