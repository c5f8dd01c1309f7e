import type { CallId, Json, ModelId, QuestionId, RunId } from "../kernel/index.ts";

/**
 * How a run stands towards its owner: `resolved` committed without asking anybody, `answered` committed
 * after a person answered, `refused` found nothing to do, `discarded` by a person's choice, `cancelled` or
 * `overdue` ended before its time; `rehearsed` got to its verdict and was thrown away, as was meant.
 */
export type Disposition =
  | "resolved"
  | "answered"
  | "refused"
  | "discarded"
  | "undone"
  | "cancelled"
  | "overdue"
  | "rehearsed";

/** How a conversation ended: by the person, by the agent, by a silence or a length past its limit. */
export type TalkEnd = "person" | "agent" | "silence" | "length";

/** How the conversation with the person on the other side stands, for an agent that converses. */
export type Talk = {
  /** It is the person's turn: the run is parked until they speak, or until `until`, ISO. */
  readonly listening: boolean;
  readonly until: string | null;
  /** Messages of the person's that were taken up. */
  readonly heard: number;
  /** Once over it stays so: later attempts of the run have it as data, and nobody to talk to. */
  readonly over: { readonly by: TalkEnd; readonly attempt: number } | null;
};

/** How far the verifying of an attempt has come. */
export type Verifying = {
  readonly attempt: number;
  readonly by: "code" | "model";
  /** Index into the agent's verifiers of the one whose turn it is. */
  readonly step: number;
  /** Further tries that agreed so far, where that is an agreement. */
  readonly twins: number;
};

/** Children that an earlier call of a run started, by the digest of what was asked. */
type Joins = { readonly [digest: string]: { readonly runId: RunId; readonly number: number } };

/** The agent's own part of a run: everything a worker elsewhere needs to go on. */
export type AgentState = {
  readonly phase: "attempt" | "verify" | "asked" | "following" | "outside";
  /** Index into the agent's cascade of the rung whose turn it is. */
  readonly rung: number;
  /** Number of the latest attempt, 0 before the first. */
  readonly attempt: number;
  /** How often a commit met rows that had moved. */
  readonly conflicts: number;
  /** Why earlier attempts were thrown away, for the next rung to read. */
  readonly feedback: readonly string[];
  /**
   * The attempt that verifiers which cost something look at: in phase `verify`, and in phase `attempt` while
   * a further try is made to be compared with it.
   */
  readonly verifying: Verifying | null;
  /** The model call under way, in phase `attempt` or `verify`. */
  readonly call: CallId | null;
  /** Where that call is to write a hand-off note, its id again; else it is the attempt's own. */
  readonly noting?: CallId | null;
  /** The most tokens that call may answer with, where a budget has no room for more. */
  readonly outputTokensMax: number | null;
  /** The model that stands in for the rung's own in the attempt under way, beyond a soft budget. */
  readonly instead: ModelId | null;
  /** A budget refused a call of the latest attempt. */
  readonly overBudget: boolean;
  readonly talk: Talk;
  /** The question waited for: about a change set in phase `asked`, else an attempt's or a follow-up's. */
  readonly question: QuestionId | null;
  /** The attempt whose change set the question is about, 0 where nothing was staged. */
  readonly askedAttempt: number;
  readonly disposition: Disposition | null;
  /** The follower's own note to itself, in phase `following`. */
  readonly memo: Json;
  /** A fork that is verified and never committed. */
  readonly rehearses?: boolean;
  /** The runs that its code handed work to. */
  readonly joins?: Joins;
  /** Who drives the run from outside; null where the agent's own cascade does. */
  readonly outside: OutsideState | null;
};

/** What a run driven from outside keeps between two calls of its client. */
export type OutsideState = {
  /** The client's own name for itself. */
  readonly client: string;
  /** SHA-256 of the secret in the client's handle, so that a handle cannot be guessed from a run's number. */
  readonly digest: string;
  /** Whether attempt `attempt + 1` is under way; between attempts it is not. */
  readonly open: boolean;
  /** Tool calls made in the attempt under way, those that failed included. */
  readonly calls: number;
  /** How often its commit was refused by checks. */
  readonly refusals: number;
  /** What verifiers found and people said, until its client is told. */
  readonly untold?: readonly string[];
};

/** The state of a run that has just started. */
const freshState: AgentState = {
  phase: "attempt",
  rung: 0,
  attempt: 0,
  conflicts: 0,
  feedback: [],
  verifying: null,
  call: null,
  outputTokensMax: null,
  instead: null,
  overBudget: false,
  talk: { listening: false, until: null, heard: 0, over: null },
  question: null,
  askedAttempt: 0,
  disposition: null,
  memo: null,
  outside: null,
};

/** The state that a run begins with. */
export function newState(given: Partial<AgentState>): AgentState {
  return { ...freshState, ...given };
}

/** Reads a run's state; a new run has none yet. Fields that an older version lacked get their start value. */
export function readState(state: Json): AgentState {
  return { ...freshState, ...(state as Partial<AgentState> | null) };
}
