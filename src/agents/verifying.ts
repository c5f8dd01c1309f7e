import { settle } from "../calls/index.ts";
import { FactotumError, must } from "../kernel/index.ts";
import type { ModelCall, ModelCard, ModelReply } from "../models/index.ts";
import { type Found, rule, type Verdict, verdictsOf } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import { beginTwin } from "./agreeing.ts";
import { type AttemptRecord, getAttempt, recordOf, saveAttempt } from "./attempts.ts";
import { modelNamed } from "./cascade.ts";
import { decide } from "./conclude.ts";
import { EVIDENCE_CHARS_MAX, questionOf } from "./evidence.ts";
import { decideOutside } from "./outside-verify.ts";
import { intendAside, sendFor, stopped } from "./sending.ts";
import type { Verifying } from "./state.ts";
import { readTranscript, turnsOf } from "./transcript.ts";
import type { Evidence, ModelVerifier, Verifier } from "./verifier.ts";
import { parseInput, type Working } from "./workshop.ts";

/** The most output tokens a model verifier may use. */
const OUTPUT_TOKENS_MAX = 2_048;

/** A run in phase `verify`. */
type InHand = Working & {
  /** Whether this is the lease's first move: a call under way was then sent, or not, by somebody else. */
  readonly fresh: boolean;
  readonly at: Date;
  readonly verifying: Verifying;
  readonly attempt: AttemptRecord;
};

/**
 * One move of a run whose attempt waits for verifiers that cost something: ask the next of them, or, when
 * none is left or one has said no, decide. Each answer is written in a turn of its own, so that a verifier
 * that has answered is never asked again, whatever the commit meets.
 */
export async function verifyFurther(v: Working & Pick<InHand, "fresh" | "at">): Promise<Run> {
  const verifying = must(v.state.verifying, `what run ${v.run.id} verifies`);
  const found = await getAttempt(v.workshop.db, v.run.id, verifying.attempt);
  const attempt = recordOf(must(found, `attempt ${verifying.attempt} of run ${v.run.id}`));
  const inHand: InHand = { ...v, verifying, attempt };
  const evidence = await evidenceOf(inHand);
  const step = pendingStep(v.bench.agent.verifiers ?? [], verifying.step, attempt.verdicts, evidence);
  if (step === undefined) {
    const decided: AttemptRecord = { ...attempt, status: "discarded" };
    if (v.state.outside !== null) return decideOutside(v, decided);
    return decide({ ...v, attempt: decided, by: verifying.by, alongside: async () => {} });
  }
  const now = { ...inHand, verifying: { ...verifying, step } };
  const verifier = must(v.bench.agent.verifiers?.[step], `verifier ${step}`);
  if (verifier.kind === "agreement") {
    const { model } = verifier;
    if (v.state.outside !== null) return unasked(now, verifier, "its client alone could try again");
    if (model === undefined || modelNamed(v.workshop, model) !== undefined) {
      return beginTwin(now, now.verifying);
    }
    return unasked(now, verifier, `no model is configured as ${model}`);
  }
  return askModel(now, verifier, evidence);
}

/** The verifier whose turn it is; undefined where none is left, or where one more would be wasted. */
function pendingStep(
  verifiers: readonly Verifier<unknown>[],
  from: number,
  verdicts: readonly Verdict[],
  evidence: Evidence<unknown>,
): number | undefined {
  if (rule(verdicts).kind === "next-rung") return undefined;
  const at = verifiers.findIndex((one, index) => index >= from && one.when?.(evidence) !== false);
  return at === -1 ? undefined : at;
}

async function evidenceOf({ workshop, bench, run, attempt, at }: InHand): Promise<Evidence<unknown>> {
  const { diff, calls, number } = attempt;
  const turns = turnsOf(await readTranscript(workshop.db, run.id, number));
  return { input: parseInput(bench.agent, run), diff, calls, turns, at };
}

