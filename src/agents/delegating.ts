import { createHash } from "node:crypto";
import { canonicalJson, InputError, type RunId, toJson } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import {
  appendStep,
  type ChildOrder,
  childrenOf,
  getJoin,
  type Run,
  startChildren,
  type Until,
} from "../runs/index.ts";
import type { ChildRun, ChildWork } from "./lives.ts";
import { type AgentState, readState } from "./state.ts";
import { agentNamed, type Working } from "./workshop.ts";

/** What a rung waits for: children that are to be started, or a join of those that were. */
export type Handed =
  | {
      readonly kind: "new";
      readonly digest: string;
      readonly orders: readonly ChildOrder[];
      readonly until: Until;
    }
  | { readonly kind: "under-way" };

/** Thrown by `work.delegate` to end the try: the rung is run again once what it waits for has come. */
export class HandedSignal extends Error {
  constructor() {
    super("the run waits for work that it handed on; let this error through");
  }
}

/**
 * What came of work that this run handed on before, or what it has to wait for. The same agents, inputs and
 * keys are the same work, whatever their times: they are never started twice.
 *
 * @throws {InputError} `agent-unknown`, `input-invalid`, `delegate-refused`
 */
export async function handOn(
  w: Pick<Working, "workshop" | "run" | "state">,
  children: readonly ChildWork[],
  until: Until,
): Promise<readonly ChildRun[] | Handed> {
  if (children.length === 0) return [];
  const { workshop, state } = w;
  const digest = digestOf(children, until);
  const known = state.joins?.[digest];
  if (known !== undefined) {
    const join = await getJoin(workshop.db, known.runId, known.number);
    // Only the run that handed it on is woken when it is over.
    if (join?.met !== true && known.runId !== w.run.id) {
      throw refusal(
        w.run.id,
        `what run ${known.runId} handed on is still under way; fork it once that is over`,
      );
    }
    if (join?.met !== true) return { kind: "under-way" };
    return (await childrenOf(workshop.db, known.runId, known.number)).map(childOf);
  }
  const orders = children.map((one) => orderOf(w, one));
  if (state.rehearses !== true) return { kind: "new", digest, orders, until };
  throw refusal(
    w.run.id,
    "a rehearsal starts no runs, and the run that it is a fork of started no such ones",
  );
}

function refusal(runId: RunId, because: string): InputError {
  return new InputError({ code: "delegate-refused", message: `run ${runId}: ${because}` });
}

/** Starts what is handed on, and parks the run until it is over; woken before, it parks again. */
export function parkForChildren({ lease, state }: Working, handed: Handed): Promise<Run> {
  return lease.turn(async (tx, run) => {
    if (handed.kind === "under-way") return { kind: "park", state };
    const number = await startChildren(tx, run, handed.orders, handed.until);
    await note(tx, run, state, number, handed.until);
    const joins = { ...state.joins, [handed.digest]: { runId: run.id, number } };
    return { kind: "park", state: { ...state, joins } };
  });
}

async function note(tx: Transaction, run: Run, state: AgentState, join: number, until: Until): Promise<void> {
  const runs = (await childrenOf(tx, run.id, join)).map((child) => child.id);
  const data = { join, until: toJson(until), runs };
  await appendStep(tx, run.id, { kind: "delegated", attempt: state.attempt + 1, data });
}

function orderOf({ workshop }: Pick<Working, "workshop">, child: ChildWork): ChildOrder {
  const { input, key, priority, at, deadline } = child;
  const agent = agentNamed(workshop.agents, child.agent);
  const parsed = agent.input.safeParse(input);
  if (!parsed.success) {
    const because = parsed.error.issues.map((one) => `${one.path.join(".")}: ${one.message}`).join("; ");
    const message = `agent ${agent.name} cannot read the input that it is handed: ${because}`;
    throw new InputError({ code: "input-invalid", message });
  }
  return {
    ...{ agent: agent.name, agentVersion: agent.version, input },
    ...(key !== undefined && { key }),
    ...(priority !== undefined && { priority }),
    ...(at !== undefined && { parkedUntil: at }),
    ...(deadline !== undefined && { deadline }),
  };
}

function digestOf(children: readonly ChildWork[], until: Until): string {
  const plain = children.map(({ agent, input, key = null }) => [agent, input, key]);
  return createHash("sha256")
    .update(canonicalJson(toJson([plain, until])))
    .digest("hex");
}

function childOf({ id, agent, input, status, because, state }: Run): ChildRun {
  return { runId: id, agent, input, status, because, disposition: readState(state).disposition };
}
