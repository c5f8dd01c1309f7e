import { type CallIntent, intend } from "../calls/index.ts";
import type { ConflictError } from "../changes/index.ts";
import type { ModelCall, ModelCard } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Lease, Run } from "../runs/index.ts";
import type { Tried } from "./attempt-code.ts";
import { type AttemptRecord, getAttempt, saveAttempt, stagedOf } from "./attempts.ts";
import { conclude, concludeInConflict } from "./conclude.ts";
import { toolSpecs } from "./prompt.ts";
import { clamped } from "./spending.ts";
import type { AgentState } from "./state.ts";
import { callsOf, messagesOf, readTranscript, type Transcript, turnsOf } from "./transcript.ts";
import { nothingStaged, type Staged, type Working } from "./workshop.ts";

/** The most output tokens one call may ask for. */
const OUTPUT_TOKENS_MAX = 4_096;

/** A model rung at work on a run. */
export type Trying = Working & {
  /** Whether this is the lease's first move: a call under way was then sent, or not, by somebody else. */
  readonly fresh: boolean;
  readonly rung: string;
  readonly card: ModelCard;
  readonly at: Date;
};

/** The number of the attempt under way. */
export function numberOf(t: Trying): number {
  return t.state.attempt + 1;
}

/** The attempt under way, as its rows have it. */
type Held = { readonly transcript: Transcript; readonly staged: Staged };

/**
 * What a lease's holder knows of its attempt after a turn, so that the rows are read once a lease. It holds
 * as long as the run's version is that of the turn: nobody else may then have written them.
 */
const heldBy = new WeakMap<Lease, Held & { readonly number: number; readonly version: bigint }>();

function held(t: Trying): Held | undefined {
  const known = heldBy.get(t.lease);
  return known?.number === numberOf(t) && known.version === t.run.version ? known : undefined;
}

/** Keeps in mind what a turn has committed. */
export function hold(t: Trying, run: Run, now: Held): Run {
  heldBy.set(t.lease, { ...now, number: numberOf(t), version: run.version });
  return run;
}

/** What was said in the attempt so far. */
export async function saidSoFar(t: Trying): Promise<Transcript> {
  return held(t)?.transcript ?? readTranscript(t.workshop.db, t.run.id, numberOf(t));
}

/** What the attempt has staged so far. */
export async function stagedSoFar(t: Trying): Promise<Staged> {
  const known = held(t);
  if (known !== undefined) return known.staged;
  const attempt = await getAttempt(t.workshop.db, t.run.id, numberOf(t));
  return attempt === undefined ? nothingStaged : stagedOf(attempt);
}

/** The call that a transcript leads to. */
export function callOf(
  t: Trying,
  transcript: Transcript,
  most: number | null = t.state.outputTokensMax,
): ModelCall {
  const outputTokensMax = Math.min(t.card.outputTokensMax, most ?? OUTPUT_TOKENS_MAX);
  const messages = messagesOf(transcript);
  return { model: t.card.id, messages, tools: toolSpecs(t.bench), outputTokensMax };
}

/** Intends the next model call, in the turn that `tx` is; answers what the state keeps of it. */
export async function intendNext(
  tx: Transaction,
  t: Trying,
  run: Run,
  transcript: Transcript,
): Promise<Pick<AgentState, "call" | "outputTokensMax">> {
  const { card, budget } = t;
  const call = await clamped(tx, t, callOf(t, transcript, null), card);
  const { id: runId, tenant, agent } = run;
  const intent: CallIntent = { runId, tenant, agent, attempt: numberOf(t), call, card, at: t.at };
  const id = await intend(tx, budget === undefined ? intent : { ...intent, budget });
  return { call: id, outputTokensMax: call.outputTokensMax };
}

/**
 * Keeps what the attempt has staged by now.
 *
 * @param base what it had staged before the turn, if it was under way
 */
export async function keepWorking(tx: Transaction, t: Trying, staged: Staged, base?: Staged): Promise<void> {
  // Words alone, or calls that only looked.
  if (staged === base) return;
  const record: AttemptRecord = {
    ...{ runId: t.run.id, number: numberOf(t), rung: t.rung, model: t.card.id, status: "working" },
    ...{ calls: staged.calls, changeSet: staged.changeSet, refusals: staged.refusals },
    ...{ diff: [], verdicts: staged.guarded, because: null },
  };
  await saveAttempt(tx, record, base);
}

/** Ends the attempt: checked, then committed, handed over or put to a person. */
export function finish(
  t: Trying,
  transcript: Transcript,
  done: Pick<Tried, "staged" | "end" | "asks">,
  alongside: (tx: Transaction) => Promise<void> = async () => {},
): Promise<Run> {
  const background = { turns: turnsOf(transcript), calls: callsOf(transcript) };
  const tried: Tried = { rung: t.rung, by: "model", model: t.card.id, background, ...done };
  return conclude({ ...t, tried, alongside });
}

/** Ends the attempt because rows that it had staged moved: it is made again on fresh data, told why. */
export function finishInConflict(
  t: Trying,
  staged: Staged,
  conflict: ConflictError,
  alongside: (tx: Transaction) => Promise<void>,
): Promise<Run> {
  const end = { kind: "stuck", because: conflict.message } as const;
  const tried: Tried = { rung: t.rung, by: "model", model: t.card.id, staged, end };
  return concludeInConflict({ ...t, tried, alongside }, conflict);
}
