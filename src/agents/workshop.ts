import { z } from "zod";
import {
  type ChangeSet,
  type Diff,
  diff,
  emptyChangeSet,
  inspect,
  stage,
  writableWith,
} from "../changes/index.ts";
import type { Sleep } from "../calls/index.ts";
import { type Clock, defaultTenant, InputError, type Json, type RunId } from "../kernel/index.ts";
import type { BudgetId } from "../ledger/index.ts";
import { type Lesson, listInstructions, recall } from "../context/index.ts";
import type { Attention, LinkTo } from "../inbox/index.ts";
import {
  type Check,
  onlyEffects,
  onlyTables,
  type ToolCall,
  type Turn,
  type Verdict,
  verify,
} from "../policy/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import type { Lease, Run } from "../runs/index.ts";
import { type Agent, writableTables } from "./agent.ts";
import type { ModelChoice } from "./cascade.ts";
import type { Spending } from "./spending.ts";
import type { AgentState } from "./state.ts";
import type { Refusal } from "./refusal.ts";
import { openToolbox, type Toolbox } from "./toolbox.ts";
import type { CallContext } from "./tool.ts";
import { versionFor, type Versions } from "./versions.ts";

/** What the driver of runs is made of; given by the composition root. */
export type WorkshopParts = ModelChoice & {
  readonly db: Database;
  readonly agents: readonly Agent[];
  /** Agents as they were, for runs that they began. */
  readonly former?: readonly Agent[];
  /** Real time, for the tries of a model call. */
  readonly clock: Clock;
  readonly sleep: Sleep;
  /** How model calls are paid from budgets; without it, no call has one. */
  readonly spending?: Spending;
  /** What is wrong with the body of an effect, as its channel sees it. */
  readonly effectProblems?: (channel: string, body: Json) => readonly string[];
  /** Who may be asked, and what their attention is worth. */
  readonly attention?: Attention;
  /** Makes the one-tap links that people are told of a question with. */
  readonly linkTo?: LinkTo;
  /** Runs tools as a role of the agent's own, made by `ensureRole`; without, they have all our rights. */
  readonly leastPrivilege?: boolean;
};

/** One agent with its live tools, ready to work on runs. */
export type Bench = { readonly agent: Agent; readonly toolbox: Toolbox };

/** A run in hand: what every move of the driver works with. */
export type Working = {
  readonly workshop: Workshop;
  readonly bench: Bench;
  readonly lease: Lease;
  readonly run: Run;
  readonly state: AgentState;
  /** What the run's model calls are spent from. */
  readonly budget?: BudgetId | undefined;
};

/** A staged piece of work: the tool calls that made it, what they changed, and what guards said of them. */
export type Staged = {
  readonly calls: readonly ToolCall[];
  readonly changeSet: ChangeSet;
  /** What guards found of calls that they let pass. */
  readonly guarded: readonly Verdict[];
  readonly refusals: readonly Refusal[];
};

/** Work with nothing staged. */
export const nothingStaged: Staged = { calls: [], changeSet: emptyChangeSet, guarded: [], refusals: [] };

/** Opens the agents' tools once, from the live schema, and finds the bench of a run. */
export type Workshop = WorkshopParts & {
  bench(run: Run): Promise<Bench>;
  /** The bench of an agent by name, before there is a run. @throws {InputError} `agent-unknown` */
  benchOf(agent: string): Promise<Bench>;
};

/** Makes a workshop; a toolbox is read from the schema at the first run of its agent. */
export function makeWorkshop(parts: WorkshopParts): Workshop {
  const benches = new Map<string, Promise<Bench>>();
  const open = async (agent: Agent): Promise<Bench> => ({
    agent,
    toolbox: await parts.db.transaction((tx) => openToolbox(tx, agent)),
  });
  const bench = async (agent: Agent): Promise<Bench> => {
    const name = `${agent.name}@${agent.version}`;
    const known = benches.get(name) ?? open(agent);
    benches.set(name, known);
    try {
      return await known;
    } catch (error) {
      benches.delete(name);
      throw error;
    }
  };
  return {
    ...parts,
    bench: async (run) => bench(agentOf(parts, run)),
    benchOf: async (name) => bench(agentNamed(parts.agents, name)),
  };
}

/** What a stretch of staged work adds to an attempt, besides its rows. */
type Stagings = Pick<Staged, "calls"> & Partial<Pick<Staged, "guarded" | "refusals">>;

