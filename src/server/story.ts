import {
  NO_ATTEMPT,
  allTokens,
  type Attempt,
  type Disposition,
  listAttempts,
  listNudges,
  type Nudged,
  readState,
} from "../agents/index.ts";
import { listCommitted } from "../changes/index.ts";
import { type Question, questionsOf } from "../inbox/index.ts";
import type { ChangeSetId, Json, MicroUsd, RunId, TenantId, Tokens } from "../kernel/index.ts";
import { statementOf } from "../ledger/index.ts";
import { type CommittedEffect, listEffects } from "../outbox/index.ts";
import type { Transaction } from "../postgres/index.ts";
import {
  getRun,
  type Kinship,
  kinshipOf,
  listRuns,
  listSteps,
  type Run,
  type RunPage,
  type Step,
} from "../runs/index.ts";

/** Effects of one run that its story tells. */
const EFFECTS_MAX = 1_000;

/** A run in a listing. */
export type RunLine = {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  /** The work as a person calls it. */
  readonly title: string;
  readonly key: string | null;
  readonly status: Run["status"];
  readonly disposition: Disposition | null;
  readonly wakeAt: Date | null;
  readonly createdAt: Date;
};

/** Everything there is to know of a run: what it was for, what was tried, what came of it, at what price. */
export type RunStory = {
  /** With the run that handed it on, those that it handed on itself, and by when it must be over. */
  readonly run: RunLine &
    Kinship & {
      readonly input: Json;
      readonly outcome: string | null;
      /** Why it failed or was cancelled, or the last error while it is tried again. */
      readonly because: string | null;
    };
  readonly attempts: readonly Attempt[];
  /** What people said to it while it was under way. */
  readonly nudges: readonly Nudged[];
  /** The first 1,000. */
  readonly steps: readonly Step[];
  /** All that there are. */
  readonly stepCount: number;
  readonly questions: readonly Question[];
  readonly changeSets: readonly { readonly id: ChangeSetId; readonly undone: boolean }[];
  /** What it sent, or will, or would have. */
  readonly effects: readonly CommittedEffect[];
  readonly cost: MicroUsd;
  readonly tokens: Tokens;
  readonly value: MicroUsd;
};

/** Lists runs, newest first. */
export async function runLines(
  tx: Transaction,
  filter: RunPage,
  titleOf: (run: Run) => string,
): Promise<readonly RunLine[]> {
  return (await listRuns(tx, filter)).map((run) => lineOf(run, titleOf(run)));
}

/** Tells the story of one run. @throws {InputError} `run-unknown` */
export async function tellRun(tx: Transaction, id: RunId, titleOf: (run: Run) => string): Promise<RunStory> {
  const run = await getRun(tx, id);
  const { cost, usage, value } = await statementOf(tx, id);
  const committed = await listCommitted(tx, id);
  return {
    run: {
      ...{ ...lineOf(run, titleOf(run)), ...(await kinshipOf(tx, id)) },
      ...{ input: run.input, outcome: run.outcome, because: run.because },
    },
    attempts: await listAttempts(tx, id),
    nudges: await listNudges(tx, id),
    steps: await listSteps(tx, id),
    stepCount: Number(run.steps),
    questions: await questionsOf(tx, id),
    effects: (await listEffects(tx, { runId: id, limit: EFFECTS_MAX })).toReversed(),
    // An undo is a change set too, and none of the run's own work.
    changeSets: committed
      .filter((set) => set.undoes === null && set.attempt !== NO_ATTEMPT)
      .map((set) => ({ id: set.id, undone: set.undoneBy !== null })),
    ...{ cost, tokens: allTokens(usage), value },
  };
}

function lineOf(run: Run, title: string): RunLine {
  const { id, tenant, agent, key, status, createdAt } = run;
  const { disposition } = readState(run.state);
  // A run that is over wakes no more, whatever it once waited for.
  const wakeAt = status === "waiting" || status === "paused" ? run.wakeAt : null;
  return { id, tenant, agent, title, key, status, wakeAt, createdAt, disposition };
}
