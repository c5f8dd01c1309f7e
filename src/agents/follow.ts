import { commit, ConflictError } from "../changes/index.ts";
import { ask, type Attention } from "../inbox/index.ts";
import { messageOf } from "../kernel/index.ts";
import { rule, type ToolCall, type Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run, type TurnEnd } from "../runs/index.ts";
import type { Agent, Follow, FollowStep, RestingStep } from "./agent.ts";
import { attend } from "./attending.ts";
import { saveAttempt } from "./attempts.ts";
import { businessTime } from "./business-time.ts";
import { type Before, callTool } from "./call-tool.ts";
import { heededSoFar } from "./said.ts";
import type { AgentState } from "./state.ts";
import {
  examine,
  nothingStaged,
  parseInput,
  type Staged,
  stageMore,
  toolContext,
  type Working,
} from "./workshop.ts";

/** How long a follower whose act could not be committed waits before it looks again. */
const LOOK_AGAIN_MS = 60_000;

/** Wakes a run that follows what it committed, and carries out the step its follower chooses. */
export async function follow(f: Working, follower: Follow<unknown>): Promise<Run> {
  const woken = await choose(f, follower);
  if (woken.step === undefined) return woken.run;
  if (woken.step.kind === "act") return act(f, follower, woken.step);
  const { step, state } = woken;
  const { attention } = f.workshop;
  return f.lease.turn((tx, run) => followEnd(tx, { agent: f.bench.agent, run, state, attention }, step));
}

type Woken =
  | { readonly step: undefined; readonly run: Run }
  | { readonly step: FollowStep; readonly state: AgentState };

/** Asks the follower what to do; an open question is waited for first. */
async function choose(f: Working, follower: Follow<unknown>): Promise<Woken> {
  const { db } = f.workshop;
  const { question } = f.state;
  let choice: string | undefined;
  let at = await businessTime(f.workshop);
  if (question !== null) {
    const asked = await attend(f, question);
    if (asked.kind === "told") return { step: undefined, run: asked.run };
    if (asked.kind === "open") return { step: undefined, run: await parkUntil(f, asked.until) };
    choice = asked.question.answer?.choice;
  } else if (f.run.wakeAt !== null && f.run.wakeAt > at) {
    return { step: undefined, run: await parkUntil(f, f.run.wakeAt) };
  }
  at = await businessTime(f.workshop);
  const input = parseInput(f.bench.agent, f.run);
  const step = await db.transaction(
    async (tx) => {
      const said = await heededSoFar(tx, f.run.id);
      return follower.wake({ input, memo: f.state.memo, at, view: tx, choice, said });
    },
    { readOnly: true },
  );
  return { step, state: { ...f.state, question: null } };
}

function parkUntil(f: Working, until: Date | null): Promise<Run> {
  return f.lease.turn(async () => ({
    kind: "park",
    state: f.state,
    ...(until === null ? {} : { until }),
  }));
}

/** Stages a follower's act, checks it, and commits it in one turn; what fails is put to a person. */
async function act(f: Working, follower: Follow<unknown>, step: FollowStep & { kind: "act" }): Promise<Run> {
  const { agent } = f.bench;
  const at = await businessTime(f.workshop);
  const made = await stageCalls(f, step.calls, at);
  const number = f.state.attempt + 1;
  const state = { ...f.state, attempt: number, question: null };
  if ("problem" in made) return giveUp(f, made.problem);
  const seen = await examine(f.workshop, f.bench, f.run, made, at, { checks: follower.checks });
  const { diff, verdicts, staged } = seen;
  const ruling = rule(verdicts, { proof: "given" });
  if (ruling.kind !== "commit") return giveUp(f, ruling.because.join("; "));
  try {
    return await f.lease.turn(async (tx, run) => {
      const because = `${agent.name} follows up`;
      const about = { runId: run.id, attempt: number, agent: agent.name, because };
      if (staged.changeSet.rows.length > 0) await commit(tx, staged.changeSet, about);
      await saveAttempt(tx, {
        ...{ runId: run.id, number, rung: "follow-up", model: null, status: "committed", because: null },
        ...{ calls: staged.calls, changeSet: staged.changeSet, diff, verdicts, refusals: staged.refusals },
      });
      const rows = staged.changeSet.rows.length;
      await appendStep(tx, run.id, { kind: "committed", attempt: number, data: { rows, by: "follow-up" } });
      return followEnd(tx, { agent, run, state, attention: f.workshop.attention }, step.next);
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return giveUp(f, error.message);
  }
}

/** Stages a list of tool calls from a clean start; a refusal, a guard's too, is returned, not thrown. */
export async function stageCalls(
  f: Pick<Working, "workshop" | "bench" | "run">,
  calls: readonly { readonly tool: string; readonly input: AgentState["memo"] }[],
  at: Date,
  whose: Partial<Pick<Before, "byPerson" | "turns">> = {},
): Promise<Staged | { readonly problem: string }> {
  try {
    const { staged } = await stageMore(f.workshop, f.bench, f.run, nothingStaged, async (tx) => {
      const made: ToolCall[] = [];
      const guarded: Verdict[] = [];
      for (const call of calls) {
        const before = { turns: [], ...whose, calls: made };
        const one = await callTool(tx, f.bench, call, toolContext(f.run, at), before);
        made.push(one.call);
        guarded.push(...one.guarded);
      }
      return { calls: made, guarded, end: undefined };
    });
    return staged;
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/** An act that could not be committed is noted and looked at again: the state of the world decides. */
function giveUp(f: Working, because: string): Promise<Run> {
  return f.lease.turn(async (tx, run, now) => {
    await appendStep(tx, run.id, { kind: "follow-up-failed", attempt: null, data: { because } });
    return {
      kind: "park",
      state: { ...f.state, question: null },
      until: new Date((await now()).getTime() + LOOK_AGAIN_MS),
    };
  });
}

/** Carries a resting step out in the turn's transaction. */
export async function followEnd(
  tx: Transaction,
  parts: {
    readonly agent: Agent;
    readonly run: Run;
    readonly state: AgentState;
    readonly attention: Attention | undefined;
  },
  step: RestingStep,
): Promise<TurnEnd> {
  const { agent, run, state } = parts;
  const outcome = state.disposition ?? "resolved";
  if (step.kind === "done") {
    await appendStep(tx, run.id, { kind: "over", attempt: null, data: { because: step.outcome } });
    return { kind: "done", state, outcome };
  }
  if (step.kind === "wait") {
    return { kind: "park", state: { ...state, memo: step.memo }, until: step.until };
  }
  const card = { ...step.card, calls: [], changes: [] };
  const { tenant, id: runId } = run;
  const due = {
    ...(step.defaultChoice === undefined ? {} : { defaultChoice: step.defaultChoice }),
    ...(step.dueAt === undefined ? {} : { dueAt: step.dueAt }),
    ...(step.importance === undefined ? {} : { importance: step.importance }),
    ...(step.stake === undefined ? {} : { stake: step.stake }),
    topic: step.topic ?? "follow-up",
  };
  const asked = await ask(tx, { runId, tenant, agent: agent.name, card, ...due }, parts.attention);
  const data = { question: asked.id, because: card.because };
  const kind = asked.status === "spared" ? "spared a question" : "asked";
  await appendStep(tx, runId, { kind, attempt: null, data });
  const waiting = { ...state, memo: step.memo, question: asked.id };
  if (asked.status === "spared") return { kind: "continue", state: waiting };
  return { kind: "park", state: waiting, ...(asked.until === null ? {} : { until: asked.until }) };
}
