import type { MicroUsd, RunId } from "../kernel/index.ts";

/** Who made a change set, why, and at what cost. */
export type About = {
  readonly runId: RunId;
  readonly attempt: number;
  readonly agent: string;
  /** A sentence that a person reads beside the change. */
  readonly because: string;
  /** `provider/model`; absent where no model had a hand in it. */
  readonly model?: string;
  /** What the attempt cost in micro-USD. */
  readonly costMicroUsd?: MicroUsd;
};
