import { differences } from "./same-change.ts";
import type { Json, MicroUsd, RunId, Tokens } from "../kernel/index.ts";
import { statementOf } from "../ledger/index.ts";
import { introspect, type Transaction } from "../postgres/index.ts";
import { getRun, listSteps, type Step } from "../runs/index.ts";
import { type Attempt, listAttempts } from "./attempts.ts";
import { type Disposition, readState } from "./state.ts";
import { allTokens } from "./summary.ts";

/** One of two runs that are laid side by side. */
export type Compared = {
  readonly id: RunId;
  readonly agent: string;
  readonly disposition: Disposition | null;
  /** Of its latest attempt. */
  readonly model: string | null;
  readonly verdicts: readonly {
    readonly check: string;
    readonly kind: string;
    readonly because: string | null;
  }[];
  readonly rows: number;
  readonly cost: MicroUsd;
  readonly tokens: Tokens;
  readonly value: MicroUsd;
  /** Milliseconds of business time from its start to its last turn. */
  readonly tookMs: number;
};

/** Two runs side by side. */
export type Comparison = {
  readonly runs: readonly [Compared, Compared];
  /** The number of the first step in which they differ; null: one is as the other as far as both go. */
  readonly firstDifference: number | null;
  /** What either did at each step from there on, of the first 1,000 of each. */
  readonly steps: readonly { readonly seq: number; readonly a: StepText; readonly b: StepText }[];
  /** What their latest attempts staged differently, but for ids and times that the database gave. */
  readonly changes: readonly string[];
};

/** A step in short; null: it has none of that number. */
type StepText = { readonly kind: string; readonly data: Json } | null;

/**
 * Lays two runs side by side.
 *
 * @throws {RunError} `run-unknown`
 */
export async function compareRuns(tx: Transaction, a: RunId, b: RunId): Promise<Comparison> {
  const [one, other] = [await sideOf(tx, a), await sideOf(tx, b)];
  const length = Math.max(one.steps.length, other.steps.length);
  const pairs = Array.from({ length }, (_, at) => ({
    ...{ seq: at + 1, a: textOf(one.steps[at]), b: textOf(other.steps[at]) },
  }));
  const first = pairs.findIndex((pair) => JSON.stringify(pair.a) !== JSON.stringify(pair.b));
  const [left, right] = [stagedBy(one.last), stagedBy(other.last)];
  const names = new Set([...left.diff, ...right.diff].map((row) => row.table));
  const tables = await introspect(tx, [...names]);
  return {
    runs: [one.compared, other.compared],
    firstDifference: first < 0 ? null : first + 1,
    steps: first < 0 ? [] : pairs.slice(first),
    changes: differences(left, right, tables),
  };
}

type Side = {
  readonly compared: Compared;
  readonly steps: readonly Step[];
  readonly last: Attempt | undefined;
};

async function sideOf(tx: Transaction, id: RunId): Promise<Side> {
  const run = await getRun(tx, id);
  const { cost, usage, value } = await statementOf(tx, id);
  const last = (await listAttempts(tx, id)).findLast((one) => one.status !== "compared");
  const verdicts = (last?.verdicts ?? []).map((one) => ({
    ...{ check: one.check, kind: one.kind, because: one.because ?? null },
  }));
  const compared: Compared = {
    ...{ id, agent: run.agent, disposition: readState(run.state).disposition, model: last?.model ?? null },
    ...{ verdicts, rows: last?.changeSet.rows.length ?? 0, cost, tokens: allTokens(usage), value },
    tookMs: run.updatedAt.getTime() - run.createdAt.getTime(),
  };
  return { compared, steps: await listSteps(tx, id), last };
}

function textOf(step: Step | undefined): StepText {
  return step === undefined ? null : { kind: step.kind, data: step.data };
}

function stagedBy(attempt: Attempt | undefined) {
  const at = attempt?.startedAt ?? new Date(0);
  return { diff: attempt?.diff ?? [], from: at, to: attempt?.endedAt ?? at };
}
