/** Commit quality: what guards and checks stop and block among recorded runs, beside doing without them. */
import type { RunId } from "factotum/kernel";
import { rule } from "factotum/policy";
import { HELD_BACK, type Held, type Path } from "./businesses-path.ts";
import { NOTHING_MISSING } from "../examples/retail/conversation.ts";
import type { Replayed } from "./businesses-replay.ts";
import { linesOfRecord } from "./businesses-rows.ts";

/** A recorded run, and what came of it when guards and checks were in force. */
export type Judged = {
  readonly run: Replayed;
  /** The run in which it was held in force. */
  readonly id: RunId;
  /** Why it was stopped: a guard refused a call, or a check failed, so that nothing is committed. */
  readonly because: readonly string[];
  /** It changes something and was stopped. */
  readonly stopped: boolean;
  /** A person was asked one card, and answered it rightly. */
  readonly asked: boolean;
  /** Something that was asked for seems to be missing. */
  readonly flagged: boolean;
  /** It changes a row that should not change, or not so. */
  readonly harmful: boolean;
  /** All that it changes is right, and something is missing. */
  readonly omission: boolean;
  /** Rows that were committed in the end, the person's answer included. */
  readonly committed: number;
};

/**
 * Holds a recorded conversation with guards and checks in force. What was stopped is dropped; where a person
 * is asked, one answers who knows the rows that should come of it. On a path of manner `hold` nothing is
 * committed: what its last check alone asked about is dropped too.
 */
export async function enforce(path: Path, run: Replayed): Promise<Judged> {
  const held = await path.hold(run.recording);
  const because = stoppedBecause(held);
  const own = held.attempt.verdicts.filter((one) => one.check !== HELD_BACK);
  const isHeldBack = own.length < held.attempt.verdicts.length;
  const asked =
    because.length === 0 && held.question !== undefined && (!isHeldBack || rule(own).kind === "ask");
  const mayCommit = held.question?.card.choices.some((choice) => choice.id === "commit") === true;
  const end = await path.decide(
    held,
    asked && !isHeldBack && run.rowsRight && mayCommit ? "commit" : "discard",
  );
  const committed = end.outcome === "resolved" || end.outcome === "answered";
  return {
    ...{ run, id: end.id, because, asked, ...harmOf(run) },
    stopped: run.lines.length > 0 && because.length > 0,
    flagged: held.attempt.verdicts.some((one) => one.check === NOTHING_MISSING && one.kind === "ask"),
    committed: committed ? held.attempt.changeSet.rows.length : 0,
  };
}

/** Whether a run changes what it should not, or is right as far as it goes. */
export function harmOf(run: Replayed): Pick<Judged, "harmful" | "omission"> {
  const expected = new Set(linesOfRecord(run.recording.expected));
  const extra = run.lines.filter((line) => !expected.has(line)).length;
  return { harmful: extra > 0, omission: extra === 0 && !run.rowsRight };
}

/** Whether a judged run would be committed, by itself or by a person who answers rightly. */
export function isLetThrough({ run, because, asked }: Judged): boolean {
  return run.changes.rows.length > 0 && because.length === 0 && (!asked || run.rowsRight);
}

/** Whether two judgements of a run say the same. */
export function sameJudgement(one: Judged, other: Judged): boolean {
  const said = ({ because, asked, stopped, flagged }: Judged): string =>
    JSON.stringify([because, asked, stopped, flagged]);
  return said(one) === said(other);
}

function stoppedBecause({ attempt }: Held): readonly string[] {
  const refused = attempt.refusals.map((one) => `${one.guard}: ${one.because}`);
  if (refused.length > 0) return refused;
  return attempt.verdicts.flatMap((one) => (one.kind === "fail" ? [`${one.check}: ${one.because}`] : []));
}

/**
 * Counts of runs in which a write is due. `bad` would commit rows that are wrong or not all; `harmful` rows
 * that should not be; an `omission` is right as far as it goes, which may be nowhere.
 */
export type Counts = {
  readonly runs: number;
  readonly bad: number;
  readonly badStopped: number;
  readonly good: number;
  readonly goodBlocked: number;
  readonly omissions: number;
  readonly omissionsFlagged: number;
  readonly questions: number;
  /** Questions about change sets, and about runs that staged nothing: each of those is an omission caught. */
  readonly questionsOnChanges: number;
  readonly questionsOnNothing: number;
  readonly harmful: number;
  readonly harmfulStopped: number;
};

/**
 * Checks alone, where only a refusal or a failed check stops and nobody is asked; and with a person, who
 * answers rightly every card that the path puts to them.
 */
