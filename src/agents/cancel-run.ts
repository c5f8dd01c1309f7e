import {
  type ChangeSet,
  commit,
  type Effect,
  emit,
  emptyChangeSet,
  listCommitted,
  stage,
  undo,
  UndoRefused,
} from "../changes/index.ts";
import { forget } from "../context/index.ts";
import { withdraw } from "../inbox/index.ts";
import {
  type ChangeSetId,
  FactotumError,
  type Json,
  messageOf,
  microUsd,
  must,
  type RunId,
} from "../kernel/index.ts";
import { bookValue, statementOf } from "../ledger/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { appendStep, becauseText, cancel, lockTree, type Run, RunError } from "../runs/index.ts";
import type { EndedEarly, StandingChange } from "./lives.ts";
import { type AgentState, type Disposition, readState } from "./state.ts";
import { writableTables } from "./agent.ts";
import { migratedInput, versionFor, type Versions } from "./versions.ts";

/** How a run is ended before its time. */
export type Cancelling = {
  readonly by: string;
  readonly because: string;
  /** Leaves what it committed as it is. */
  readonly keep?: boolean;
  /** `overdue` where its deadline has passed; `cancelled` unless told. */
  readonly as?: "cancelled" | "overdue";
};

/** What became of one run of the tree that was cancelled. */
export type Cancelled = {
  readonly runId: RunId;
  /** False: it was over already, and only what it had committed was taken back. */
  readonly ended: boolean;
  readonly undone: readonly ChangeSetId[];
  readonly stands: readonly StandingChange[];
  /** Effects that its agent declared for this, committed with the rest. */
  readonly effects: number;
  /** Why what its agent declares for this was not sent; null where all of it is. */
  readonly unsent: string | null;
};

type Parts = Versions & { readonly db: Database };

/** After a deadlock with turns of the same runs. */
const RETRIES = 5;

/**
 * Ends a run and all that it started, in one transaction: turns under way can no longer commit. What they
 * committed is undone, newest first, where nothing later depends on it; the rest is named as standing. What
 * their agents declare for this case is sent. Children are ended before their parents.
 *
 * @throws {RunError} `run-unknown`, `run-over`
 */
export async function cancelRun(parts: Parts, runId: RunId, how: Cancelling): Promise<readonly Cancelled[]> {
  return await parts.db.transaction(
    async (tx) => {
      const tree = await lockTree(tx, runId);
      const root = tree.at(-1)?.run;
      if (root === undefined) throw unknown(runId);
      if (isOver(root)) throw over(root);
      const ended: Cancelled[] = [];
      for (const { run } of tree) {
        if (run.id === runId || !isOver(run) || (how.keep !== true && run.status === "done")) {
          ended.push(await endOne(parts, tx, run, how));
        }
      }
      return ended.toReversed();
    },
    { retries: RETRIES },
  );
}

/** Ends one run of a locked tree, with what it committed. */
async function endOne(parts: Parts, tx: Transaction, run: Run, how: Cancelling): Promise<Cancelled> {
  const state = readState(run.state);
  const { undone, stands } = await takeBack(tx, run, state, how);
  const ended = !isOver(run);
  const disposition: Disposition | null = ended ? (how.as ?? "cancelled") : "undone";
  if (ended) {
    await cancel(tx, run.id, how.because, { state: { ...state, disposition, question: null } as Json });
  }
  await withdraw(tx, run.id);
  const { effects, unsent } = await compensate(parts, tx, run, { ...how, undone: undone.length, stands });
  if (undone.length + stands.length + effects > 0 || unsent !== null) {
    const told = { by: how.by, undone, stands: stands as unknown as Json, effects };
    const data = unsent === null ? told : { ...told, unsent };
    await appendStep(tx, run.id, { kind: "compensated", attempt: null, data });
  }
  return { runId: run.id, ended, undone, stands, effects, unsent };
}

