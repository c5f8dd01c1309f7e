/** Commit quality: what checks stop and block among recorded runs, beside doing without them. */
import { diff, peek } from "factotum/changes";
import { type Turn, type Verdict, verify } from "factotum/policy";
import type { Database } from "factotum/postgres";
import { airlineChecks } from "../examples/airline/checks.ts";
import { retailChecks } from "../examples/retail/checks.ts";
import { NOTHING_MISSING } from "../examples/retail/conversation.ts";
import type { Recording } from "./businesses-data.ts";
import { RECORDED_AT, type Replayed } from "./businesses-replay.ts";
import { linesOfRecord } from "./businesses-rows.ts";

/** A replayed run with what the checks say of its change set. */
export type Judged = {
  readonly run: Replayed;
  readonly verdicts: readonly Verdict[];
  /** A check says no, so nothing is committed. */
  readonly stopped: boolean;
  /** Something that was asked for seems to be missing. */
  readonly flagged: boolean;
  /** It changes a row that should not change, or not so. */
  readonly harmful: boolean;
  /** All that it changes is right, and something is missing. */
  readonly omission: boolean;
};

/** Runs the checks of its business over the change set of a run. */
export async function judge(db: Database, run: Replayed): Promise<Judged> {
  const checks = run.recording.domain === "retail" ? retailChecks : airlineChecks;
  const verdicts = await peek(db, run.changes, async (tx) => {
    const rows = await diff(tx, run.changes);
    const turns = turnsOf(run.recording);
    const input = { dialect: run.recording.dialect === 1 ? 1 : 2 } as const;
    return await verify(checks, {
      input,
      diff: rows,
      calls: run.calls,
      turns,
      view: tx,
      at: RECORDED_AT,
    });
  });
  const expected = new Set(linesOfRecord(run.recording.expected));
  const extra = run.lines.filter((line) => !expected.has(line)).length;
  return {
    ...{ run, verdicts, harmful: extra > 0, omission: extra === 0 && !run.rowsRight },
    flagged: verdicts.some((verdict) => verdict.check === NOTHING_MISSING && verdict.kind === "ask"),
    stopped: run.lines.length > 0 && verdicts.some((verdict) => verdict.kind === "fail"),
  };
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
  readonly harmful: number;
  readonly harmfulStopped: number;
};

/**
 * Checks alone, where only a `fail` stops and nobody is asked; and with a person who answers one card
 * rightly for every change set that no check failed, and for every run that seems to leave something out.
 */
export function writeDue(all: readonly Judged[]): Counts & { readonly withPerson: Counts } {
  const due = all.filter((one) => one.run.writeDue);
  const count = (of: (one: Judged) => boolean): number => due.filter(of).length;
  const commits = (one: Judged): boolean => one.run.lines.length > 0;
  const bad = (one: Judged): boolean => commits(one) && !one.run.rowsRight;
  const alone: Counts = {
    runs: due.length,
    bad: count(bad),
    badStopped: count((one) => bad(one) && one.stopped),
    good: count((one) => one.run.rowsRight),
    goodBlocked: count((one) => one.run.rowsRight && one.stopped),
    omissions: count((one) => one.omission),
    omissionsFlagged: count((one) => one.omission && one.flagged),
    questions: 0,
    harmful: count((one) => one.harmful),
    harmfulStopped: count((one) => one.harmful && one.stopped),
  };
  const card = (one: Judged): boolean => !one.stopped && (commits(one) || one.flagged);
  const withPerson: Counts = {
    ...alone,
    badStopped: count((one) => bad(one) && (one.stopped || card(one))),
    questions: count(card),
    harmfulStopped: count((one) => one.harmful && (one.stopped || card(one))),
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
    checksAlone: commitments(due, (one) => one.run.lines.length > 0 && !one.stopped),
    twoRunsAgree: twoAgree(all),
    doNothing: { ...commitments(due, () => false), rightOfAllRuns: round(nothingDue / all.length) },
    /** What the checks do where no write is due. */
    noWriteDue: {
      runs: nothingDue,
      wouldCommit: all.filter((one) => !one.run.writeDue && one.run.lines.length > 0).length,
      stopped: all.filter((one) => !one.run.writeDue && one.stopped).length,
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

function turnsOf(recording: Recording): readonly Turn[] {
  const waiting: (readonly [string, Turn & { readonly kind: "call" }])[] = [];
  const turns: Turn[] = [];
  for (const message of recording.messages) {
    if (typeof message.u === "string") turns.push({ kind: "person", text: message.u });
    if (typeof message.a === "string") turns.push({ kind: "agent", text: message.a });
    for (const [tool, input] of message.c ?? [])
      waiting.push([tool, { kind: "call", tool, input, refused: false }]);
    if (message.r === undefined) continue;
    const call = waiting.shift();
    if (call !== undefined) turns.push({ ...call[1], refused: (message.r ?? "").startsWith("Error") });
  }
  return turns;
}