/** Stages work on top of what an attempt staged already. */
export async function stageMore<T>(
  workshop: Workshop,
  bench: Bench,
  run: Pick<Run, "tenant">,
  base: Staged,
  work: (tx: Transaction) => Promise<Stagings & { readonly end: T }>,
): Promise<{ readonly staged: Staged; readonly end: T }> {
  const { effects = [] } = bench.agent;
  const options = { tables: writableTables(bench.agent), effects, ...staffOf(workshop, bench, run) };
  const { result, changes } = await stage(workshop.db, base.changeSet, options, work);
  // Only looked: what was staged stays the very same, and need not be written again.
  const added = [result.calls, result.guarded ?? [], result.refusals ?? []].some((more) => more.length > 0);
  if (!added && JSON.stringify(changes) === JSON.stringify(base.changeSet)) {
    return { staged: base, end: result.end };
  }
  const staged: Staged = {
    calls: [...base.calls, ...result.calls],
    changeSet: changes,
    guarded: [...base.guarded, ...(result.guarded ?? [])],
    refusals: [...base.refusals, ...(result.refusals ?? [])],
  };
  return { staged, end: result.end };
}

/** As whom tools run, and for which tenant. */
function staffOf(
  { leastPrivilege = false }: Pick<WorkshopParts, "leastPrivilege">,
  { agent }: Bench,
  { tenant }: Pick<Run, "tenant">,
): { readonly tenant: string; readonly as?: string } {
  return { tenant: tenant ?? defaultTenant, ...(leastPrivilege && { as: agent.name }) };
}

/** What a staged change set looks like, what checks say of it, and the work with what they relied on. */
export type Examined = {
  readonly diff: Diff;
  readonly verdicts: readonly Verdict[];
  readonly staged: Staged;
};

/** What checks are told besides the staged rows; the agent's own checks are run unless others are given. */
export type Background = {
  readonly checks?: readonly Check<unknown>[];
  readonly turns?: readonly Turn[];
  /** Every call of the attempt, reading ones too; without it, those that staged the work. */
  readonly calls?: readonly ToolCall[];
};

/** Examines a staged change set. A check may `rely` on what it reads, as a tool may. */
export async function examine(
  workshop: Workshop,
  bench: Bench,
  run: Run,
  staged: Staged,
  at: Date,
  { checks = bench.agent.checks, turns = [], calls = staged.calls }: Background = {},
): Promise<Examined> {
  const judge = async (tx: Transaction) => {
    const rows = await diff(tx, staged.changeSet);
    const { effects } = bench.agent;
    const all = [
      onlyTables<unknown>(writableWith(writableTables(bench.agent), effects)),
      ...(effects === undefined ? [] : [onlyEffects<unknown>(effects, workshop.effectProblems)]),
      ...checks,
    ];
    const input = parseInput(bench.agent, run);
    await tx.query("savepoint factotum_check");
    const heal = () => tx.query("rollback to savepoint factotum_check");
    const context = { input, diff: rows, calls, turns, view: tx, at };
    return { diff: rows, verdicts: await verify(all, context, { heal }) };
  };
  const tenant = run.tenant ?? defaultTenant;
  const { result, changes } = await inspect(workshop.db, staged.changeSet, judge, { tenant });
  const verdicts = [...staged.guarded, ...result.verdicts];
  return { ...result, verdicts, staged: { ...staged, changeSet: changes } };
}

/** The lessons an agent has learned so far. */
export function lessonsOf(workshop: Workshop, run: Run): Promise<readonly Lesson[]> {
  return recall(workshop.db, { tenant: run.tenant ?? defaultTenant, agent: run.agent });
}

/** What people want the run's agent always to do, for its tenant. */
export async function standingOf(workshop: Workshop, run: Run): Promise<readonly string[]> {
  const owner = { tenant: run.tenant ?? defaultTenant, agent: run.agent };
  return (await listInstructions(workshop.db, owner)).map((one) => one.text);
}

/** The run's input, parsed by its agent's schema. @throws {InputError} `run-input` */
export function parseInput(agent: Agent, run: { readonly id: RunId; readonly input: Json }): unknown {
  const parsed = agent.input.safeParse(run.input);
  if (parsed.success) return parsed.data;
  throw new InputError({
    code: "run-input",
    message:
      `run ${run.id} holds an input that agent ${agent.name} cannot read: ` +
      z.prettifyError(parsed.error).replaceAll(/\s+/g, " "),
  });
}

/** What tools are told of the run they work for. */
export function toolContext(run: Run, at: Date): CallContext {
  return { runId: run.id, input: run.input, at };
}

/** @throws {InputError} `agent-unknown` */
export function agentNamed(agents: readonly Agent[], name: string): Agent {
  const found = agents.find((agent) => agent.name === name);
  if (found !== undefined) return found;
  const known = agents.map((agent) => agent.name).join(", ");
  throw new InputError({ code: "agent-unknown", message: `there is no agent ${name}; there is ${known}` });
}

function agentOf(versions: Versions, run: Run): Agent {
  const found = versionFor(versions, run);
  if (found.kind === "recorded") return found.agent;
  const because = found.kind === "missing" ? found.because : "it is not migrated yet; a worker does it";
  throw new InputError({ code: "version-missing", message: `run ${run.id} cannot go on: ${because}` });
}
