import type { ChangeSetId, Json, RunId } from "../kernel/index.ts";
import type { RunStatus } from "../runs/index.ts";
import type { AgentState, Disposition } from "./state.ts";

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

/** Work that a run hands to another agent, or to its own. */
export type ChildWork = {
  readonly agent: string;
  readonly input: Json;
  /** Tells it from another of the same agent and input. */
  readonly key?: string;
  readonly priority?: number;
  /** When it begins, by the business clock; at once unless told. */
  readonly at?: Date;
  /** By when it must be over. */
  readonly deadline?: Date;
};

/** How work that was handed on stands. */
export type ChildRun = {
  readonly runId: RunId;
  readonly agent: string;
  readonly input: Json;
  /** `done`, `failed` or `cancelled`; any other only where not all were waited for. */
  readonly status: RunStatus;
  /** How it stands towards its owner, such as `resolved` or `discarded`. */
  readonly disposition: Disposition | null;
  /** Why it failed or was cancelled. */
  readonly because: string | null;
};