async function askModel(
  v: InHand,
  verifier: ModelVerifier<unknown>,
  evidence: Evidence<unknown>,
): Promise<Run> {
  const card = modelNamed(v.workshop, verifier.model);
  if (card === undefined) return unasked(v, verifier, `no model is configured as ${verifier.model}`);
  const messages = questionOf(v.bench.agent, verifier, evidence);
  if (messages === undefined) {
    return unasked(
      v,
      verifier,
      `the change is larger than ${EVIDENCE_CHARS_MAX} characters, too large to judge`,
    );
  }
  const outputTokensMax = Math.min(card.outputTokensMax, OUTPUT_TOKENS_MAX);
  const call: ModelCall = {
    ...{ model: card.id, messages, tools: [verifier.answer], outputTokensMax, toolChoice: "required" },
  };
  try {
    if (v.state.call === null || v.fresh) return await intendCall(v, call, card);
  } catch (error) {
    // Such as a model without a known price.
    if (!(error instanceof FactotumError) || error.retry !== "elsewhere") throw error;
    return unasked(v, verifier, error.message);
  }
  const most = v.state.outputTokensMax ?? outputTokensMax;
  return hear(v, verifier, evidence, { ...call, outputTokensMax: Math.min(outputTokensMax, most) });
}

function intendCall(v: InHand, call: ModelCall, card: ModelCard): Promise<Run> {
  const state = { ...v.state, verifying: v.verifying };
  return v.lease.turn((tx, run) =>
    intendAside(tx, v, run, { attempt: v.attempt.number, call, card }, (intended) => ({
      ...state,
      ...intended,
    })),
  );
}

async function hear(
  v: InHand,
  verifier: ModelVerifier<unknown>,
  evidence: Evidence<unknown>,
  call: ModelCall,
): Promise<Run> {
  const id = must(v.state.call, "the call under way");
  const outcome = await sendFor(v, id, call);
  if (outcome.kind === "failed" && outcome.error.code === "stopped") {
    return stopped(v, v.attempt.number, (tx) => settle(tx, id, outcome));
  }
  const found =
    outcome.kind === "answered"
      ? foundIn(outcome.reply, verifier, evidence)
      : [unsure(`it could not be asked: ${outcome.error.message}`)];
  return answer(v, verifier, found, async (tx) => String((await settle(tx, id, outcome)).cost));
}

/** What a reply says; only one call of the one tool counts. */
function foundIn(
  reply: ModelReply,
  verifier: ModelVerifier<unknown>,
  evidence: Evidence<unknown>,
): readonly Found[] {
  const [only, ...others] = reply.toolCalls;
  if (reply.finish === "refused") return [unsure("the model declined to answer")];
  if (only === undefined) return [unsure("it answered in words, which count for nothing")];
  if (others.length > 0) return [unsure("it answered more than once")];
  if (only.kind === "malformed" || only.name !== verifier.answer.name)
    return [unsure("its answer was malformed")];
  return verifier.read(only.input, evidence) ?? [unsure("its answer was malformed")];
}

const unsure = (because: string): Found => ({ kind: "unsure", because });

function unasked(v: InHand, verifier: Verifier<unknown>, because: string): Promise<Run> {
  return answer(v, verifier, [unsure(because)], async () => undefined);
}

/** Writes a verifier's answer with what it cost; the next move asks the next one, or decides. */
function answer(
  v: InHand,
  { name, by }: Pick<Verifier<unknown>, "name" | "by">,
  found: readonly Found[],
  settled: (tx: Transaction) => Promise<string | undefined>,
): Promise<Run> {
  return v.lease.turn(async (tx) => {
    const costMicroUsd = await settled(tx);
    const of = { check: name, by, ...(costMicroUsd === undefined ? {} : { costMicroUsd }) };
    const verdicts = [...v.attempt.verdicts, ...verdictsOf(of, found)];
    await saveAttempt(tx, { ...v.attempt, verdicts });
    const verifying = { ...v.verifying, step: v.verifying.step + 1 };
    return { kind: "continue", state: { ...v.state, verifying, call: null } };
  });
}