/** Undoes what a run committed, newest first, as far as nothing later depends on it. */
async function takeBack(
  tx: Transaction,
  run: Run,
  state: AgentState,
  how: Cancelling,
): Promise<Pick<Cancelled, "undone" | "stands">> {
  const committed = (await listCommitted(tx, run.id)).filter(
    (set) => set.undoneBy === null && set.undoes === null,
  );
  const undone: ChangeSetId[] = [];
  const stands: StandingChange[] = [];
  const about = { runId: run.id, attempt: state.attempt, agent: run.agent, because: how.because };
  for (const { id } of committed.toReversed()) {
    if (how.keep === true) {
      stands.push({ changeSet: id, because: "it was to be kept" });
      continue;
    }
    await tx.query("savepoint factotum_take_back");
    try {
      await undo(tx, id, about);
      undone.push(id);
    } catch (error) {
      if (!(error instanceof UndoRefused)) throw error;
      await tx.query("rollback to savepoint factotum_take_back");
      stands.push({ changeSet: id, because: error.message });
    }
  }
  if (undone.length > 0 && stands.length === 0) await unbook(tx, run, how.because);
  return { undone, stands };
}

/** Nothing of the work is left: neither the value it made nor what was learned from it. */
async function unbook(tx: Transaction, { id: runId, tenant, agent }: Run, because: string): Promise<void> {
  const { value } = await statementOf(tx, runId);
  if (value !== 0n) await bookValue(tx, { runId, tenant, agent, value: microUsd(0n - value), because });
  await forget(tx, runId);
}

type Compensation = Pick<Cancelled, "effects" | "unsent">;

/** Commits what the agent sends where a run of its is cancelled; what cannot be sent keeps no run alive. */
async function compensate(
  parts: Parts,
  tx: Transaction,
  run: Run,
  end: Pick<EndedEarly<unknown>, "undone" | "stands" | "because">,
): Promise<Compensation> {
  const { rows } = await tx.query<{ at: Date }>("select factotum.now() as at");
  const at = must(rows[0], "the present").at;
  let staged: { readonly set: ChangeSet; readonly effects: number } | undefined;
  try {
    staged = await stageCompensation(parts, run, { ...end, at });
  } catch (error) {
    // Trouble of the moment ends the whole cancellation, which is then made again.
    if (error instanceof FactotumError && error.retry === "later") throw error;
    return { effects: 0, unsent: becauseText(messageOf(error)) };
  }
  if (staged === undefined) return { effects: 0, unsent: null };
  const { attempt } = readState(run.state);
  const because = `compensation: ${end.because}`;
  await commit(tx, staged.set, { runId: run.id, attempt, agent: run.agent, because });
  return { effects: staged.effects, unsent: null };
}

/** @throws what the agent throws, and an error that says why it cannot be asked */
async function stageCompensation(
  parts: Parts,
  run: Run,
  end: Pick<EndedEarly<unknown>, "undone" | "stands" | "because" | "at">,
) {
  const found = versionFor(parts, run);
  if (found.kind === "missing") {
    if (!mayCompensate(parts, run)) return undefined;
    throw new RunError({ code: "version-missing", retry: "never", runId: run.id, message: found.because });
  }
  const { agent } = found;
  if (agent.compensate === undefined) return undefined;
  const given = found.kind === "migrate" ? migratedInput(found.path, run.input) : run.input;
  const { undone, stands, because, at } = end;
  const told = { input: agent.input.parse(given), runId: run.id, at, because, undone, stands };
  const effects = agent.compensate(told);
  if (effects.length === 0) return undefined;
  return { set: await stageEffects(parts.db, agent, run, effects), effects: effects.length };
}

/** Whether any version that is known of a run's agent sends something where it is cancelled. */
function mayCompensate({ agents, former = [] }: Parts, run: Run): boolean {
  return [...agents, ...former].some((one) => one.name === run.agent && one.compensate !== undefined);
}

async function stageEffects(
  db: Database,
  agent: Parameters<typeof writableTables>[0] & { readonly effects?: readonly string[] },
  run: Run,
  effects: readonly Effect[],
) {
  const options = { tables: writableTables(agent), effects: agent.effects ?? [], tenant: run.tenant };
  const { changes } = await stage(db, emptyChangeSet, options, async (staged) => {
    for (const effect of effects) await emit(staged, effect);
  });
  return changes;
}

function isOver({ status }: Run): boolean {
  return status === "done" || status === "failed" || status === "cancelled";
}

function unknown(runId: RunId): RunError {
  const message = `there is no run ${runId}; list the runs there are with: factotum runs`;
  return new RunError({ code: "run-unknown", retry: "never", runId, message });
}

function over({ id: runId, status }: Run): RunError {
  const message = `run ${runId} is ${status} already; take back what it did with: factotum undo ${runId}`;
  return new RunError({ code: "run-over", retry: "never", runId, message });
}
