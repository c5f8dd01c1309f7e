import { reconcile, settle } from "../calls/index.ts";
import { nudgeFromJson, withdraw } from "../inbox/index.ts";
import { must, type RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import {
  appendStep,
  cancel,
  kinshipOf,
  lockTree,
  type Run,
  takeNudges,
  type TurnEnd,
} from "../runs/index.ts";
import { getAttempt, recordOf, saveAttempt } from "./attempts.ts";
import { reconsider } from "./conclude.ts";
import { saysOf, withUntold } from "./outside-told.ts";
import { closed, reopen } from "./outside-verify.ts";
import type { Heeded } from "./said.ts";
import { type AgentState, readState } from "./state.ts";
import { readTranscript } from "./transcript.ts";
import { noteNudge } from "./unheard.ts";
import type { Working } from "./workshop.ts";

/**
 * Takes up what people have said to a run, in a turn before its next step: written into its timeline, where
 * models and code read it, and done at once where it is the word to skip. A model call that was intended and
 * not sent is taken back: it would not know of it. So is an attempt that waits for its verifiers: it is made
 * again.
 */
export function heed(w: Working & { readonly fresh: boolean }): Promise<Run> {
  const { run, state, lease } = w;
  return lease.turn(async (tx, _run, now) => {
    const nudges = await takeNudges(tx, run.id);
    if (nudges.length === 0) return { kind: "continue", state };
    const attempt = await underWay(tx, w);
    for (const { body, by } of nudges) await noteNudge(tx, run.id, nudgeFromJson(body), by, attempt);
    await takeCallBack(tx, w, "a person said something before it was sent");
    const heard: AgentState = { ...state, call: null };
    const skip = nudges.find(({ body }) => nudgeFromJson(body).skip);
    if (skip !== undefined) return leave(tx, w, heard, { by: skip.by, text: nudgeFromJson(skip.body).text });
    const said = nudges.map(({ by, body }) => ({ by, text: nudgeFromJson(body).text }));
    const words = said.filter(({ text }) => text !== "");
    if (state.phase === "outside") return goOn(run, { ...heard, outside: hearing(heard, words) });
    if (state.verifying === null || words.length === 0) return goOn(run, heard);
    return takeAttemptBack(tx, { ...w, state: heard }, words, now);
  });
}

/**
 * Takes back the attempt that verifiers look at, and the try that may be under way to be compared with it:
 * both were made before it was said. A client outside has it open again, and is told.
 */
async function takeAttemptBack(
  tx: Transaction,
  w: Working,
  said: readonly Heeded[],
  now: () => Promise<Date>,
): Promise<TurnEnd> {
  const { run, state } = w;
  const { attempt: number } = must(state.verifying, `what run ${run.id} verifies`);
  const attempt = recordOf(must(await getAttempt(tx, run.id, number), `attempt ${number} of run ${run.id}`));
  if (state.outside !== null) {
    return reopen(tx, { state, attempt }, { told: said.map(saysOf), refused: false, at: await now() });
  }
  const twin = state.phase === "attempt" ? await getAttempt(tx, run.id, state.attempt + 1) : undefined;
  if (twin === undefined) return reconsider(tx, { ...w, attempt });
  const because = "what it was to be compared with was taken back";
  await saveAttempt(tx, { ...recordOf(twin), status: "discarded", because });
  if (state.question !== null) await withdraw(tx, run.id);
  return reconsider(tx, { ...w, state: { ...state, attempt: twin.number, question: null }, attempt });
}

/** What the client of a run driven from outside is to be told with its next call. */
function hearing({ outside }: AgentState, words: readonly Heeded[]): AgentState["outside"] {
  return outside === null ? null : withUntold(outside, words.map(saysOf));
}

/** Sleeps on where it slept: a turn that goes on would forget until when. */
function goOn({ wakeAt }: Run, state: AgentState): TurnEnd {
  const waits = state.question !== null || state.talk.listening;
  const asleep = state.phase === "outside" || (!waits && ["following", "attempt"].includes(state.phase));
  return asleep && wakeAt !== null ? { kind: "park", state, until: wakeAt } : { kind: "continue", state };
}

/** The attempt whose transcript has begun, so that what is said belongs into it. */
async function underWay(tx: Transaction, { run, state }: Working): Promise<number | null> {
  const number = state.attempt + 1;
  if (state.phase === "outside") return state.outside?.open === true ? number : null;
  if (state.phase !== "attempt") return null;
  return (await readTranscript(tx, run.id, number)).length > 0 ? number : null;
}

/** Takes back a model call that was intended and not sent. */
export async function takeCallBack(
  tx: Transaction,
  w: Pick<Working, "state" | "run"> & { readonly fresh: boolean },
  message: string,
): Promise<void> {
  const { call } = w.state;
  if (call === null) return;
  // On a lease's first move nobody knows whether the call went out.
  if (w.fresh) return void (await reconcile(tx, w.run.id));
  const error = { code: "stopped", retry: "never", message, retryAfterMs: null } as const;
  await settle(tx, call, { kind: "failed", error, tries: [] });
}

/** Ends the run, and what it handed on, on a person's word; what they committed before stays. */
async function leave(tx: Transaction, w: Working, state: AgentState, said: Heeded): Promise<TurnEnd> {
  const { run } = w;
  await withdraw(tx, run.id);
  const because = said.text === "" ? `skipped by ${said.by}` : `skipped by ${said.by}: ${said.text}`;
  await endChildren(tx, run.id, because);
  const mayBe = state.phase === "attempt" || state.phase === "outside";
  const begun = mayBe ? await getAttempt(tx, run.id, state.attempt + 1) : undefined;
  const verified =
    state.verifying === null ? undefined : await getAttempt(tx, run.id, state.verifying.attempt);
  for (const attempt of [verified, begun]) {
    if (attempt !== undefined) await saveAttempt(tx, { ...recordOf(attempt), status: "discarded", because });
  }
  const attempt = begun ?? verified;
  await appendStep(tx, run.id, { kind: "skipped", attempt: attempt?.number ?? null, data: { because } });
  const disposition = state.disposition ?? "discarded";
  const over = state.outside === null ? state : closed(state);
  return { kind: "done", state: { ...over, disposition, question: null }, outcome: disposition };
}

async function endChildren(tx: Transaction, runId: RunId, because: string): Promise<void> {
  const tree = (await kinshipOf(tx, runId)).children.length === 0 ? [] : await lockTree(tx, runId);
  for (const { run, state } of tree.filter((one) => one.run.id !== runId)) {
    const end = { ...readState(state), disposition: "cancelled", question: null } as const;
    if (await cancel(tx, run.id, because, { state: end })) await withdraw(tx, run.id);
  }
}
