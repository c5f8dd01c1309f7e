import type { ChangeSetId, Json, RunId } from "../kernel/index.ts";
import type { AgentState } from "./state.ts";

/** A committed change set that was not taken back, and why. */
export type StandingChange = { readonly changeSet: ChangeSetId; readonly because: string };

/** What an agent is told of a run of its that ends before its time, when it says what is to be sent. */
export type EndedEarly<Input> = {
  readonly input: Input;
  readonly runId: RunId;
  readonly at: Date;
  readonly because: string;
  /** How many change sets of the run were taken back. */
  readonly undone: number;
  /** Those that stand, since something later depends on them, or because they are to be kept. */
  readonly stands: readonly StandingChange[];
};

/** An explicit step from one version of an agent to a later one, for runs that the earlier one began. */
export type Migration = {
  readonly from: number;
  readonly to: number;
  /** The state that the later version goes on from. Pure: it may be run again. */
  step(state: AgentState): AgentState;
  /** The input as the later version reads it; as it is unless told. */
  input?(input: Json): Json;
};
