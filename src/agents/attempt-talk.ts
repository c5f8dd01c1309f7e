import type { Transaction } from "../postgres/index.ts";
import type { Run, TurnEnd } from "../runs/index.ts";
import type { Converse } from "./agent.ts";
import { hear, listSaid, type Said, sayToPerson } from "./say.ts";
import type { Talk, TalkEnd } from "./state.ts";
import { append, type Entry, type Transcript } from "./transcript.ts";
import { finish, hold, intendNext, numberOf, stagedSoFar, type Trying } from "./trying.ts";
import { unnamed } from "./provider.ts";

/** How long a person may be silent, unless the agent says otherwise. */
const SILENCE_MS_MAX = 86_400_000;
/** How many messages a person may send, unless the agent says otherwise. */
const HEARD_MAX = 100;

/** Whether the conversation ended in this very attempt, so that nothing is left but to conclude it. */
export function isTalkedOut(t: Trying): boolean {
  return t.state.talk.over?.attempt === numberOf(t);
}

/** Whether there is a person to talk with. */
export function isTalking(t: Trying): boolean {
  return t.bench.agent.converse !== undefined && t.state.talk.over === null;
}

/** The talk, ended. */
export function ended(t: Trying, talk: Talk, by: TalkEnd): Talk {
  return { ...talk, listening: false, until: null, over: { by, attempt: numberOf(t) } };
}

/**
 * Opens an attempt's transcript with the conversation so far, which an earlier attempt may have had, or
 * with the greeting.
 */
export async function openTalk(
  tx: Transaction,
  t: Trying,
  run: Run,
): Promise<{ readonly entries: Transcript; readonly talk: Talk }> {
  if (t.bench.agent.converse === undefined) return { entries: [], talk: t.state.talk };
  const unheard = await hear(tx, run.id);
  const said = await listSaid(tx, run.id);
  const { greeting } = t.bench.agent.converse;
  if (said.length === 0 && greeting !== undefined) {
    await sayToPerson(tx, run, greeting);
    return { entries: [saidByAgent(greeting)], talk: t.state.talk };
  }
  return { entries: said.flatMap(entryOf), talk: afterHearing(t, t.state.talk, unheard) };
}

/** Takes up what the person has said since, in the turn that `tx` is. */
export async function hearOut(
  tx: Transaction,
  t: Trying,
  run: Run,
): Promise<{ readonly entries: Transcript; readonly talk: Talk }> {
  if (!isTalking(t)) return { entries: [], talk: t.state.talk };
  const said = await hear(tx, run.id);
  const entries = said.flatMap(entryOf);
  await append(tx, run.id, numberOf(t), entries);
  return { entries, talk: afterHearing(t, t.state.talk, said) };
}

/** The end of a turn after which it is the person's word. */
export function listenEnd(t: Trying, at: Date): TurnEnd {
  const converse: Converse = t.bench.agent.converse ?? {};
  const until = new Date(at.getTime() + (converse.silenceMsMax ?? SILENCE_MS_MAX));
  const talk = { ...t.state.talk, listening: true, until: until.toISOString() };
  return { kind: "park", state: { ...t.state, call: null, talk }, until };
}

/** The end of a turn after which it is the model's word, or after which the talk is over. */
export async function nextEnd(
  tx: Transaction,
  t: Trying,
  run: Run,
  transcript: Transcript,
  talk: Talk,
): Promise<TurnEnd> {
  const state = { ...t.state, talk: { ...talk, listening: false, until: null } };
  if (isOver(t, talk) || t.lease.shouldYield()) return { kind: "continue", state: { ...state, call: null } };
  const first = unnamed(run, t.card.id);
  if (first !== undefined) return { kind: "continue", state: { ...state, call: null }, ...first };
  return { kind: "continue", state: { ...state, ...(await intendNext(tx, t, run, transcript)) } };
}

/** Woken in the person's turn: hears them, goes on waiting, or takes the silence for the end. */
export async function listen(t: Trying, transcript: Transcript): Promise<Run> {
  const staged = await stagedSoFar(t);
  let said = transcript;
  const next = await t.lease.turn(async (tx, run, now) => {
    const { entries, talk } = await hearOut(tx, t, run);
    said = [...transcript, ...entries];
    if (entries.length > 0 || talk.over !== null) return nextEnd(tx, t, run, said, talk);
    const at = await now();
    const until = new Date(talk.until ?? at);
    if (at < until) return { kind: "park", state: t.state, until };
    return { kind: "continue", state: { ...t.state, talk: ended(t, talk, "silence") } };
  });
  return hold(t, next, { transcript: said, staged });
}

/**
 * Concludes an attempt whose conversation is over. Where the person did not say that it was, somebody of
 * ours decides about what is staged, and where nothing is, there is nothing to do.
 */
export async function concludeTalk(t: Trying, transcript: Transcript): Promise<Run> {
  const staged = await stagedSoFar(t);
  const by = t.state.talk.over?.by;
  if (by === "person" || by === "agent") {
    return finish(t, transcript, { staged, end: { kind: "finished", doubts: [] } });
  }
  const because =
    by === "silence"
      ? "the person has said nothing more, so nobody knows whether this is all they want"
      : "the conversation grew past its limit without an end";
  if (by === "silence" && staged.changeSet.rows.length === 0) {
    return finish(t, transcript, { staged, end: { kind: "refuse", because } });
  }
  return finish(t, transcript, { staged, end: { kind: "finished", doubts: [] }, asks: [because] });
}

function afterHearing(t: Trying, before: Talk, said: readonly Said[]): Talk {
  const talk = { ...before, heard: before.heard + said.length };
  if (before.over !== null || said.length === 0) return talk;
  if (said.some((one) => one.ends)) return ended(t, talk, "person");
  const { heardMax = HEARD_MAX } = t.bench.agent.converse ?? {};
  return talk.heard > heardMax ? ended(t, talk, "length") : talk;
}

function isOver(t: Trying, talk: Talk): boolean {
  return talk.over?.attempt === numberOf(t);
}

function entryOf({ speaker, by, text }: Said): readonly Entry[] {
  if (text === "") return [];
  return [speaker === "person" ? { kind: "heard", by, text } : saidByAgent(text)];
}

/** Words of the agent's, whoever of it said them. */
function saidByAgent(text: string): Entry {
  return { kind: "message", message: { role: "assistant", text } };
}
