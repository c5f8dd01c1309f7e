import { reconcile, settle } from "../calls/index.ts";
import { ConflictError, StageError } from "../changes/index.ts";
import { FactotumError } from "../kernel/index.ts";
import { assistantMessage, type ModelReply } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import type { RungEnd } from "./agent.ts";
import { actOn, type Acted, endOf } from "./attempt-acts.ts";
import { awaitAnswer, goOnAnswered, parkForModel } from "./attempt-asks.ts";
import {
  concludeTalk,
  ended,
  hearOut,
  isTalkedOut,
  isTalking,
  listen,
  listenEnd,
  nextEnd,
  openTalk,
} from "./attempt-talk.ts";
import { agreementOf } from "./agreeing.ts";
import { compactWhereFull } from "./compacting.ts";
import { modelNamed } from "./cascade.ts";
import { heededSoFar } from "./said.ts";
import { openingMessages } from "./prompt.ts";
import { appendRefusals } from "./refusal.ts";
import { isUnheard, sayToPerson } from "./say.ts";
import { sendFor, stopped } from "./sending.ts";
import { degrade } from "./spending.ts";
import { append, entries, repliesInARow, type Transcript } from "./transcript.ts";
import {
  callOf,
  finish,
  finishInConflict,
  hold,
  keepWorking,
  numberOf,
  saidSoFar,
  stagedSoFar,
  type Trying,
} from "./trying.ts";
import { lessonsOf, nothingStaged, parseInput, standingOf } from "./workshop.ts";

/** The most model calls of one attempt, or in a row where it talks, unless the agent says otherwise. */
const CALLS_MAX = 24;

/** What a turn writes of the model call that it follows. */
type Settled = (tx: Transaction) => Promise<void>;

/** The person has spoken while the model thought that it was done. The turn that was to end it is undone. */
class SpokenMeanwhile extends Error {}

/**
 * One move of a model rung. A model that may not be called, such as one without a known price, ends the
 * attempt like one that fails.
 */
export async function tryModel(t: Trying): Promise<Run> {
  try {
    return await advance(t);
  } catch (error) {
    if (!(error instanceof FactotumError) || error.retry !== "elsewhere") throw error;
    return stuck(t, [], error.message);
  }
}

/**
 * Takes a model rung's attempt one step further: hear the person whose turn it is, or send the call that
 * the last turn intended, run the tools it asks for on the staged copy, and write reply, staged rows,
 * costs and the next intent in one turn. What a crash left behind is taken up from the attempt's own rows.
 */
async function advance(t: Trying): Promise<Run> {
  const transcript = await saidSoFar(t);
  if (transcript.length === 0) return begin(t);
  if (t.state.question !== null) {
    const seen = await awaitAnswer(t);
    return "run" in seen ? seen.run : goOnAnswered(t, seen.answer);
  }
  if (isTalkedOut(t)) return concludeTalk(t, transcript);
  if (t.state.talk.listening) return listen(t, transcript);
  const compacted = await compactWhereFull(t, transcript);
  if (compacted !== undefined) return compacted;
  if (t.state.call === null || t.fresh) return intendAgain(t, transcript);
  const { call } = t.state;
  const outcome = await sendFor(t, call, callOf(t, transcript));
  const settled: Settled = async (tx) => void (await settle(tx, call, outcome));
  if (outcome.kind === "answered") return answered(t, transcript, outcome.reply, settled);
  if (outcome.error.code === "stopped") return stopped(t, numberOf(t), settled);
  const overBudget = t.state.overBudget || outcome.error.code === "over-budget";
  return stuck({ ...t, state: { ...t.state, overBudget } }, transcript, outcome.error.message, settled);
}

/** Carries a reply out and writes, in one turn, all that comes of it. */
async function answered(
  t: Trying,
  transcript: Transcript,
  reply: ModelReply,
  settled: Settled,
): Promise<Run> {
  const base = await stagedSoFar(t);
  let acted: Acted;
  try {
    acted = await actOn(t, transcript, base, reply);
  } catch (error) {
    const alongside: Settled = async (tx) => {
      await settled(tx);
      await append(tx, t.run.id, numberOf(t), entries([assistantMessage(reply, t.card.id)]));
    };
    if (error instanceof ConflictError) return finishInConflict(t, base, error, alongside);
    // What was called cannot be staged, whoever calls it again: the next rung may do without it.
    if (!(error instanceof StageError) || error.retry !== "never") throw error;
    return finish(t, transcript, { staged: base, end: { kind: "stuck", because: error.message } }, alongside);
  }
  const said = entries([assistantMessage(reply, t.card.id), ...acted.messages]);
  const grown = [...transcript, ...said];
  const record: Settled = async (tx) => {
    await settled(tx);
    await append(tx, t.run.id, numberOf(t), said);
    const refused = acted.staged.refusals.slice(base.refusals.length);
    await appendRefusals(tx, t.run.id, numberOf(t), refused);
  };
  const { callsMax = CALLS_MAX } = t.bench.agent;
  const end = endOf(t, reply, acted.messages);
  if (end?.kind === "says") return sayAndListen(t, acted, end.text, record);
  if (end === undefined && acted.asked !== undefined) return parkForModel(t, acted, acted.asked, record);
  if (end === undefined && repliesInARow(grown) < callsMax) return goOn(t, grown, acted, record);
  const over: RungEnd =
    end === undefined
      ? { kind: "stuck", because: `it made ${callsMax} calls without finishing` }
      : end.kind === "handed-over"
        ? { kind: "finished", doubts: [] }
        : end;
  const done = { staged: acted.staged, end: over };
  if (over.kind !== "finished" || !isTalking(t)) return finish(t, grown, done, record);
  return finishTalk(t, grown, acted, over, record);
}