export function writeDue(all: readonly Judged[]): Counts & { readonly withPerson: Counts } {
  const due = all.filter((one) => one.run.writeDue);
  const count = (of: (one: Judged) => boolean): number => due.filter(of).length;
  const bad = (one: Judged): boolean => one.run.lines.length > 0 && !one.run.rowsRight;
  const alone: Counts = {
    runs: due.length,
    bad: count(bad),
    badStopped: count((one) => bad(one) && one.stopped),
    good: count((one) => one.run.rowsRight),
    goodBlocked: count((one) => one.run.rowsRight && one.stopped),
    omissions: count((one) => one.omission),
    omissionsFlagged: count((one) => one.omission && one.flagged),
    ...{ questions: 0, questionsOnChanges: 0, questionsOnNothing: 0 },
    harmful: count((one) => one.harmful),
    harmfulStopped: count((one) => one.harmful && one.stopped),
  };
  const withPerson: Counts = {
    ...alone,
    badStopped: count((one) => bad(one) && (one.stopped || one.asked)),
    questions: count((one) => one.asked),
    questionsOnChanges: count((one) => one.asked && one.run.lines.length > 0),
    questionsOnNothing: count((one) => one.asked && one.run.lines.length === 0),
    harmfulStopped: count((one) => one.harmful && (one.stopped || one.asked)),
  };
  return { ...alone, withPerson };
}

/** What is committed where a write is due, how much of it is right, and how many due writes it covers. */
export type Commitments = {
  readonly commits: number;
  readonly wrong: number;
  /** Right commits of all runs in which a write is due. */
  readonly coverage: number;
  /** Right commits of all commits; null where nothing is committed. */
  readonly precision: number | null;
};

/** Ways of doing without the checks, and the checks in the same terms. */
export function baselines(all: readonly Judged[]) {
  const due = all.filter((one) => one.run.writeDue);
  const nothingDue = all.length - due.length;
  return {
    commitEverything: commitments(due, (one) => one.run.lines.length > 0),
    /** One card for every change set, and a question before every write, each answered rightly. */
    oneCard: asking(due, (one) => Math.min(1, one.run.lines.length)),
    gateOnEveryWrite: asking(due, (one) => one.run.writes),
    checksAlone: commitments(due, (one) => one.run.lines.length > 0 && !one.stopped),
    twoRunsAgree: twoAgree(all),
    doNothing: { ...commitments(due, () => false), rightOfAllRuns: round(nothingDue / all.length) },
    /** What the checks do where no write is due. */
    noWriteDue: {
      runs: nothingDue,
      wouldCommit: all.filter((one) => !one.run.writeDue && one.run.lines.length > 0).length,
      stopped: all.filter((one) => !one.run.writeDue && one.stopped).length,
      questionsOnChanges: all.filter((one) => !one.run.writeDue && one.asked && one.run.lines.length > 0)
        .length,
      /** Nothing was due, and nothing was done: false alarms. */
      questionsInVain: all.filter((one) => !one.run.writeDue && one.asked && one.run.rowsRight).length,
      flaggedInVain: all.filter((one) => !one.run.writeDue && one.run.rowsRight && one.flagged).length,
    },
  };
}

function commitments(due: readonly Judged[], committed: (one: Judged) => boolean): Commitments {
  const commits = due.filter(committed);
  const right = commits.filter((one) => one.run.rowsRight).length;
  return {
    commits: commits.length,
    wrong: commits.length - right,
    coverage: round(right / due.length),
    precision: commits.length === 0 ? null : round(right / commits.length),
  };
}

function asking(due: readonly Judged[], questionsOf: (one: Judged) => number) {
  const questions = due.reduce((sum, one) => sum + questionsOf(one), 0);
  const harmful = due.filter((one) => one.harmful).length;
  const perHarmStopped = harmful === 0 ? null : round(questions / harmful);
  return { questions, harmfulStopped: harmful, perHarmStopped };
}

/** Pairs of recordings of one task that stage the same change, and change anything. */
function twoAgree(all: readonly Judged[]) {
  const tasks = Map.groupBy(
    all.filter((one) => one.run.recording.task !== null),
    (one) => `${one.run.recording.file} ${one.run.recording.task ?? ""}`,
  );
  let [pairs, agreeing, right] = [0, 0, 0];
  for (const runs of tasks.values()) {
    for (const [at, one] of runs.entries()) {
      for (const other of runs.slice(at + 1)) {
        pairs += 1;
        if (one.run.lines.length === 0 || one.run.lines.join() !== other.run.lines.join()) continue;
        agreeing += 1;
        if (one.run.rowsRight) right += 1;
      }
    }
  }
  return { pairs, agreeing, right, precision: agreeing === 0 ? null : round(right / agreeing) };
}

function round(share: number): number {
  return Number.isFinite(share) ? Math.round(share * 1000) / 1000 : 0;
}
