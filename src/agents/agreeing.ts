import { ConflictError, diff, inspect } from "../changes/index.ts";
import { must } from "../kernel/index.ts";
import { totals } from "../ledger/index.ts";
import { type Found, verdictsOf } from "../policy/index.ts";
import { introspect, type Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import type { Tried } from "./attempt-code.ts";
import { type AttemptRecord, getAttempt, recordOf, saveAttempt } from "./attempts.ts";
import { differences, type StagedDiff } from "./same-change.ts";
import type { Verifying } from "./state.ts";
import type { AgreementVerifier } from "./verifier.ts";
import { businessTime } from "./business-time.ts";
import type { Working } from "./workshop.ts";

/** A further try that was made to be compared, at its end. */
type Twin = Working & {
  readonly tried: Tried;
  readonly at: Date;
  readonly alongside: (tx: Transaction) => Promise<void>;
};

/** Lets the rung try again from a clean start; `endTwin` compares what it stages. */
export function beginTwin(w: Working, verifying: Verifying): Promise<Run> {
  return w.lease.turn(async () => ({
    kind: "continue",
    state: { ...w.state, phase: "attempt", verifying, call: null },
  }));
}

/** The agreement that the try under way is made for, if it is made for one. */
export function agreementOf(w: {
  readonly bench: Pick<Working["bench"], "agent">;
  readonly state: Working["state"];
}): AgreementVerifier<unknown> | undefined {
  const { verifying } = w.state;
  if (verifying === null) return undefined;
  const verifier = w.bench.agent.verifiers?.[verifying.step];
  return verifier?.kind === "agreement" ? verifier : undefined;
}

/**
 * Ends a further try: keeps it as compared, never to be committed, and either lets another follow or writes
 * the verdict on the try that it was compared with.
 */
export async function endTwin(t: Twin, agreement: AgreementVerifier<unknown>): Promise<Run> {
  const verifying = must(t.state.verifying, `what run ${t.run.id} verifies`);
  const original = await getAttempt(t.workshop.db, t.run.id, verifying.attempt);
  const first = must(original, `attempt ${verifying.attempt} of run ${t.run.id}`);
  const twin = await recordOfTwin(t);
  const to = await businessTime(t.workshop);
  const found = await compare(t, { diff: first.diff, from: first.startedAt, to }, twin, to);
  const made = verifying.twins + 1;
  const over = found.length > 0 || made + 1 >= agreement.times;
  const because = `made to be compared with attempt ${first.number}`;
  return t.lease.turn(async (tx) => {
    await t.alongside(tx);
    await saveAttempt(tx, { ...twin.record, status: "compared", because });
    const state = { ...t.state, attempt: twin.record.number, call: null };
    if (!over) return { kind: "continue", state: { ...state, verifying: { ...verifying, twins: made } } };
    const costMicroUsd = String(await costOf(tx, t, first.number + 1, twin.record.number));
    const verdicts = verdictsOf({ check: agreement.name, by: "agreement", costMicroUsd }, found);
    await saveAttempt(tx, { ...recordOf(first), verdicts: [...first.verdicts, ...verdicts] });
    const next = { ...verifying, step: verifying.step + 1, twins: 0 };
    return { kind: "continue", state: { ...state, phase: "verify", verifying: next } };
  });
}

type TwinRecord = { readonly record: AttemptRecord; readonly from: Date; readonly conflict: boolean };

async function recordOfTwin(t: Twin): Promise<TwinRecord> {
  const { staged, rung, model } = t.tried;
  const record: AttemptRecord = {
    ...{ runId: t.run.id, number: t.state.attempt + 1, rung, model, status: "compared" },
    ...{ calls: staged.calls, changeSet: staged.changeSet, refusals: staged.refusals },
    ...{ diff: [], verdicts: staged.guarded, because: null },
  };
  const begun = await getAttempt(t.workshop.db, t.run.id, record.number);
  const from = begun?.startedAt ?? t.at;
  try {
    const { result } = await inspect(t.workshop.db, staged.changeSet, (tx) => diff(tx, staged.changeSet));
    return { record: { ...record, diff: result }, from, conflict: false };
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return { record, from, conflict: true };
  }
}

async function compare(t: Twin, first: StagedDiff, twin: TwinRecord, to: Date): Promise<readonly Found[]> {
  const { end } = t.tried;
  if (end.kind !== "finished") return [unsure(`the further try did not finish: ${end.because}`)];
  if (twin.conflict) return [unsure("the further try met rows that moved")];
  const names = new Set([...first.diff, ...twin.record.diff].map((row) => row.table));
  const tables = await t.workshop.db.transaction((tx) => introspect(tx, [...names]), { readOnly: true });
  return differences(first, { diff: twin.record.diff, from: twin.from, to }, tables).map(unsure);
}

const unsure = (because: string): Found => ({ kind: "unsure", because });

/** What the further tries cost together. */
async function costOf(tx: Transaction, t: Twin, from: number, to: number): Promise<bigint> {
  let cost = 0n;
  for (let attempt = from; attempt <= to; attempt += 1) {
    cost += (await totals(tx, { runId: t.run.id, attempt })).cost;
  }
  return cost;
}