/** The agent is done; unless the person has spoken meanwhile, who may want something else by now. */
async function finishTalk(
  t: Trying,
  transcript: Transcript,
  acted: Acted,
  end: RungEnd,
  record: Settled,
): Promise<Run> {
  const over = { ...t, state: { ...t.state, talk: ended(t, t.state.talk, "agent") } };
  try {
    return await finish(over, transcript, { staged: acted.staged, end }, async (tx) => {
      if (await isUnheard(tx, t.run.id)) throw new SpokenMeanwhile();
      await record(tx);
    });
  } catch (error) {
    if (!(error instanceof SpokenMeanwhile)) throw error;
    return goOn(t, transcript, acted, record);
  }
}

async function goOn(t: Trying, transcript: Transcript, acted: Acted, record: Settled): Promise<Run> {
  let said = transcript;
  const next = await t.lease.turn(async (tx, run) => {
    await record(tx);
    const heard = await hearOut(tx, t, run);
    await keepWorking(tx, t, acted.staged, acted.base);
    said = [...transcript, ...heard.entries];
    return nextEnd(tx, t, run, said, heard.talk);
  });
  return hold(t, next, { transcript: said, staged: acted.staged });
}

function sayAndListen(t: Trying, acted: Acted, text: string, record: Settled): Promise<Run> {
  return t.lease.turn(async (tx, run, now) => {
    await record(tx);
    await sayToPerson(tx, run, text);
    await keepWorking(tx, t, acted.staged, acted.base);
    return listenEnd(t, await now());
  });
}

/** Begins the attempt, with the cheapest model instead where a soft budget says so. */
async function begin(planned: Trying): Promise<Run> {
  const { workshop, state } = planned;
  // A try that is made to be compared is made by the model that the comparison is about.
  const found =
    agreementOf(planned) === undefined
      ? await degrade(planned, planned.card)
      : ({ kind: "as-planned" } as const);
  if (found.kind === "nothing-cheaper") {
    return stuck({ ...planned, state: { ...state, overBudget: true } }, [], found.because);
  }
  const card = found.kind === "instead" ? modelNamed(workshop, found.model) : undefined;
  return open(card === undefined ? planned : { ...planned, card, state: { ...state, instead: card.id } });
}

async function open(t: Trying): Promise<Run> {
  const messages = openingMessages(t.bench.agent, {
    ...{ input: parseInput(t.bench.agent, t.run), at: t.at, feedback: t.state.feedback },
    lessons: await lessonsOf(t.workshop, t.run),
    standing: await standingOf(t.workshop, t.run),
    said: await heededSoFar(t.workshop.db, t.run.id),
    talkIsOver: t.state.talk.over !== null,
  });
  let opening: Transcript = [];
  const next = await t.lease.turn(async (tx, run, now) => {
    const { entries: talked, talk } = await openTalk(tx, t, run);
    opening = [...entries(messages), ...talked];
    await append(tx, run.id, numberOf(t), opening);
    await keepWorking(tx, t, nothingStaged);
    if (isTalking(t) && talked.at(-1)?.kind !== "heard" && talk.over === null)
      return listenEnd(t, await now());
    return nextEnd(tx, t, run, opening, talk);
  });
  return hold(t, next, { transcript: opening, staged: nothingStaged });
}

/** After a crash the reply to the intended call is unknown: it is booked as such and the call made anew. */
async function intendAgain(t: Trying, transcript: Transcript): Promise<Run> {
  const staged = await stagedSoFar(t);
  let said = transcript;
  const next = await t.lease.turn(async (tx, run) => {
    await reconcile(tx, run.id);
    const heard = await hearOut(tx, t, run);
    said = [...transcript, ...heard.entries];
    return nextEnd(tx, t, run, said, heard.talk);
  });
  return hold(t, next, { transcript: said, staged });
}

function stuck(t: Trying, transcript: Transcript, because: string, settled?: Settled): Promise<Run> {
  return finish(t, transcript, { staged: nothingStaged, end: { kind: "stuck", because } }, settled);
}
